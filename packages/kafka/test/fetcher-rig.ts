/** A fetcher over brokers in memory: a log per partition, and answers put in by tests before they are asked for. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConsumerSettings, MqError } from '@mq/contract'
import { type Deps, systemDeps } from '@mq/contract/timing'
import {
  byName,
  type FetchCluster,
  type FetchLink,
  type FetchNetwork,
  type LocatedTopic,
} from '../src/fetch/fetch-network.ts'
import type { FetchedBatch } from '../src/fetch/fetched-batch.ts'
import { Fetcher, type FetcherOptions, type OffsetOutOfRange } from '../src/fetch/fetcher.ts'
import { type FetchRequest, type FetchResponse, parseFetchResponse } from '../src/protocol/fetch-request.ts'
import { encodeBatch } from './hand-made.ts'
import { encodeFetchResponse, type HandPartition } from './hand-made-response.ts'

export const TOPIC = 'orders'
export const ID = '01234567-89ab-cdef-0123-456789abcdef'
export const OTHER_ID = '11111111-89ab-cdef-0123-456789abcdef'
export const SETTINGS: ConsumerSettings = {
  fetchMinBytes: 1,
  fetchMaxWaitMs: 20,
  readAheadBytes: 1 << 20,
  isolation: 'read_committed',
  sessionTimeoutMs: 10_000,
}

type Answer = HandPartition | Error | undefined

/** Brokers in memory: a log per partition, and answers put in by tests before it is asked. */
export class FakeNetwork implements FetchNetwork {
  readonly logs = new Map<number, { offset: number; next: number; bytes: Buffer }[]>()
  readonly answers: Answer[] = []
  readonly requests: { nodeId: number; request: FetchRequest }[] = []
  leader = 1
  topicId = ID
  /** Whether brokers are asked for topics by id. */
  byId = true
  errorCode = 0
  topic: LocatedTopic | undefined
  located = 0
  opened = 0
  closed = 0
  openError: Error | undefined
  range = { earliest: 0, latest: 0 }
  /** Throttle times of answers to come: each is answered without any partition, as Kafka does over a quota. */
  readonly throttles: number[] = []
  /** Holds every answer until it is resolved. */
  gate: Promise<void> | undefined
  pollMs = 5
  onRequest: (count: number) => void = () => {}

  append(partition: number, bytes: Buffer): void {
    const log = this.logs.get(partition) ?? []
    this.logs.set(partition, log)
    const offset = Number(bytes.readBigInt64BE(0))
    log.push({ offset, next: offset + bytes.readInt32BE(23) + 1, bytes })
  }

  fill(partition: number, batches: number, each = 10, value = 'x'.repeat(50)): void {
    for (let batch = 0; batch < batches; batch += 1) {
      const records = Array.from({ length: each }, (_, i) => ({ value: `${partition}:${batch * each + i}:${value}` }))
      this.append(partition, encodeBatch({ baseOffset: batch * each, records }))
    }
  }

  async locate(topics: readonly string[]): Promise<readonly LocatedTopic[]> {
    this.located += 1
    const partitions = [0, 1, 2].map((index) => ({ index, leader: this.leader, leaderEpoch: 5 }))
    return topics.map((name) => ({ name, id: this.topicId, errorCode: this.errorCode, partitions }))
  }

  async open(nodeId: number): Promise<FetchLink> {
    if (this.openError !== undefined) throw this.openError
    this.opened += 1
    let isOpen = true
    return {
      receivedBytes: 0,
      fetch: async (request) => {
        assert.ok(isOpen, 'a closed link was used')
        return await this.#fetch(nodeId, request)
      },
      range: async () => this.range,
      close: () => {
        isOpen = false
        this.closed += 1
      },
    }
  }

  async #fetch(nodeId: number, request: FetchRequest): Promise<FetchResponse> {
    this.requests.push({ nodeId, request })
    this.onRequest(this.requests.length)
    const throttleMs = this.throttles.shift()
    if (throttleMs !== undefined)
      return { byId: this.byId, throttleMs, errorCode: 0, topics: [], buffer: Buffer.alloc(0) }
    const gate = this.gate
    const partitions: HandPartition[] = []
    for (const asked of request.topics[0]?.partitions ?? []) {
      const answer = this.answers.shift()
      if (answer instanceof Error) throw answer
      const log = this.logs.get(asked.partition) ?? []
      const parts: Buffer[] = []
      let bytes = 0
      for (const batch of log.filter((candidate) => candidate.next > asked.offset)) {
        if (parts.length > 0 && bytes + batch.bytes.length > asked.maxBytes) break
        parts.push(batch.bytes)
        bytes += batch.bytes.length
      }
      const highWatermark = log.at(-1)?.next ?? 0
      partitions.push({ partition: asked.partition, highWatermark, records: Buffer.concat(parts), ...answer })
    }
    if (partitions.every((one) => (one.records?.length ?? 0) === 0))
      await sleep(Math.min(request.maxWaitMs, this.pollMs))
    await gate
    const version = this.byId ? 17 : 12
    const topic = this.byId ? ID : TOPIC
    const response = parseFetchResponse(version, encodeFetchResponse(version, [{ topic, partitions }]))
    return response.byId ? byName(request, response) : response
  }
}

export interface Rig {
  readonly network: FakeNetwork
  readonly fetcher: Fetcher
  readonly batches: FetchedBatch[]
  readonly texts: (string | null)[]
  readonly errors: MqError[]
  readonly lost: OffsetOutOfRange[]
  /** How many of the errors left a partition standing still. */
  halted: number
}

export const rigs: Rig[] = []
export interface RigOptions {
  readonly settings?: Partial<ConsumerSettings>
  readonly keep?: boolean
  readonly withoutRangePolicy?: boolean
  readonly deps?: Deps
  readonly onBatch?: (batch: FetchedBatch) => void
  readonly onThrottled?: (throttleMs: number) => void
  readonly onTopicRecreated?: FetcherOptions['onTopicRecreated']
}

export function start(options: RigOptions = {}): Rig {
  const network = new FakeNetwork()
  const batches: FetchedBatch[] = []
  const texts: (string | null)[] = []
  const errors: MqError[] = []
  const lost: OffsetOutOfRange[] = []
  const fetcher = new Fetcher({
    cluster: undefined as unknown as FetchCluster,
    network,
    settings: { ...SETTINGS, ...options.settings },
    deps: options.deps ?? { ...systemDeps, random: () => 0.5 },
    onBatch: (batch) => {
      batches.push(batch)
      for (const record of batch) texts.push(record.valueString())
      if (options.keep !== true) batch.release()
      options.onBatch?.(batch)
    },
    onError: (_topic, _partition, error, isHalted) => {
      errors.push(error)
      if (isHalted) rig.halted += 1
    },
    ...(options.onThrottled === undefined ? {} : { onThrottled: options.onThrottled }),
    ...(options.onTopicRecreated === undefined ? {} : { onTopicRecreated: options.onTopicRecreated }),
    ...(options.withoutRangePolicy === true
      ? {}
      : { onOffsetOutOfRange: (range: OffsetOutOfRange) => lost.push(range) }),
  })
  const rig: Rig = { network, fetcher, batches, texts, errors, lost, halted: 0 }
  rigs.push(rig)
  return rig
}

export async function until(what: string, isSo: () => boolean, deadlineMs = 120_000): Promise<void> {
  const end = Date.now() + deadlineMs
  while (!isSo()) {
    assert.ok(Date.now() < end, `waited in vain until ${what}`)
    await sleep(2)
  }
}

export const count = (rig: Rig): number => rig.batches.reduce((sum, batch) => sum + batch.count, 0)
