/**
 * Apache Kafka in a cache that every project of this user shares.
 *
 * I1. The folder is built beside its place and renamed into it, so it is either whole or absent; a killed installer leaves nothing usable.
 * I2. One installer works at a time (folder lock); the others wait and find its result. Once installed, no network is used.
 * I3. The version and the hash of pom.xml name the folder: any number of versions lie side by side and never mix.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { MqError } from '@mq/contract'
import { tryLockFolder } from './folder-lock.ts'
import { findJava, findMaven, type Java } from './java.ts'
import { KAFKA_VERSION } from './kafka-version.ts'

const run = promisify(execFile)

const POM = fileURLToPath(new URL('../pom.xml', import.meta.url))
const INSTALL_DEADLINE_MS = 10 * 60_000

export interface KafkaInstall {
  readonly version: string
  readonly folder: string
  readonly java: Java
  /** Every jar, for `java -cp`; also runs Kafka's own tools, such as `org.apache.kafka.tools.ProducerPerformance`. */
  readonly classPath: string
}

export type InstallProgress = (message: string) => void

/** Per-user cache: `MQ_CACHE`, else `XDG_CACHE_HOME/mq`, else `~/.cache/mq`. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return environment.MQ_CACHE || join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'mq')
}

/** Whether a start needs no network. */
export function isKafkaInstalled(version: string = KAFKA_VERSION): boolean {
  return existsSync(installFolder(version))
}

function installFolder(version: string): string {
  const hash = createHash('sha256').update(readFileSync(POM)).digest('hex').slice(0, 12)
  return join(cacheFolder(), `kafka-${version}-${hash}`)
}

export async function installKafka(
  onProgress: InstallProgress = () => {},
  version: string = KAFKA_VERSION,
): Promise<KafkaInstall> {
  const java = await findJava()
  const folder = installFolder(version)
  if (!existsSync(folder)) await fetchInto(folder, version, onProgress)
  return { version, folder, java, classPath: classPathOf(folder) }
}

function classPathOf(folder: string): string {
  const libs = join(folder, 'libs')
  return readdirSync(libs)
    .sort()
    .map((jar) => join(libs, jar))
    .join(delimiter)
}

async function fetchInto(folder: string, version: string, onProgress: InstallProgress): Promise<void> {
  const maven = findMaven()
  const lock = await waitForLock(`${folder}.lock`, onProgress)
  try {
    if (existsSync(folder)) return
    onProgress(`fetching Apache Kafka ${version} (about 54 MB, once)`)
    const building = `${folder}.building`
    rmSync(building, { recursive: true, force: true })
    mkdirSync(building, { recursive: true })
    await copyJars(maven, version, building)
    renameSync(building, folder)
  } finally {
    lock.release()
  }
}

async function waitForLock(folder: string, onProgress: InstallProgress) {
  const deadline = performance.now() + INSTALL_DEADLINE_MS
  for (let waited = false; ; waited = true) {
    const lock = tryLockFolder(folder)
    if (lock !== undefined) return lock
    if (!waited) onProgress('waiting for another process that is fetching Apache Kafka')
    if (performance.now() > deadline) {
      throw new MqError(
        'MQ_KAFKA_INSTALL_FAILED',
        `Another process has held ${folder} for ${INSTALL_DEADLINE_MS / 60_000} minutes`,
      )
    }
    await sleep(200)
  }
}

async function copyJars(maven: string, version: string, building: string): Promise<void> {
  const log = `${building}.log`
  try {
    const { stdout, stderr } = await run(
      maven,
      [
        '-B',
        '-q',
        '-f',
        POM,
        `-Dkafka.version=${version}`,
        'dependency:copy-dependencies',
        '-DincludeScope=runtime',
        `-DoutputDirectory=${join(building, 'libs')}`,
      ],
      { timeout: INSTALL_DEADLINE_MS, maxBuffer: 16 * 1024 * 1024 },
    )
    writeFileSync(log, stdout + stderr)
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    writeFileSync(log, `${stdout}\n${stderr}\n${String(error)}\n`)
    const reason = /\[ERROR\] ([^\n]+)/.exec(stdout + stderr)?.[1] ?? 'Maven failed'
    throw new MqError('MQ_KAFKA_INSTALL_FAILED', `Apache Kafka ${version}: ${reason.slice(0, 400)} (log: ${log})`, {
      cause: error,
    })
  }
  if (!existsSync(join(building, 'libs', `kafka-clients-${version}.jar`))) {
    throw new MqError(
      'MQ_KAFKA_INSTALL_FAILED',
      `Maven ended well but fetched no kafka-clients-${version}.jar (log: ${log})`,
    )
  }
}
