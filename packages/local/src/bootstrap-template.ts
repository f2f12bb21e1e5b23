/**
 * The bootstrap metadata of a new cluster (metadata version and features), made once per installation by Kafka's own format tool.
 *
 * T1. It holds feature levels only, nothing of a particular cluster or broker, so every new folder gets a copy; formatting by the
 *     tool would cost each broker a JVM of its own, about a second.
 * T2. It comes from the tool of the installed version, never from bytes written by hand.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFileSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { MqError } from '@mq/contract'
import { serverProperties } from './broker-config.ts'
import type { Java } from './java.ts'

const run = promisify(execFile)

export const BOOTSTRAP_FILE = 'bootstrap.checkpoint'

/** Makes `<folder>/bootstrap.checkpoint` when it is not there yet. */
export async function makeBootstrapTemplate(folder: string, java: Java, classPath: string): Promise<void> {
  const target = join(folder, BOOTSTRAP_FILE)
  if (existsSync(target)) return
  const scratch = mkdtempSync(join(folder, 'format-'))
  try {
    const properties = join(scratch, 'server.properties')
    const ports = { client: 1, internal: 2, controller: 3 }
    writeFileSync(
      properties,
      serverProperties({
        nodeId: 1,
        ports,
        advertisedPort: ports.client,
        voters: [{ nodeId: 1, controllerPort: ports.controller }],
        logFolder: join(scratch, 'data'),
        overrides: {},
      }),
    )
    const jvm = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', classPath, 'kafka.tools.StorageTool']
    await run(java.path, [...jvm, 'format', '-t', newUuid(), '-c', properties], { timeout: 60_000, cwd: scratch })
    const made = join(scratch, BOOTSTRAP_FILE)
    copyFileSync(join(scratch, 'data', BOOTSTRAP_FILE), made)
    renameSync(made, target)
  } catch (error) {
    const { stderr = '', stdout = '' } = error as { stderr?: string; stdout?: string }
    const said = (stderr + stdout).trim().slice(0, 400) || String(error)
    throw new MqError('MQ_KAFKA_INSTALL_FAILED', `kafka-storage format failed: ${said}`, { cause: error })
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** A UUID as Kafka writes it; those that begin with a dash or with zeros are avoided, as Kafka does. */
export function newUuid(): string {
  for (;;) {
    const bytes = randomBytes(16)
    const text = bytes.toString('base64url')
    if (!text.startsWith('-') && bytes[0] !== 0) return text
  }
}
