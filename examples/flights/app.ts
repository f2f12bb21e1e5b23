/**
 * What every program of this example does around its own work.
 *
 * A1. The last line of stdout is one JSON object; before it, once a second, `{"progress":N}`.
 * A2. SIGINT and SIGTERM end the work early; what was done is still printed.
 * A3. A consumer never waits for ever: after `idleMs` without a message it stops with what it has.
 */
import { createHistogram } from 'node:perf_hooks'

export const url: string = process.env.MQ_URL ?? 'http://127.0.0.1:7070'

const stopping = new AbortController()
/** Aborted when someone asks the program to end (A2). */
export const stop: AbortSignal = stopping.signal
process.once('SIGINT', () => stopping.abort())
process.once('SIGTERM', () => stopping.abort())

/** Prints how far the work is, once a second, until the returned function is called (A1). */
export function showProgress(count: () => number): () => void {
  const timer = setInterval(() => console.log(JSON.stringify({ progress: count() })), 1_000)
  return () => clearInterval(timer)
}

/** A whole number given on the command line. */
export function wholeNumber(name: string, text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${name} ${text}: write a whole number`)
  return number
}

/** Counts the messages of a consumer, times them, and knows when it has all it expects. */
export class Arrivals {
  readonly #expected: number
  readonly #endToEndMs = createHistogram()
  readonly #all = Promise.withResolvers<void>()
  #count = 0
  #firstMs = 0
  #lastMs = Date.now()
  #longestGapMs = 0

  constructor(expected: number) {
    this.#expected = expected
    if (expected === 0) this.#all.resolve()
  }

  get count(): number {
    return this.#count
  }

  add(sentAtMs: number): void {
    const nowMs = Date.now()
    if (this.#count === 0) this.#firstMs = nowMs
    else if (nowMs - this.#lastMs > this.#longestGapMs) this.#longestGapMs = nowMs - this.#lastMs
    this.#lastMs = nowMs
    this.#endToEndMs.record(Math.max(1, this.#lastMs - sentAtMs))
    this.#count += 1
    if (this.#count === this.#expected) this.#all.resolve()
  }

  /** Until everything is here, someone asks to stop, or nothing came for `idleMs` (A2, A3). */
  async wait(idleMs: number): Promise<void> {
    const hideProgress = showProgress(() => this.#count)
    const idle = setInterval(() => {
      if (stop.aborted || Date.now() - this.#lastMs > idleMs) this.#all.resolve()
    }, 100)
    await this.#all.promise
    clearInterval(idle)
    hideProgress()
  }

  /** Milliseconds from the first message to the last, and from being sent to being handled. */
  timing(): { durationMs: number; longestGapMs: number; endToEndMs: { p50: number; p99: number; max: number } } {
    if (this.#count === 0) return { durationMs: 0, longestGapMs: 0, endToEndMs: { p50: 0, p99: 0, max: 0 } }
    const took = this.#endToEndMs
    return {
      durationMs: this.#lastMs - this.#firstMs,
      longestGapMs: this.#longestGapMs,
      endToEndMs: { p50: took.percentile(50), p99: took.percentile(99), max: took.max },
    }
  }
}
