/**
 * Messages whose handler failed and that are not finished, as they are told to those who run mQ.
 *
 * M1. Nothing here names a payload, a key or the text of an error: a hash, and the class of the error.
 * M2. At most MOST are kept; of more, those that failed first.
 */
import { type FailingMessage, MqError } from '@mq/contract'
import type { Clock, FetchedRecord } from '@mq/kafka'

const MOST = 1_000
const MOST_TOLD = 10

interface Failing {
  readonly partition: number
  readonly offset: bigint
  readonly keyHash: string | null
  readonly sinceMs: number
  attempts: number
  error: string
}

export class FailingMessages {
  readonly #clock: Clock
  readonly #failing = new Map<string, Failing>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  failed({ partition, offset }: FetchedRecord, keyHash: string | null, attempt: number, error: unknown): void {
    const name = `${partition}:${offset}`
    const known = this.#failing.get(name)
    if (known !== undefined) {
      known.attempts = attempt
      known.error = classOf(error)
    } else if (this.#failing.size < MOST) {
      const sinceMs = this.#clock.monotonicMs()
      this.#failing.set(name, { partition, offset, keyHash, sinceMs, attempts: attempt, error: classOf(error) })
    }
  }

  /** It is finished, or not ours any more. */
  over(partition: number, offset: bigint): void {
    this.#failing.delete(`${partition}:${offset}`)
  }

  /** Those that failed most often, first. */
  told(): FailingMessage[] {
    const nowMs = this.#clock.monotonicMs()
    return [...this.#failing.values()]
      .toSorted((a, b) => b.attempts - a.attempts || a.sinceMs - b.sinceMs)
      .slice(0, MOST_TOLD)
      .map(({ partition, offset, keyHash, sinceMs, attempts, error }) => ({
        partition,
        offset: String(offset),
        keyHash,
        attempts,
        error,
        failingMs: Math.max(0, Math.round(nowMs - sinceMs)),
      }))
  }
}

/** M1 */
function classOf(error: unknown): string {
  if (error instanceof MqError) return error.code
  const name = error instanceof Error ? error.constructor.name || error.name : typeof error
  return String(name).slice(0, 100)
}
