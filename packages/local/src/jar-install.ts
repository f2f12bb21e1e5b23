/**
 * Jars from Maven in a cache that every project of this user shares.
 *
 * I1. The folder is built beside its place and renamed into it, so it is either whole or absent; a killed installer leaves nothing usable.
 * I2. One installer works at a time (folder lock); the others wait and find its result. Once installed, no network is used.
 * I3. The name, the version and the hash of the pom name the folder: any number of versions lie side by side and never mix.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { MqError } from '@mq/contract'
import { tryLockFolder } from './folder-lock.ts'
import { findMaven } from './java.ts'

const run = promisify(execFile)

const INSTALL_DEADLINE_MS = 10 * 60_000

export type InstallProgress = (message: string) => void

export interface JarSet {
  /** Of the folder: `kafka`. */
  readonly name: string
  readonly version: string
  /** For people: `Apache Kafka 4.4.0 (about 54 MB, once)`. */
  readonly label: string
  /** Names the jars; its properties are given by `properties`. */
  readonly pom: string
  readonly properties: Readonly<Record<string, string>>
  /** A jar that is there when all went well. */
  readonly proof: string
}

/** Per-user cache: `MQ_CACHE`, else `XDG_CACHE_HOME/mq`, else `~/.cache/mq`. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return environment.MQ_CACHE || join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'mq')
}

export function folderOf({ name, version, pom }: JarSet): string {
  const hash = createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 12)
  return join(cacheFolder(), `${name}-${version}-${hash}`)
}

/** @returns the folder; the jars lie in `libs` */
export async function installJars(jars: JarSet, onProgress: InstallProgress): Promise<string> {
  const folder = folderOf(jars)
  if (existsSync(folder)) return folder
  const maven = findMaven()
  const lock = await waitForLock(`${folder}.lock`, jars, onProgress)
  try {
    if (existsSync(folder)) return folder
    onProgress(`fetching ${jars.label}`)
    const building = `${folder}.building`
    rmSync(building, { recursive: true, force: true })
    mkdirSync(building, { recursive: true })
    await copyJars(maven, jars, building)
    renameSync(building, folder)
    return folder
  } finally {
    lock.release()
  }
}

export function classPathOf(folder: string): string {
  const libs = join(folder, 'libs')
  return readdirSync(libs)
    .sort()
    .map((jar) => join(libs, jar))
    .join(delimiter)
}

async function waitForLock(folder: string, jars: JarSet, onProgress: InstallProgress) {
  const deadline = performance.now() + INSTALL_DEADLINE_MS
  for (let waited = false; ; waited = true) {
    const lock = tryLockFolder(folder)
    if (lock !== undefined) return lock
    if (!waited) onProgress(`waiting for another process that is fetching ${jars.label}`)
    if (performance.now() > deadline) {
      throw new MqError(
        'MQ_KAFKA_INSTALL_FAILED',
        `Another process has held ${folder} for ${INSTALL_DEADLINE_MS / 60_000} minutes`,
      )
    }
    await sleep(200)
  }
}

async function copyJars(maven: string, { pom, properties, label, proof }: JarSet, building: string): Promise<void> {
  const log = `${building}.log`
  const given = Object.entries(properties).map(([name, value]) => `-D${name}=${value}`)
  try {
    const { stdout, stderr } = await run(
      maven,
      [
        ...['-B', '-q', '-f', pom, ...given, 'dependency:copy-dependencies', '-DincludeScope=runtime'],
        `-DoutputDirectory=${join(building, 'libs')}`,
      ],
      { timeout: INSTALL_DEADLINE_MS, maxBuffer: 16 * 1024 * 1024 },
    )
    writeFileSync(log, stdout + stderr)
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    writeFileSync(log, `${stdout}\n${stderr}\n${String(error)}\n`)
    const reason = /\[ERROR\] ([^\n]+)/.exec(stdout + stderr)?.[1] ?? 'Maven failed'
    throw new MqError('MQ_KAFKA_INSTALL_FAILED', `${label}: ${reason.slice(0, 400)} (log: ${log})`, { cause: error })
  }
  if (!existsSync(join(building, 'libs', proof))) {
    throw new MqError('MQ_KAFKA_INSTALL_FAILED', `Maven ended well but fetched no ${proof} (log: ${log})`)
  }
}
