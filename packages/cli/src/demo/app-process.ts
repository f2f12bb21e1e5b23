/**
 * One example application as a process of its own.
 *
 * P1. Its result is the last JSON object on its stdout; lines `{"progress":N}` before it tell how far it is.
 * P2. It ends when its parent asks: SIGTERM first, SIGKILL when it does not listen. Asked to finish, it takes the time it needs.
 * P3. Memory for what it prints is bounded; the end of stderr is kept to explain a failure.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { MqError } from '@mq/contract'
import type { z } from 'zod'

const STDERR_KEPT = 4_000
const KILL_AFTER_MS = 4_000

export interface AppOptions {
  /** For people: `delay sums`. */
  readonly name: string
  readonly file: string
  readonly flags: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

export class AppProcess {
  readonly name: string
  readonly #child: ChildProcess
  readonly #ended: Promise<string>
  readonly #started = Promise.withResolvers<void>()
  #progress = 0
  #killTimer: NodeJS.Timeout | undefined

  constructor(options: AppOptions) {
    this.name = options.name
    this.#child = spawn(process.execPath, ['--conditions=mq-source', options.file, ...options.flags], {
      cwd: options.cwd,
      env: options.env as NodeJS.ProcessEnv,
      stdio: ['ignore', 'pipe', 'pipe'],
      // Ctrl-C in the terminal reaches this process, which ends its applications in order.
      detached: true,
    })
    this.#ended = this.#collect()
    this.#ended.catch(() => {})
    const stop = (): void => this.stop()
    if (options.signal.aborted) stop()
    options.signal.addEventListener('abort', stop, { once: true })
    void this.#ended.catch(() => {}).finally(() => options.signal.removeEventListener('abort', stop))
  }

  /** Records so far, as the application last said. */
  get progress(): number {
    return this.#progress
  }

  /** Resolves when it has told of progress for the first time, which an application does when it is connected; or has ended. */
  async started(): Promise<void> {
    await Promise.race([this.#started.promise, this.gone()])
  }

  /** What it printed last, checked (P1). */
  async result<S extends z.ZodType>(schema: S): Promise<z.output<S>> {
    const line = await this.#ended
    const parsed = schema.safeParse(parseLine(line))
    if (parsed.success) return parsed.data
    throw new MqError('MQ_CHECK_FAILED', `${this.name} printed a result of another shape: ${line.slice(0, 200)}`)
  }

  /** Asks it to end and to print what it did (P2). */
  finish(): void {
    this.#child.kill('SIGTERM')
  }

  stop(): void {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGTERM')
    this.#killTimer ??= setTimeout(() => this.#child.kill('SIGKILL'), KILL_AFTER_MS)
  }

  /** Resolves when the process is gone, however it went. */
  async gone(): Promise<void> {
    await this.#ended.catch(() => {})
  }

  async #collect(): Promise<string> {
    let last = ''
    let stderr = ''
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-STDERR_KEPT)
    })
    const lines = createInterface({ input: this.#child.stdout!, crlfDelay: Number.POSITIVE_INFINITY })
    lines.on('line', (line) => {
      if (!line.startsWith('{')) return
      const progress = /^\{"progress":(\d+)\}$/.exec(line)
      if (progress === null) last = line
      else {
        this.#progress = Number(progress[1])
        this.#started.resolve()
      }
    })
    const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', (code, by) => resolve([code, by]))
    })
    clearTimeout(this.#killTimer)
    if (status === 0 && last !== '') return last
    const how = status === 0 ? 'ended without a result' : `ended with ${signal ?? `exit code ${status}`}`
    throw new MqError('MQ_CHECK_FAILED', `${this.name} ${how}${stderr.trim() === '' ? '' : `: ${stderr.trim()}`}`)
  }
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
