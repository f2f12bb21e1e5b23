/**
 * Finds Java 17 or newer and Maven on this machine.
 *
 * J1. `JAVA_HOME` wins over the PATH; what is named there and does not work is an error, never passed over in silence.
 * J2. The version is read from the `release` file of the runtime when there is one, which costs no process.
 */
import { execFile } from 'node:child_process'
import { accessSync, constants, readFileSync, realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { MqError } from '@mq/contract'

const run = promisify(execFile)

/** Kafka 4 brokers need it. */
export const OLDEST_JAVA = 17

export interface Java {
  readonly path: string
  /** Such as `17.0.15`. */
  readonly version: string
}

export async function findJava(environment: NodeJS.ProcessEnv = process.env): Promise<Java> {
  const home = environment.JAVA_HOME
  const path = home ? join(home, 'bin', 'java') : findOnPath('java', environment)
  if (path === undefined) {
    throw new MqError(
      'MQ_JAVA_MISSING',
      `No java on the PATH and no JAVA_HOME; Kafka needs Java ${OLDEST_JAVA} or newer`,
    )
  }
  const version = await readVersion(path, environment)
  const major = Number(/^(?:1\.)?(\d+)/.exec(version)?.[1] ?? Number.NaN)
  if (!(major >= OLDEST_JAVA)) {
    throw new MqError('MQ_JAVA_MISSING', `${path} is Java ${version}; Kafka needs Java ${OLDEST_JAVA} or newer`)
  }
  return { path: realpathSync(path), version }
}

export function findMaven(environment: NodeJS.ProcessEnv = process.env): string {
  const path = findOnPath('mvn', environment)
  if (path !== undefined) return path
  throw new MqError('MQ_MAVEN_MISSING', 'No mvn on the PATH; it is needed once, to fetch Apache Kafka')
}

function findOnPath(name: string, environment: NodeJS.ProcessEnv): string | undefined {
  for (const folder of (environment.PATH ?? '').split(delimiter)) {
    if (folder === '') continue
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not in this folder.
    }
  }
  return undefined
}

async function readVersion(path: string, environment: NodeJS.ProcessEnv): Promise<string> {
  try {
    const release = readFileSync(join(dirname(realpathSync(path)), '..', 'release'), 'utf8')
    const version = /^JAVA_VERSION="([^"]+)"/m.exec(release)?.[1]
    if (version !== undefined) return version
  } catch {
    // No release file: ask the program itself.
  }
  try {
    const { stderr, stdout } = await run(path, ['-version'], { env: environment, timeout: 20_000 })
    const version = /version "([^"]+)"/.exec(stderr + stdout)?.[1]
    if (version !== undefined) return version
    throw new MqError('MQ_JAVA_MISSING', `${path} -version did not name a version`)
  } catch (error) {
    if (error instanceof MqError) throw error
    throw new MqError(
      'MQ_JAVA_MISSING',
      `${path} cannot be run${environment.JAVA_HOME ? ' (JAVA_HOME names it)' : ''}`,
      { cause: error },
    )
  }
}
