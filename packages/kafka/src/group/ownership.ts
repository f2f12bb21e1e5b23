/**
 * Which partitions a member holds, and the callbacks through which they come and go.
 *
 *   free -> assigning -> owned -> revoking -> free
 *             any of them -> lost -> free
 *
 * W1. One callback runs at a time: a partition is never handed out while its last revocation still runs.
 * W2. `held` names a partition from before `onAssigned` starts until after `onRevoked` ended, so that the broker is never told
 *     that something is free on which somebody still works.
 * W3. `owned` names it only between the end of `onAssigned` and the end of `onRevoked`.
 * W4. What is lost is lost at once, also while a callback runs; when that was `onAssigned`, it is said again after its end.
 * W5. A callback that throws cannot hold a partition back: after a failed `onRevoked` it counts as given up.
 * W6. After a loss nothing that was set out for before it is handed out any more.
 */
import { nameOf, type Share, type TopicPartition } from './types.ts'

type Phase = 'assigning' | 'owned' | 'revoking'

interface Holding {
  readonly share: Share
  phase: Phase
}

export interface OwnershipEvents {
  onAssigned(added: TopicPartition[]): Promise<void>
  onRevoked(removed: TopicPartition[]): Promise<void>
  onLost(lost: TopicPartition[]): void
  onRevokeFailed(error: unknown): void
}

const keyOf = (share: Share): string => `${share.topicId}:${nameOf(share)}`
const plain = (shares: readonly Share[]): TopicPartition[] =>
  shares.map(({ topic, partition }) => ({ topic, partition }))

export class Ownership {
  readonly #events: OwnershipEvents
  readonly #holdings = new Map<string, Holding>()
  #chain: Promise<void> = Promise.resolve()
  #isSealed = false
  /** Grows with every loss: what was set out for before it goes no further. */
  #life = 0

  constructor(events: OwnershipEvents) {
    this.#events = events
  }

  owned(): TopicPartition[] {
    return plain([...this.#holdings.values()].filter(({ phase }) => phase !== 'assigning').map(({ share }) => share))
  }

  held(): Share[] {
    return [...this.#holdings.values()].map(({ share }) => share)
  }

  owns(topic: string, partition: number): boolean {
    for (const { share, phase } of this.#holdings.values()) {
      if (share.topic === topic && share.partition === partition && phase !== 'assigning') return true
    }
    return false
  }

  isAt(target: readonly Share[]): boolean {
    return target.length === this.#holdings.size && target.every((share) => this.#holdings.has(keyOf(share)))
  }

  /**
   * Gives up what the target lacks, then takes what is new in it. Rejects with what `onAssigned` rejected with.
   * @returns whether something was given up
   */
  moveTo(target: readonly Share[], onGivenUp?: () => void): Promise<boolean> {
    const life = this.#life
    const moved = this.#chain.then(async () => {
      if (life !== this.#life) return false
      const wanted = new Map(this.#isSealed ? [] : target.map((share) => [keyOf(share), share]))
      const leaving = [...this.#holdings].filter(([key]) => !wanted.has(key))
      await this.#revoke(leaving)
      if (life !== this.#life) return false
      if (leaving.length > 0) onGivenUp?.()
      await this.#assign([...wanted].filter(([key]) => !this.#holdings.has(key)))
      return leaving.length > 0
    })
    this.#chain = moved.then(
      () => {},
      () => {},
    )
    return moved
  }

  /** Gives up everything, and takes nothing any more. */
  async seal(): Promise<void> {
    this.#isSealed = true
    await this.moveTo([])
  }

  loseAll(): void {
    this.#life += 1
    if (this.#holdings.size === 0) return
    const lost = this.held()
    this.#holdings.clear()
    this.#events.onLost(plain(lost))
  }

  async #revoke(leaving: readonly (readonly [string, Holding])[]): Promise<void> {
    if (leaving.length === 0) return
    for (const [, holding] of leaving) holding.phase = 'revoking'
    try {
      await this.#events.onRevoked(plain(leaving.map(([, { share }]) => share)))
    } catch (error) {
      this.#events.onRevokeFailed(error)
    }
    for (const [key, holding] of leaving) if (this.#holdings.get(key) === holding) this.#holdings.delete(key)
  }

  async #assign(added: readonly (readonly [string, Share])[]): Promise<void> {
    if (added.length === 0) return
    const holdings = added.map(([key, share]) => [key, { share, phase: 'assigning' } as Holding] as const)
    for (const [key, holding] of holdings) this.#holdings.set(key, holding)
    try {
      await this.#events.onAssigned(plain(added.map(([, share]) => share)))
    } finally {
      const lost = holdings.filter(([key, holding]) => this.#holdings.get(key) !== holding)
      if (lost.length > 0) this.#events.onLost(plain(lost.map(([, { share }]) => share)))
    }
    for (const [, holding] of holdings) holding.phase = 'owned'
  }
}
