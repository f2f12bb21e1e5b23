/**
 * Reads the records of an mQ ID without a group: looking changes nothing on any cluster.
 *
 * L1. It joins no group, commits nothing, and leaves nothing behind.
 * L2. Epochs are read one after the other, oldest first, so that records of one key come in the order they were sent.
 * L3. With `untilEnd` the end is set once, at the start: the last stable offset of each partition. Records behind an open
 *     transaction are not waited for; how many there are is told.
 * L4. A reading with an end comes to it or fails with the reason: it never waits for ever and never stops short in silence.
 */
import { type Binding, type ConsumerSettings, type Epoch, MqError } from '@mq/contract'
import { type Deps, type FetchedBatch, withinOrUndefined } from '@mq/kafka'
import type { LogReading, PlannedPartition, ReadOptions, ReceivedMessage } from '../api/types.ts'
import type { Logger } from '../base/logger.ts'
import type { OptionNames } from '../base/options.ts'
import { RecordMessage } from '../formats/message.ts'
import { LogPlan, sealedEnd } from './plan.ts'
import type { LogPorts } from './ports.ts'

/** L4: how long a reading with an end waits for one more batch. */
export const STALLED_MS = 30_000

export const READ_OPTIONS: OptionNames<ReadOptions> = {
  from: true,
  partition: true,
  epoch: true,
  untilEnd: true,
  signal: true,
}

export interface LogReadingParts {
  readonly mqId: string
  readonly deps: Deps
  readonly logger: Logger
  binding(): Binding
  portsFor(epoch: Epoch): LogPorts
  onClosed(reading: OpenReading): void
}

export class OpenReading implements LogReading {
  readonly #parts: LogReadingParts
  readonly #options: ReadOptions
  readonly #plan: LogPlan
  readonly #closed = new AbortController()
  #wake: (() => void) | undefined

  private constructor(parts: LogReadingParts, options: ReadOptions, plan: LogPlan) {
    this.#parts = parts
    this.#options = options
    this.#plan = plan
    options.signal?.addEventListener('abort', () => this.close(), { once: true, signal: this.#closed.signal })
    if (options.signal?.aborted === true) this.close()
  }

  /** Use `Mq.read`. */
  static async start(parts: LogReadingParts, options: ReadOptions): Promise<OpenReading> {
    return new OpenReading(parts, options, await LogPlan.of(parts, options))
  }

  get partitions(): readonly PlannedPartition[] {
    return this.#plan.partitions
  }

  /** A newer binding: an epoch may have been sealed, another may be open. */
  update(): void {
    this.#wake?.()
  }

  close(): void {
    if (this.#closed.signal.aborted) return
    this.#closed.abort()
    this.#wake?.()
    this.#parts.onClosed(this)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ReceivedMessage> {
    try {
      for (let epoch = this.#plan.first; ; ) {
        const planned = this.#plan.partitionsOf(epoch)
        if (planned.length > 0) yield* this.#readEpoch(epoch, planned)
        const next = await this.#after(epoch)
        if (next === undefined) return
        epoch = next
      }
    } finally {
      this.close()
    }
  }

  /** The epoch to read after this one (L2); undefined at the end. */
  async #after(epoch: number): Promise<number | undefined> {
    const { partition, epoch: only, untilEnd } = this.#options
    for (;;) {
      if (this.#closed.signal.aborted || partition !== undefined || only !== undefined) return undefined
      const known = untilEnd === true ? this.#plan.epochs : [...this.#plan.epochs, ...this.#readable()]
      const next = known.filter((number) => number > epoch).toSorted((a, b) => a - b)[0]
      if (next !== undefined) {
        const found = this.#epoch(next)
        if (found !== undefined) this.#plan.addWhole(found)
        return next
      }
      if (untilEnd === true) return undefined
      await this.#event()
    }
  }

  async *#readEpoch(number: number, planned: readonly PlannedPartition[]): AsyncGenerator<ReceivedMessage> {
    const { deps, logger, mqId } = this.#parts
    const epoch = this.#epoch(number)
    if (epoch === undefined) return
    const { format, consumer } = this.#parts.binding()
    const batches: FetchedBatch[] = []
    let failure: MqError | undefined
    let trouble: MqError | undefined
    const fetcher = this.#parts.portsFor(epoch).openFetcher({
      settings: settingsToLook(consumer),
      deps,
      onBatch: (batch) => {
        batches.push(batch)
        this.#wake?.()
      },
      onError: (_, partition, error) => {
        if (error.retryable) {
          trouble = error
          logger.warn(`${mqId} waits to read partition ${partition}: ${error.message}`, { code: error.code, mqId })
          return
        }
        failure ??= error
        this.#wake?.()
      },
      onOffsetOutOfRange: ({ partition, earliest, lostRecords }) => {
        const what = `${lostRecords} records of ${mqId} partition ${partition} were removed before they were read`
        logger.warn(`${what}; reading goes on at offset ${earliest}`, { code: 'MQ_OFFSET_LOST', mqId, partition })
        fetcher.add(epoch.topic, partition, earliest)
      },
    })
    const open = new Map(planned.map((each) => [each.partition, { position: each.start, end: each.end }]))
    const isOver = ({ position, end }: { position: bigint; end: bigint | undefined }): boolean =>
      end !== undefined && position >= end
    try {
      for (const [partition, place] of open) {
        if (isOver(place)) open.delete(partition)
        else fetcher.add(epoch.topic, partition, place.position)
      }
      const origin = { id: mqId, epoch: number, format }
      while (open.size > 0 && !this.#closed.signal.aborted) {
        const batch = batches.shift()
        if (batch === undefined) {
          const now = this.#epoch(number)
          if (failure !== undefined) {
            // A topic that is gone because its epoch was retired has been read by everybody who had to.
            if (now === undefined) return
            throw failure
          }
          for (const [partition, place] of open) {
            place.end ??= now === undefined ? undefined : sealedEnd(now, partition)
            if (isOver(place)) open.delete(partition)
          }
          if (open.size > 0) await this.#batch(open, () => trouble)
          continue
        }
        const place = open.get(batch.partition)
        if (place !== undefined) {
          for (const record of batch) {
            if (this.#closed.signal.aborted) return
            if (place.end !== undefined && record.offset >= place.end) break
            yield new RecordMessage(origin, record, 1)
          }
          trouble = undefined
          place.position = batch.nextOffset
          if (isOver(place)) {
            open.delete(batch.partition)
            fetcher.remove(epoch.topic, batch.partition)
          }
        }
        batch.release()
      }
    } finally {
      await fetcher.close()
    }
  }

  /** Waits for something to happen; with an end to come to, only so long (L4). */
  async #batch(
    open: ReadonlyMap<number, { readonly position: bigint; readonly end: bigint | undefined }>,
    lastTrouble: () => MqError | undefined,
  ): Promise<void> {
    if (this.#options.untilEnd !== true) return this.#event()
    if (await this.#eventWithin(STALLED_MS)) return
    const trouble = lastTrouble()
    const left = [...open].map(([partition, { position, end }]) => `partition ${partition} at ${position} of ${end}`)
    const why = trouble === undefined ? '' : `: ${trouble.message}`
    throw new MqError(
      'MQ_KAFKA_TIMEOUT',
      `Nothing of ${this.#parts.mqId} came for ${STALLED_MS / 1_000} s before its end (${left.slice(0, 3).join(', ')})${why}`,
      trouble === undefined ? {} : { cause: trouble },
    )
  }

  async #event(): Promise<void> {
    if (this.#closed.signal.aborted) return
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
  }

  async #eventWithin(limitMs: number): Promise<boolean> {
    const isThere = this.#event().then(() => true)
    return (await withinOrUndefined(this.#parts.deps, limitMs, isThere)) === true
  }

  #epoch(number: number): Epoch | undefined {
    return this.#parts.binding().epochs.find((epoch) => epoch.epoch === number)
  }

  #readable(): number[] {
    return this.#parts
      .binding()
      .epochs.flatMap(({ epoch, state }) => (state === 'preparing' || state === 'lost' ? [] : [epoch]))
  }
}

/** A person waits for what is printed: nothing is gathered first. */
function settingsToLook(settings: ConsumerSettings): ConsumerSettings {
  return { ...settings, fetchMinBytes: 1 }
}
