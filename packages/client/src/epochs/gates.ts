/**
 * Which partitions of the live epochs a group may read already, and which epochs it is done with.
 *
 * D1. A partition is drained when the group's committed position reached its end offset. Nothing else counts: not what was
 *     fetched, not what was handled, not what another member says.
 * D2. A partition of an epoch is open when all partitions of the epoch before that can hold its keys are drained, and were open
 *     themselves: an empty partition is drained from the start, and must not open what waits for the epoch before it.
 * D3. The oldest epoch of the binding is open. An epoch that is away (`lost`), or was and is back (`late`), holds nothing
 *     back; one that is back is done with only when all of it is read.
 * D4. Positions only rise, so what is open stays so; all of it is derived from them and the binding, so that whoever comes
 *     later finds the same.
 * D5. Where somebody added partitions to the topic of an epoch and wrote to them, keys may be anywhere in it: then a partition
 *     waits for all of the older ones. Added partitions are read and waited for like the others.
 */
import { type Epoch, MqError, type Ordering, sealedEnds } from '@mq/contract'
import { type Deps, pause } from '@mq/kafka'
import type { Logger } from '../base/logger.ts'
import { olderPartitions } from './gate-rule.ts'

/** Others commit their ends soon after an epoch ended: then it is asked often, and less and less. */
const ASK_EVERY_MS = { firstMs: 20, maxMs: 200 }
const ASK_IDLE_MS = 1_000
const SAY_AFTER_FAILURES = 20

export interface GatesOptions {
  readonly mqId: string
  readonly group: string
  readonly deps: Deps
  readonly logger: Logger
  /** Committed positions of the group in one epoch, by partition. */
  positions(epoch: Epoch): Promise<ReadonlyMap<number, bigint>>
  /** Whether a partition of this member waits at a gate. */
  isWaiting(): boolean
  /** A gate may have opened, or an epoch be done with. */
  onChange(): void
}

interface Stretch {
  readonly epoch: Epoch
  readonly ends: readonly bigint[] | undefined
  readonly positions: Map<number, bigint>
  /** Partitions found open (D4): the ways back through many epochs are too many to go twice. */
  readonly open: Set<number>
}

export class Gates {
  readonly #options: GatesOptions
  readonly #closed = new AbortController()
  #ordering: Ordering = 'key'
  #stretches: Stretch[] = []
  #asking: Promise<void> | undefined
  #endedAtMs = 0
  #nap = new AbortController()

  constructor(options: GatesOptions) {
    this.#options = options
  }

  /** The live epochs as the newest binding has them. */
  apply(epochs: readonly Epoch[], ordering: Ordering): void {
    this.#ordering = ordering
    const isNews = epochs.some(({ epoch, state }) => state === 'sealed' && this.#stretch(epoch)?.ends === undefined)
    if (isNews) {
      this.#endedAtMs = this.#options.deps.clock.monotonicMs()
      this.#nap.abort()
      this.#nap = new AbortController()
    }
    this.#stretches = epochs.map((epoch) => ({
      epoch,
      ends: sealedEnds(epoch),
      positions: this.#stretch(epoch.epoch)?.positions ?? new Map(),
      open: new Set(),
    }))
    if (this.#hasUndrained()) this.#asking ??= this.#ask()
  }

  /** A commit of this member: known without asking. */
  committed(epoch: number, partition: number, position: bigint): void {
    const stretch = this.#stretch(epoch)
    if (stretch === undefined || !raise(stretch, partition, position)) return
    if (this.#isDrained(stretch, partition)) this.#options.onChange()
  }

  /** D2 */
  isOpen(epoch: number, partition: number): boolean {
    const at = this.#stretches.findIndex((stretch) => stretch.epoch.epoch === epoch)
    return at >= 0 && this.#isOpenAt(at, partition)
  }

  /** Whether the group has read all of the epoch, and nothing will be added to it. */
  isDone(epoch: number): boolean {
    const at = this.#stretches.findIndex((stretch) => stretch.epoch.epoch === epoch)
    const stretch = this.#stretches[at]
    if (stretch?.ends === undefined) return false
    return stretch.ends.every((_, partition) => this.#isDrained(stretch, partition) && this.#isOpenAt(at, partition))
  }

  /**
   * Whether the group has read all of an epoch, by what the brokers say now: another member may have read the rest a moment ago.
   * Holds for the epoch as the binding had it when this was called.
   */
  async isRead(epoch: number): Promise<boolean> {
    const stretch = this.#stretch(epoch)
    if (stretch?.ends === undefined) return false
    await this.#load(stretch)
    return stretch.ends.every((_, partition) => this.#isDrained(stretch, partition))
  }

  /** Asks for the positions of all epochs once. @returns whether the group has any */
  async load(): Promise<boolean> {
    for (const stretch of this.#stretches) {
      if (stretch.epoch.state !== 'lost') await this.#load(stretch)
    }
    return this.#stretches.some(({ positions }) => positions.size > 0)
  }

  async close(): Promise<void> {
    this.#closed.abort()
    await this.#asking
  }

  #stretch(epoch: number): Stretch | undefined {
    return this.#stretches.find((stretch) => stretch.epoch.epoch === epoch)
  }

  #isDrained({ ends, positions }: Stretch, partition: number): boolean {
    const end = ends?.[partition]
    return end !== undefined && (positions.get(partition) ?? 0n) >= end
  }

  #isOpenAt(at: number, partition: number): boolean {
    const before = this.#stretches[at - 1]
    const own = this.#stretches[at]
    if (before === undefined || own === undefined || own.open.has(partition)) return true
    const isOpen = this.#holdersOf(before, own, partition).every(
      (older) => (isPassed(before) || this.#isDrained(before, older)) && this.#isOpenAt(at - 1, older),
    )
    if (isOpen) own.open.add(partition)
    return isOpen
  }

  /** Partitions of the epoch before that can hold keys of the partition (D5). */
  #holdersOf(before: Stretch, own: Stretch, partition: number): number[] {
    const { partitions } = before.epoch
    if (this.#ordering === 'key' && before.ends?.slice(partitions).some((end) => end > 0n) === true) {
      return before.ends.map((_, older) => older)
    }
    return olderPartitions(this.#ordering, partitions, own.epoch.partitions, partition)
  }

  #hasUndrained(): boolean {
    return this.#stretches.some((stretch) => stretch.ends !== undefined && !this.isDone(stretch.epoch.epoch))
  }

  async #load(stretch: Stretch): Promise<boolean> {
    let news = false
    for (const [partition, position] of await this.#options.positions(stretch.epoch)) {
      if (raise(stretch, partition, position)) news = true
    }
    return news
  }

  /** Follows what other members commit, until all that ended is read. */
  async #ask(): Promise<void> {
    const { mqId, group, deps, logger, isWaiting, onChange } = this.#options
    const { signal } = this.#closed
    // Whoever applied the binding is not done yet.
    await Promise.resolve()
    let failures = 0
    while (!signal.aborted && this.#hasUndrained()) {
      try {
        let news = false
        for (const stretch of this.#stretches)
          if (stretch.ends !== undefined && (await this.#load(stretch))) news = true
        failures = 0
        if (news && !signal.aborted) onChange()
      } catch (error) {
        failures++
        const problem = error instanceof MqError ? error : new MqError('MQ_INTERNAL', String(error), { cause: error })
        if (failures % SAY_AFTER_FAILURES === 0) {
          logger.warn(`Group ${group} of ${mqId} waits to hear how far it read its old epoch: ${problem.message}`, {
            code: problem.code,
            mqId,
            group,
          })
        }
      }
      // A quarter of the time since the last epoch ended: 20 ms at first.
      const sinceMs = deps.clock.monotonicMs() - this.#endedAtMs
      const everyMs = Math.min(ASK_EVERY_MS.maxMs, Math.max(ASK_EVERY_MS.firstMs, sinceMs / 4))
      await pause(deps, isWaiting() ? everyMs : ASK_IDLE_MS, AbortSignal.any([signal, this.#nap.signal]))
    }
    this.#asking = undefined
    if (!signal.aborted) onChange()
  }
}

/** Whether later epochs go on without it (D3). */
function isPassed({ epoch }: Stretch): boolean {
  return epoch.state === 'lost' || epoch.late === true
}

/** D4. @returns whether it was news */
function raise({ positions }: Stretch, partition: number, position: bigint): boolean {
  const known = positions.get(partition)
  if (known !== undefined && position <= known) return false
  positions.set(partition, position)
  return true
}
