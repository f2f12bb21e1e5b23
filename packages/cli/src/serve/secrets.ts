/**
 * Secrets by reference, and files that are replaced while the process runs.
 *
 * S1. A secret is read where it is used; it stands in no message, log record or error.
 * S2. What is read again and cannot be had keeps what was read last, and that is said.
 * S3. A file that everybody on the machine can read is told, once.
 */
import { readFileSync, statSync } from 'node:fs'
import { MqError } from '@mq/contract'
import type { Logger } from '@mq/control-plane'
import type { Io } from '../io.ts'
import { shownSecret } from './config.ts'
import type { SecretRef } from './settings.ts'

const WORLD_READABLE = 0o004

/** The secret itself, without the newline that editors put at its end. @throws MqError MQ_CONFIG_INVALID */
export function readSecret(ref: SecretRef, env: Io['env']): string {
  const text = ref.kind === 'env' ? env[ref.name] : readText(ref.path)
  if (text === undefined || text.trim() === '') {
    throw new MqError(
      'MQ_CONFIG_INVALID',
      `${shownSecret(ref)} holds no secret${ref.kind === 'env' ? ': it is not set' : ''}`,
    )
  }
  return text.replace(/\r?\n$/, '')
}

/** Tokens stand one a line, so that an old and a new one count at the same time. */
export function readTokens(ref: SecretRef, env: Io['env']): string[] {
  return readSecret(ref, env)
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new MqError('MQ_CONFIG_INVALID', `${path} cannot be read: ${reasonOf(error)}`, { cause: error })
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EACCES') return 'this user may not read it'
  if (code === 'EISDIR') return 'it is a folder'
  return message
}

/** S3 */
export function warnOfOpenFiles(paths: readonly string[], logger: Logger): void {
  for (const file of new Set(paths)) {
    try {
      const { mode } = statSync(file)
      if ((mode & WORLD_READABLE) === 0) continue
      logger.warn(
        { file, mode: (mode & 0o777).toString(8) },
        'a file with a secret can be read by everybody on this machine: take that right away (chmod o-r)',
      )
    } catch {
      // Whoever reads it says what is wrong.
    }
  }
}

export interface Watched {
  /** For the log. */
  readonly what: string
  readonly files: readonly string[]
  /** Takes over what stands in the files now. @throws Error where that cannot be used (S2) */
  reload(): void
}

/** Calls `reload` when one of the files was replaced. */
export class FileWatch {
  readonly #watched: readonly (Watched & { seen: string; failed: string | undefined })[]
  readonly #logger: Logger

  constructor(watched: readonly Watched[], logger: Logger) {
    this.#watched = watched.map((one) => ({
      ...one,
      reload: () => one.reload(),
      seen: stampOf(one.files),
      failed: undefined,
    }))
    this.#logger = logger
  }

  /** Looks once; with `all` everything is taken over, changed or not. */
  look(all = false): void {
    for (const one of this.#watched) {
      const now = stampOf(one.files)
      if (!all && now === one.seen && one.failed === undefined) continue
      one.seen = now
      try {
        one.reload()
        if (one.files.length > 0) this.#logger.info({ files: one.files }, `${one.what} was read again`)
        one.failed = undefined
      } catch (error) {
        const problem = (error as Error).message
        // A pair of files is replaced one after the other: it is tried again with the next look.
        if (one.failed !== problem) {
          this.#logger.error({ files: one.files, problem }, `${one.what} cannot be used; the one before stays in force`)
        }
        one.failed = problem
      }
    }
  }
}

/** Another file, or the same with other content: links are followed, as they are what changes in a mounted secret. */
function stampOf(files: readonly string[]): string {
  return files
    .map((file) => {
      try {
        const { ino, size, mtimeMs, ctimeMs } = statSync(file)
        return `${ino} ${size} ${mtimeMs} ${ctimeMs}`
      } catch {
        return 'gone'
      }
    })
    .join(' ')
}
