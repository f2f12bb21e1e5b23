/**
 * The bootstrap metadata of a new cluster (metadata version and features), made once per installation and release of features by
 * Kafka's own format tool.
 *
 * T1. It holds feature levels only, nothing of a particular cluster or broker, so every new folder gets a copy; formatting by the
 *     tool would cost each broker a JVM of its own, about a second.
 * T2. It comes from the tool of the installed version, never from bytes written by hand, and lies where that tool put it: since
 *     Kafka 4.4 that is the first snapshot of the metadata log, before it a file of its own.
 * T3. Features are those of the installed version, or of an older release: a cluster whose brokers were replaced and whose features were not.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { MqError } from '@mq/contract'
import { serverProperties } from './broker-config.ts'
import type { KafkaInstall } from './kafka-install.ts'

const run = promisify(execFile)

/** @returns the folder whose files belong into a new data folder; made when it is not there yet */
export async function bootstrapTemplate(install: KafkaInstall, features: string | undefined): Promise<string> {
  const { folder, java, classPath, version } = install
  const target = join(folder, features === undefined ? 'bootstrap' : `bootstrap-${features}`)
  if (existsSync(target)) return target
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
        version,
        metadata: { mode: 'kraft', voters: [{ nodeId: 1, controllerPort: ports.controller }] },
        brokers: 1,
        authorizer: false,
        logFolder: join(scratch, 'data'),
        overrides: {},
      }),
    )
    const jvm = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', classPath, 'kafka.tools.StorageTool']
    const release = features === undefined ? [] : ['--release-version', features]
    await run(java.path, [...jvm, 'format', '-t', newUuid(), '-c', properties, ...release], {
      timeout: 180_000,
      cwd: scratch,
    })
    // That of the scratch folder; each real one gets its own.
    rmSync(join(scratch, 'data', 'meta.properties'))
    // Another process may have made the same one meanwhile.
    if (!existsSync(target)) renameSync(join(scratch, 'data'), target)
    return target
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
