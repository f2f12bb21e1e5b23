/**
 * The positions that a member could not commit before its session ended by its own clock, sent once more under its old identity before
 * it joins again.
 *
 * When all brokers were away, the coordinator still knows the member afterwards and counts its session anew: as long as the epoch of the
 * member stands, nobody else can hold its partitions, and what it finished need not be handed out a second time, whoever gets them next.
 *
 * LC1. The broker decides: where it knows another epoch, or no such member, what is sent is refused and forgotten.
 * LC2. A coordinator that cannot be reached is waited for, as the join after it would be; one that answers and cannot commit holds the
 *     join up `MOST_TRIES` times, no longer.
 */
import { kafkaCodeOf, protocolError, toMqError } from '../protocol/kafka-errors.ts'
import type { Identity } from './types.ts'

const MOST_TRIES = 10

export class LateCommit {
  readonly #commit: (identity: Identity) => Promise<void>
  #identity: Identity | undefined
  #tries = 0

  constructor(commit: (identity: Identity) => Promise<void>) {
    this.#commit = commit
  }

  /** The session of this member is over by its own clock. */
  sessionEnded(identity: Identity | undefined): void {
    this.#identity = identity
    this.#tries = 0
  }

  /** Before a join. @throws what may pass: the join waits for it */
  async send(): Promise<void> {
    const identity = this.#identity
    if (identity === undefined) return
    try {
      await this.#commit(identity)
    } catch (error) {
      const code = kafkaCodeOf(error)
      const problem = toMqError(error, 'commit before joining again')
      const canPass = code === undefined ? problem.retryable : protocolError(code).retriable
      if (problem.code !== 'MQ_KAFKA_UNREACHABLE') this.#tries++
      if (canPass && this.#tries < MOST_TRIES) throw error
    }
    this.#identity = undefined
  }
}
