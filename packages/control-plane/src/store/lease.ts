/**
 * The lease that this process holds, as its parts see it.
 *
 * H1. It is held from the start of the store until it is lost to another holder or given up; it does not come back.
 * H2. With SQLite the lock of the folder keeps others away, so it is lost only to somebody who reached into the file.
 */
import { MqError } from '@mq/contract'

export class Lease {
  readonly term: number
  readonly #listeners = new Set<() => void>()
  #state: 'held' | 'lost' | 'given-up' = 'held'

  constructor(term: number) {
    this.term = term
  }

  get isHeld(): boolean {
    return this.#state === 'held'
  }

  get state(): 'held' | 'lost' | 'given-up' {
    return this.#state
  }

  /** Called once, when another process turns out to lead. */
  onLost(listener: () => void): void {
    this.#listeners.add(listener)
  }

  /** Nothing is written any more: what is left of this process must not reach the store. */
  giveUp(): void {
    if (this.#state === 'held') this.#state = 'given-up'
  }

  /** A write found another term. */
  lose(): void {
    if (this.#state !== 'held') return
    this.#state = 'lost'
    for (const listener of this.#listeners) listener()
  }

  /** @throws MqError MQ_CLOSED, MQ_NOT_LEADER */
  check(doing: string): void {
    if (this.#state === 'given-up') throw new MqError('MQ_CLOSED', `the control plane is closing: no more ${doing}`)
    if (this.#state === 'lost') throw this.refusal(doing)
  }

  refusal(doing: string): MqError {
    return new MqError(
      'MQ_NOT_LEADER',
      `another control plane leads by now, so this one, of term ${this.term}, writes nothing any more: ${doing} was refused`,
      { details: { term: this.term } },
    )
  }
}
