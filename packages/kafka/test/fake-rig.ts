/** A fake cluster of several brokers with producers and fetchers of mQ before it, all let go of at the end of the test. */
import type { TestContext } from 'node:test'
import type { ConsumerSettings, MqError, ProducerSettings } from '@mq/contract'
import { FakeCluster, type FakeClusterOptions } from '@mq/testkit'
import { Fetcher, type OffsetOutOfRange } from '../src/fetch/fetcher.ts'
import { Cluster } from '../src/net/cluster.ts'
import { MemoryBudget } from '../src/produce/memory-budget.ts'
import { Producer } from '../src/produce/producer.ts'
import type { BatchReport } from '../src/produce/producer-observer.ts'
import { SETTINGS } from './produce-stage.ts'

export const FETCH_SETTINGS: ConsumerSettings = {
  fetchMinBytes: 1,
  fetchMaxWaitMs: 100,
  readAheadBytes: 1 << 20,
  isolation: 'read_committed',
  sessionTimeoutMs: 10_000,
}

export interface Reading {
  /** Values by partition, in the order they came. */
  readonly values: string[][]
  readonly offsets: number[][]
  readonly errors: MqError[]
  readonly lost: OffsetOutOfRange[]
  readonly recreated: number[]
  readonly fetcher: Fetcher
  count(): number
}

export interface Rig {
  readonly fake: FakeCluster
  readonly cluster: Cluster
  readonly stored: BatchReport[]
  producer(settings?: Partial<ProducerSettings>): Producer
  read(topic: string, partitions: number, settings?: Partial<ConsumerSettings>): Reading
}

export async function fakeRig(t: TestContext, options: Partial<FakeClusterOptions> = {}): Promise<Rig> {
  const fake = await FakeCluster.start({ topics: { t: 1, wide: 3 }, ...options })
  const cluster = new Cluster({
    name: 'fake',
    clientId: 'test',
    bootstrap: fake.nodes.map(({ address }) => address),
    requestTimeoutMs: 30_000,
  })
  const producers: Producer[] = []
  const fetchers: Fetcher[] = []
  const stored: BatchReport[] = []
  t.after(async () => {
    fake.isFrozen = false
    for (const fetcher of fetchers) await fetcher.close()
    for (const producer of producers) await producer.close(0).catch(() => {})
    await cluster.close()
    await fake.stop()
  })
  const producer = (settings: Partial<ProducerSettings> = {}): Producer => {
    const made = new Producer({
      cluster,
      settings: { ...SETTINGS, requestTimeoutMs: 30_000, ...settings },
      budget: new MemoryBudget(16 * 1_048_576),
      sendDeadlineMs: 120_000,
      observer: { onBatch: (report) => stored.push(report) },
    })
    producers.push(made)
    return made
  }
  const read = (topic: string, partitions: number, settings: Partial<ConsumerSettings> = {}): Reading => {
    const values: string[][] = Array.from({ length: partitions }, () => [])
    const offsets: number[][] = Array.from({ length: partitions }, () => [])
    const errors: MqError[] = []
    const lost: OffsetOutOfRange[] = []
    const recreated: number[] = []
    const fetcher = new Fetcher({
      cluster,
      settings: { ...FETCH_SETTINGS, ...settings },
      onBatch: (batch) => {
        for (const record of batch) {
          values[record.partition]!.push(record.valueString() ?? 'null')
          offsets[record.partition]!.push(record.offsetNumber)
        }
        batch.release()
      },
      onError: (_topic, _partition, error) => errors.push(error),
      onOffsetOutOfRange: (range) => lost.push(range),
      onTopicRecreated: (_topic, partition) => recreated.push(partition),
    })
    fetchers.push(fetcher)
    for (let partition = 0; partition < partitions; partition++) fetcher.add(topic, partition, 0n)
    return { values, offsets, errors, lost, recreated, fetcher, count: () => values.flat().length }
  }
  return { fake, cluster, stored, producer, read }
}
