/** An epoch reader over a Kafka in memory that the test drives. */
import { MqError } from '@mq/contract'
import type {
  CommitOffset,
  EpochEnd,
  FetchedBatch,
  FetchedRecord,
  FetcherOptions,
  GroupOptions,
  IdentifiedPartition,
  Position,
} from '@mq/kafka'
import type { MessageHandler } from '../../src/consume/message-handler.ts'
import { KeyScheduler } from '../../src/epochs/key-scheduler.ts'
import { EpochReader, type EpochReaderOptions } from '../../src/epochs/reader.ts'
import { RecordMessage } from '../../src/formats/message.ts'
import { ConsumerMeter } from '../../src/telemetry/consumer-meter.ts'
import { bindingOf } from './bindings.ts'
import { RecordingLogger } from './logs.ts'
import { FakeTime } from './time.ts'

export const TOPIC = 'orders.placed.e1'
export const ID = '01234567-89ab-cdef-0123-456789abcdef'
export const OTHER_ID = '11111111-89ab-cdef-0123-456789abcdef'

export function recordOf(partition: number, offset: number): FetchedRecord {
  return {
    partition,
    offset: BigInt(offset),
    timestampMs: 0,
    payloadBytes: 10,
    keyHash: () => offset % 3,
    keyString: () => `k${offset % 3}`,
    valueString: () => String(offset),
  } as unknown as FetchedRecord
}

export class TestBatch {
  readonly partition: number
  readonly count: number
  readonly nextOffset: bigint
  readonly wireBytes = 100
  readonly leaderEpoch = 0
  readonly #offsets: readonly number[]
  released = 0

  constructor(partition: number, offsets: readonly number[], nextOffset: number) {
    this.partition = partition
    this.count = offsets.length
    this.nextOffset = BigInt(nextOffset)
    this.#offsets = offsets
  }

  get records(): Iterator<FetchedRecord> {
    return this.#offsets.map((offset) => recordOf(this.partition, offset))[Symbol.iterator]()
  }

  release(): void {
    this.released++
  }
}

/** Kafka as the reader sees it, driven by the test. */
export class TestKafka {
  group!: Omit<GroupOptions, 'cluster'>
  fetch!: Omit<FetcherOptions, 'cluster'>
  readonly committed = new Map<string, bigint>()
  readonly commits: string[] = []
  /** What was committed beside the positions. */
  readonly notes = new Map<number, Pick<Position, 'finished' | 'leaderEpoch' | 'failing'>>()
  readonly askedEpochs: string[] = []
  epochEnd: EpochEnd | undefined = { leaderEpoch: 0, endOffset: 1_000n }
  failEpochEnds: MqError | undefined
  readonly added: string[] = []
  readonly addedTo: (string | undefined)[] = []
  readonly removed: number[] = []
  readonly steps: string[] = []
  ends = new Map<number, bigint>()
  failCommits: MqError | undefined
  failListing: MqError | undefined
  failPositions: MqError | undefined
  /** Of the topic that has the name now. */
  id: string | undefined = ID
  onJoin = async (): Promise<void> => {}
  onCommit = async (): Promise<void> => {}

  openGroup(options: Omit<GroupOptions, 'cluster'>) {
    this.group = options
    return {
      start: () => this.onJoin(),
      positions: async (asked: IdentifiedPartition[]) => {
        if (this.failPositions !== undefined) throw this.failPositions
        return new Map(
          asked.flatMap(({ topic, partition, topicId }) => {
            const offset = this.committed.get(`${topic}:${partition}`)
            if (offset === undefined || topicId !== this.id) return []
            const note = this.notes.get(partition) ?? { finished: [], leaderEpoch: undefined }
            return [[`${topic}:${partition}`, { offset, ...note }] as const]
          }),
        )
      },
      commit: async (offsets: CommitOffset[]) => {
        await this.onCommit()
        if (this.failCommits !== undefined) throw this.failCommits
        if (offsets.some(({ topicId }) => topicId !== this.id)) throw new MqError('MQ_TOPIC_RECREATED', 'another topic')
        for (const { partition, offset, finished = [], leaderEpoch, failing = [] } of offsets) {
          this.notes.set(partition, { finished, leaderEpoch, ...(failing.length === 0 ? {} : { failing }) })
          this.commits.push(`${partition}@${offset}`)
          this.committed.set(`${TOPIC}:${partition}`, offset)
        }
      },
      check: () => {},
      close: async () => void this.steps.push('left'),
    }
  }

  openFetcher(options: Omit<FetcherOptions, 'cluster'>) {
    this.fetch = options
    return {
      add: (_: string, partition: number, offset: bigint, topicId?: string) => {
        this.added.push(`${partition}@${offset}`)
        this.addedTo.push(topicId)
      },
      remove: (_: string, partition: number) => void this.removed.push(partition),
      update: () => {},
      position: () => 50n,
      highWatermark: (_: string, partition: number) => this.ends.get(partition),
      close: async () => void this.steps.push('fetcher closed'),
    }
  }

  async endOfLeaderEpoch(_topic: string, partition: number, leaderEpoch: number): Promise<EpochEnd | undefined> {
    if (this.failEpochEnds !== undefined) throw this.failEpochEnds
    this.askedEpochs.push(`${partition}:${leaderEpoch}`)
    return this.epochEnd
  }

  async topicId(): Promise<string | undefined> {
    return this.id
  }

  /** The topic is deleted and created again, and its positions go with it. */
  recreate(id = OTHER_ID): void {
    this.id = id
    this.committed.clear()
  }

  async earliestOffsets(_: string, partitions: number[]): Promise<Map<number, bigint>> {
    if (this.failListing !== undefined) throw this.failListing
    return new Map(partitions.map((partition) => [partition, 5n]))
  }

  async assign(...partitions: number[]): Promise<void> {
    await this.group.onAssigned(partitions.map((partition) => ({ topic: TOPIC, partition })))
  }

  revoke(...partitions: number[]): Promise<void> {
    return this.group.onRevoked(partitions.map((partition) => ({ topic: TOPIC, partition })))
  }

  deliver(batch: TestBatch): void {
    this.fetch.onBatch(batch as unknown as FetchedBatch)
  }
}

/** Where a group begins that was asked to begin at the end. */
export const ENDS: ReadonlyMap<number, bigint> = new Map([0, 1].map((partition) => [partition, 99n]))

export async function open(
  handler: MessageHandler,
  startOffsets: ReadonlyMap<number, bigint> = new Map(),
  concurrency = 4,
  gate: Partial<Pick<EpochReaderOptions, 'isOpen' | 'onPosition' | 'epoch'>> = {},
  onJoin: (kafka: TestKafka) => Promise<void> = async () => {},
) {
  const time = new FakeTime()
  const kafka = new TestKafka()
  const logger = new RecordingLogger()
  const fatal: MqError[] = []
  const binding = bindingOf()
  const meter = new ConsumerMeter({
    mqId: 'orders.placed',
    group: 'g',
    epoch: 1,
    clock: time.deps.clock,
    settings: binding.consumer,
    lagRecords: () => null,
  })
  const origin = { id: binding.mqId, epoch: 1, format: 'json' } as const
  const reader = new EpochReader({
    mqId: binding.mqId,
    group: 'g',
    groupId: 'g@orders.placed',
    epoch: binding.epochs[0]!,
    startOffsets,
    settings: binding.consumer,
    ports: kafka,
    scheduler: new KeyScheduler({ concurrency, deps: time.deps, yieldNow: (fn) => void setImmediate(fn) }),
    meter,
    deps: time.deps,
    logger,
    context: {
      ordered: true,
      handler: (record, attempt, before, partition) =>
        handler(new RecordMessage(origin, record, attempt), before, partition),
      meter,
      nowMs: () => 0,
      onFailed: () => 100,
    },
    onFatal: (error) => fatal.push(error),
    ...gate,
  })
  kafka.onJoin = () => onJoin(kafka)
  await reader.start()
  return { time, kafka, logger, fatal, reader }
}
