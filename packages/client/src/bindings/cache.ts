/**
 * The last good binding of every mQ ID on disk, so that an application starts while the control plane is away.
 *
 * C1. One file for each mQ ID, in a folder for each (control-plane URL, application); folder 0700, files 0600, replaced atomically.
 * C2. A file is trusted only when it is a regular file of this user that no one else may write, small, and holds a binding
 *     of this very (URL, application, mQ ID) that matches the contract. Anything else is set aside and reported, never used.
 * C3. No failure of the cache ever disturbs the data path: it is reported once for each kind and forgotten.
 * C4. The cache never holds a secret: a binding has none.
 */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { lstat, mkdir, open, readdir, rename } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Binding, describeIssues, MqError, mqIdProblem } from '@mq/contract'
import writeFileAtomic from 'write-file-atomic'
import type { Logger } from '../base/logger.ts'

const MAX_BYTES = 1_048_576
const LAYOUT = 1

export interface BindingCacheOptions {
  /** Root of all caches; `defaultCacheDir()` in an application. */
  readonly dir: string
  readonly url: string
  readonly app: string
  readonly logger: Logger
}

/** `$XDG_CACHE_HOME/mq`, else `~/.cache/mq`. */
export function defaultCacheDir(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_CACHE_HOME
  return base !== undefined && base !== '' ? join(base, 'mq') : join(homedir(), '.cache', 'mq')
}

export class BindingCache {
  readonly folder: string
  readonly #url: string
  readonly #app: string
  readonly #logger: Logger
  readonly #reported = new Set<string>()
  readonly #writes = new Map<string, Promise<void>>()

  constructor(options: BindingCacheOptions) {
    const scope = createHash('sha256').update(`${options.url}\n${options.app}`).digest('hex').slice(0, 24)
    this.folder = join(options.dir, scope)
    this.#url = options.url
    this.#app = options.app
    this.#logger = options.logger
  }

  /** Whether anything is cached for this (URL, application): enough to start without a control plane. */
  async hasAny(): Promise<boolean> {
    try {
      return (await readdir(this.folder)).some((name) => name.endsWith('.json'))
    } catch {
      return false
    }
  }

  /** The cached binding, or `undefined` when there is none to be trusted (C2). */
  async load(mqId: string): Promise<Binding | undefined> {
    if (mqIdProblem(mqId) !== undefined) return undefined
    const file = this.#fileOf(mqId)
    let text: string
    try {
      text = await readTrusted(file)
    } catch (error) {
      if (isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR')) return undefined
      if (isUnusable(error)) {
        this.#report('read', `Cached binding of ${mqId} cannot be read: ${reasonOf(error)}`, 'MQ_CACHE_UNUSABLE')
        return undefined
      }
      await this.#setAside(file, mqId, isCode(error, 'ELOOP') ? 'it is a symbolic link' : reasonOf(error))
      return undefined
    }
    const read = this.#parse(text, mqId)
    if (typeof read !== 'string') return read
    await this.#setAside(file, mqId, read)
    return undefined
  }

  /** Keeps the binding. Never rejects (C3); writes of one mQ ID are done in order. */
  save(binding: Binding): Promise<void> {
    const before = this.#writes.get(binding.mqId) ?? Promise.resolve()
    const done = before.then(() => this.#write(binding))
    this.#writes.set(binding.mqId, done)
    return done
  }

  /** Resolves when everything kept so far is on disk. */
  async settled(): Promise<void> {
    await Promise.all(this.#writes.values())
  }

  #fileOf(mqId: string): string {
    return join(this.folder, `${mqId}.json`)
  }

  #parse(text: string, mqId: string): Binding | string {
    let content: unknown
    try {
      content = JSON.parse(text)
    } catch {
      return 'it is not JSON'
    }
    if (typeof content !== 'object' || content === null) return 'it is not an object'
    const { layout, url, app, binding } = content as Record<string, unknown>
    if (layout !== LAYOUT) return `its layout is ${String(layout)}, not ${LAYOUT}`
    if (url !== this.#url || app !== this.#app) return 'it belongs to another control plane or application'
    const parsed = Binding.safeParse(binding)
    if (!parsed.success) return describeIssues(parsed.error)[0] ?? 'its binding does not match the contract'
    if (parsed.data.mqId !== mqId) return `it holds the binding of ${parsed.data.mqId}`
    return parsed.data
  }

  async #write(binding: Binding): Promise<void> {
    const file = this.#fileOf(binding.mqId)
    try {
      await mkdir(this.folder, { recursive: true, mode: 0o700 })
      // The atomic writer follows a link, which would let a foreign link choose what is overwritten.
      const present = await lstat(file).catch(() => undefined)
      if (present !== undefined && !present.isFile()) {
        await this.#setAside(file, binding.mqId, 'it is not a regular file')
      }
      const text = JSON.stringify({ layout: LAYOUT, url: this.#url, app: this.#app, binding })
      await writeFileAtomic(file, text, { mode: 0o600, chown: false })
    } catch (error) {
      this.#report(
        'write',
        `Binding of ${binding.mqId} could not be cached in ${this.folder}: ${reasonOf(error)}`,
        'MQ_CACHE_UNUSABLE',
      )
    }
  }

  async #setAside(file: string, mqId: string, reason: string): Promise<void> {
    try {
      await rename(file, `${file}.damaged`)
      this.#report(file, `Cached binding of ${mqId} was set aside as ${file}.damaged: ${reason}`)
    } catch (error) {
      this.#report(
        file,
        `Cached binding of ${mqId} in ${file} is not used: ${reason}; setting it aside failed: ${reasonOf(error)}`,
      )
    }
  }

  #report(kind: string, message: string, code: 'MQ_CACHE_DAMAGED' | 'MQ_CACHE_UNUSABLE' = 'MQ_CACHE_DAMAGED'): void {
    if (this.#reported.has(kind)) return
    this.#reported.add(kind)
    this.#logger.warn(message, { code })
  }
}

/** Nothing is wrong with the file: this user may not get at it, or the disk is of no use now. */
function isUnusable(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS', 'EIO', 'EMFILE', 'ENFILE'].some((code) => isCode(error, code))
}

async function readTrusted(file: string): Promise<string> {
  // Non-blocking, so that a pipe put in place of the file cannot hold the caller.
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) throw damaged('it is not a regular file')
    if (process.getuid !== undefined && stat.uid !== process.getuid()) throw damaged('it belongs to another user')
    if ((stat.mode & 0o022) !== 0) throw damaged('others may write to it')
    if (stat.size > MAX_BYTES) throw damaged(`it has ${stat.size} bytes, ${MAX_BYTES} are allowed`)
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}

function damaged(reason: string): MqError {
  return new MqError('MQ_CACHE_DAMAGED', reason)
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
