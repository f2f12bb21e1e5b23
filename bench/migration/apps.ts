/**
 * Child processes of the measurement of migrations, as the measurement sees them.
 *
 * P1. A process that ends before it is told to is a failure of the whole measurement.
 * P2. Whatever happens, `stopAll` leaves none behind.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Progress } from './job.ts'

/** Longer than the deadline of a send: one that is stuck is then found as a failed send. */
const KILL_AFTER_MS = 150_000

export class App {
  readonly name: string
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  readonly #first = Promise.withResolvers<unknown>()
  #last: unknown
  #isTold = false
  #isKilled = false

  constructor(name: string, program: string, job: unknown, onDeath: (error: Error) => void) {
    this.name = name
    const file = fileURLToPath(new URL(program, import.meta.url))
    this.#child = spawn(process.execPath, ['--conditions=mq-source', file, JSON.stringify(job)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#child.stdin!.on('error', () => {})
    createInterface(this.#child.stdout!).on('line', (line) => {
      this.#last = JSON.parse(line)
      this.#first.resolve(this.#last)
    })
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        const error = new Error(`${name} ended with ${signal ?? `exit code ${code}`}`)
        this.#first.reject(error)
        if (!this.#isKilled && (!this.#isTold || code !== 0)) onDeath(error)
        resolve()
      })
    })
    this.#first.promise.catch(() => {})
  }

  /** The first line it printed. */
  get started(): Promise<unknown> {
    return this.#first.promise
  }

  get progress(): Progress {
    return this.#last as Progress
  }

  /** The newest line it printed, whatever its program says in it. */
  get last(): unknown {
    return this.#last
  }

  /** Ends its input; resolves when it is gone. */
  async stop(): Promise<void> {
    this.#isTold = true
    this.#child.stdin!.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), KILL_AFTER_MS)
    await this.#ended
    clearTimeout(timer)
  }

  kill(): void {
    this.#isKilled = true
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL')
  }
}
