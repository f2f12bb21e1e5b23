/**
 * How many dead letters each group has kept, and since when: counted from the topics that hold them, as records are added.
 *
 * KL1. Records are read once, and only headers count: what is remembered grows with letters, and what retention removes is forgotten.
 * KL2. A count that is not known is `null`, never 0: before the first whole look, after a failure, of a topic that was made again.
 * KL3. Of a group with more than MAX_LETTERS letters the count stays unknown: counting must not cost the control plane its memory.
 * KL4. Looking changes nothing, and never fails because of one group: the others are looked at.
 */
import { DeadLetterFold, type HeaderLike, MqError, type SideOf } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { LogRange } from '../lag/positions.ts'
import { errorFacts, type Logger } from '../logger.ts'
import type { ActiveId, EpochRecord } from '../registry/records.ts'
import { every } from '../rounds.ts'

export interface RecordHeaders {
  readonly offset: bigint
  readonly headers: readonly HeaderLike[]
}

export interface LettersToRead {
  readonly cluster: string
  readonly topic: string
  readonly partition: number
  readonly first: bigint
  readonly end: bigint
}

export type ReadLetters = (part: LettersToRead, onRecord: (record: RecordHeaders) => void) => Promise<void>

export interface KeptLettersOptions {
  /** mQ IDs of mQ's own, whatever they are for. */
  readonly sides: () => readonly ActiveId[]
  /** Where the log of a topic begins and ends, by partition; undefined while nobody knows. */
  readonly ranges: (cluster: string, topic: string) => ReadonlyMap<number, LogRange> | undefined
  readonly read: ReadLetters
  readonly everyMs: number
  readonly deps: Deps
  readonly logger: Logger
}

export interface KeptCount {
  readonly kept: number
  /** When the oldest of them failed last; null when there is none. */
  readonly oldestAtMs: number | null
}

const MAX_LETTERS = 500_000

interface Queue {
  fold: DeadLetterFold<number>
  /** The next offset to read, by log. */
  readonly next: Map<string, bigint>
  count: KeptCount | null
  isFailing: boolean
}

export class KeptLetters {
  readonly #options: KeptLettersOptions
  readonly #queues = new Map<string, Queue>()
  #stop: (() => Promise<void>) | undefined

  constructor(options: KeptLettersOptions) {
    this.#options = options
  }

  start(): void {
    const { deps, logger, everyMs } = this.#options
    this.#stop = every(
      deps,
      () => everyMs,
      () => this.look(),
      (error) => logger.warn(errorFacts(error), 'dead letters were not counted'),
    )
  }

  async close(): Promise<void> {
    await this.#stop?.()
  }

  /** KL2 */
  count(mqId: string, group: string): KeptCount | null {
    return this.#queues.get(nameOf({ mqId, group }))?.count ?? null
  }

  async look(): Promise<void> {
    const found = Map.groupBy(this.#options.sides(), ({ spec }) => nameOf(spec.side!))
    for (const name of this.#queues.keys()) if (!found.has(name)) this.#queues.delete(name)
    for (const [name, sides] of found) {
      // A group that was only handed letters again, and has no place for them any more, keeps none.
      if (!sides.some(({ spec }) => spec.side!.role === 'dead-letters')) continue
      const queue = this.#queues.get(name) ?? empty()
      this.#queues.set(name, queue)
      await this.#lookAt(name, queue, sides)
    }
  }

  /** KL4 */
  async #lookAt(name: string, queue: Queue, sides: readonly ActiveId[]): Promise<void> {
    const { logger } = this.#options
    try {
      for (const side of sides) {
        for (const epoch of side.epochs) {
          if (epoch.state === 'preparing') continue
          if (!(await this.#follow(queue, epoch, side.spec.side!.role))) {
            queue.count = null
            return
          }
        }
      }
      const times = queue.fold.kept()
      const oldestAtMs = times.length === 0 ? null : times.reduce((least, one) => Math.min(least, one))
      queue.count = { kept: times.length, oldestAtMs }
      queue.isFailing = false
    } catch (error) {
      queue.count = null
      if (!queue.isFailing) logger.warn({ group: name, ...errorFacts(error) }, 'dead letters cannot be counted')
      queue.isFailing = true
    }
  }

  /** @returns false while the epoch is not known */
  async #follow(queue: Queue, { cluster, topic }: EpochRecord, role: SideOf['role']): Promise<boolean> {
    const ranges = this.#options.ranges(cluster, topic)
    if (ranges === undefined) return false
    for (const [partition, { start, end }] of ranges) {
      const log = `${cluster}/${topic}/${partition}`
      const next = queue.next.get(log) ?? 0n
      if (next > BigInt(end)) {
        // The topic was made again, or lost its newest records: everything is counted anew with the next look.
        queue.fold = empty().fold
        queue.next.clear()
        return false
      }
      const first = next > BigInt(start) ? next : BigInt(start)
      await this.#options.read({ cluster, topic, partition, first, end: BigInt(end) }, ({ offset, headers }) => {
        if (role === 'redrive') queue.fold.takeRedriven({ headers })
        else queue.fold.take({ headers }, { log, offset })
        // What was read is not read again, also where the rest of it fails.
        queue.next.set(log, offset + 1n)
      })
      queue.next.set(log, BigInt(end))
      if (role === 'dead-letters') queue.fold.forgetBefore(log, BigInt(start))
    }
    // KL3
    if (queue.fold.size <= MAX_LETTERS) return true
    throw new MqError('MQ_INTERNAL', `there are more than ${MAX_LETTERS} dead letters: mq dlq list counts them`)
  }
}

function empty(): Queue {
  return {
    fold: new DeadLetterFold(({ lastFailedAtMs }) => lastFailedAtMs),
    next: new Map(),
    count: null,
    isFailing: false,
  }
}

function nameOf({ mqId, group }: Pick<SideOf, 'mqId' | 'group'>): string {
  return `${mqId} ${group}`
}
