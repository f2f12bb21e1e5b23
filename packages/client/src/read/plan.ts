/**
 * Where a reading without a group begins and ends in each partition of each epoch.
 *
 * P1. A start that is given by a time is the first record that is not older; a partition without one begins at its end.
 * P2. A group's place is looked up and left as it is. Epochs after the first one it has a place in begin at their start.
 * P3. The end is what readers of committed records can see now; `behindTransaction` counts what stands after it.
 */
import { type Binding, type Epoch, groupIdOf, MqError } from '@mq/contract'
import type { LogStart, PlannedPartition, ReadOptions } from '../api/types.ts'
import type { LogPorts } from './ports.ts'

export interface LogPlanParts {
  readonly mqId: string
  binding(): Binding
  portsFor(epoch: Epoch): LogPorts
}

export class LogPlan {
  readonly #partitions: PlannedPartition[]

  private constructor(partitions: PlannedPartition[]) {
    this.#partitions = partitions
  }

  static async of(parts: LogPlanParts, options: ReadOptions): Promise<LogPlan> {
    const { from = 'latest', untilEnd = false } = options
    const epochs = epochsToRead(parts, options)
    const places = await Promise.all(epochs.map((epoch) => placesOf(parts, epoch, from)))
    const firstKnown = places.findIndex((place) => place !== undefined && place.size > 0)
    const planned: PlannedPartition[] = []
    for (const [index, epoch] of epochs.entries()) {
      const ports = parts.portsFor(epoch)
      const wanted = options.partition === undefined ? all(epoch) : [options.partition]
      const at = (
        point: 'earliest' | 'latest',
        isolation: 'read_committed' | 'read_uncommitted' = 'read_uncommitted',
      ) => ports.listOffsets(epoch.topic, wanted, point, isolation)
      const starts = await startsOf(from, {
        epoch,
        ports,
        wanted,
        places: places[index],
        isAfterPlace: firstKnown >= 0 && index > firstKnown,
      })
      // The log end first: what is written between the two questions is not behind a transaction.
      const last = untilEnd ? await at('latest') : undefined
      const stable = untilEnd ? await at('latest', 'read_committed') : undefined
      for (const partition of wanted) {
        const sealed = sealedEnd(epoch, partition)
        const end = sealed ?? stable?.get(partition)
        const behind = sealed === undefined && end !== undefined ? (last?.get(partition) ?? end) - end : 0n
        planned.push({
          epoch: epoch.epoch,
          partition,
          start: starts.get(partition) ?? 0n,
          end,
          behindTransaction: behind > 0n ? behind : 0n,
        })
      }
    }
    return new LogPlan(planned)
  }

  get partitions(): readonly PlannedPartition[] {
    return this.#partitions
  }

  get epochs(): readonly number[] {
    return [...new Set(this.#partitions.map(({ epoch }) => epoch))]
  }

  get first(): number {
    return Math.min(...this.epochs)
  }

  partitionsOf(epoch: number): readonly PlannedPartition[] {
    return this.#partitions.filter((one) => one.epoch === epoch)
  }

  /** An epoch that came later: all of it. */
  addWhole(epoch: Epoch): void {
    if (this.#partitions.some((one) => one.epoch === epoch.epoch)) return
    for (const partition of all(epoch)) {
      this.#partitions.push({ epoch: epoch.epoch, partition, start: 0n, end: undefined, behindTransaction: 0n })
    }
  }
}

function epochsToRead({ mqId, binding }: LogPlanParts, { epoch, partition, from, untilEnd }: ReadOptions): Epoch[] {
  const { epochs } = binding()
  const readable = epochs.filter(({ state }) => state !== 'preparing' && (state !== 'lost' || untilEnd === true))
  const newest = readable.at(-1)
  const refuse = (text: string): MqError => new MqError('MQ_OPTION_INVALID', text)
  if (newest === undefined) throw refuse(`${mqId} has no epoch that can be read now`)
  if (epoch === undefined && partition === undefined) {
    if (typeof from === 'object' && 'offset' in from) throw refuse('an offset belongs to one partition: name it')
    return from === 'latest' || from === undefined ? [newest] : readable
  }
  const found = epoch === undefined ? newest : readable.find((one) => one.epoch === epoch)
  if (found === undefined) {
    throw refuse(`${mqId} has no epoch ${epoch}; there are ${readable.map((one) => one.epoch).join(', ')}`)
  }
  if (partition !== undefined && partition >= found.partitions) {
    throw refuse(`epoch ${found.epoch} of ${mqId} has partitions 0 to ${found.partitions - 1}, not ${partition}`)
  }
  return [found]
}

async function placesOf(
  { mqId, portsFor }: LogPlanParts,
  epoch: Epoch,
  from: LogStart,
): Promise<Map<number, bigint> | undefined> {
  if (typeof from !== 'object' || !('group' in from)) return undefined
  return await portsFor(epoch).positions(groupIdOf(mqId, from.group), epoch.topic)
}

interface StartQuestion {
  readonly epoch: Epoch
  readonly ports: LogPorts
  readonly wanted: number[]
  readonly places: Map<number, bigint> | undefined
  readonly isAfterPlace: boolean
}

async function startsOf(from: LogStart, question: StartQuestion): Promise<Map<number, bigint>> {
  const { epoch, ports, wanted, places, isAfterPlace } = question
  const at = (point: 'earliest' | 'latest' | { readonly timestampMs: number }) =>
    ports.listOffsets(epoch.topic, wanted, point, 'read_uncommitted')
  if (from === 'earliest' || from === 'latest') return await at(from)
  if ('timestampMs' in from) return new Map([...(await at('latest')), ...(await at(from))])
  if ('offset' in from) return await startAt(from.offset, question)
  const hasPlace = isAfterPlace || (places !== undefined && places.size > 0)
  const fresh = hasPlace ? 'earliest' : from.otherwise
  return new Map([...(await at(fresh)), ...(places ?? [])])
}

async function startAt(offset: bigint, { epoch, ports, wanted }: StartQuestion): Promise<Map<number, bigint>> {
  const [partition] = wanted as [number]
  const [first, last] = [
    (await ports.listOffsets(epoch.topic, wanted, 'earliest', 'read_uncommitted')).get(partition) ?? 0n,
    (await ports.listOffsets(epoch.topic, wanted, 'latest', 'read_uncommitted')).get(partition) ?? 0n,
  ]
  if (offset < first || offset > last) {
    throw new MqError('MQ_OPTION_INVALID', `partition ${partition} holds offsets ${first} to ${last}, not ${offset}`)
  }
  return new Map([[partition, offset]])
}

function all(epoch: Epoch): number[] {
  return Array.from({ length: epoch.partitions }, (_, partition) => partition)
}

/** Where an epoch ended, once that is final. */
export function sealedEnd(epoch: Epoch, partition: number): bigint | undefined {
  const end = epoch.state === 'sealed' ? epoch.endOffsets?.[partition] : undefined
  return end === undefined ? undefined : BigInt(end)
}
