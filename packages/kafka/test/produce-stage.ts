/** A producer before a fake broker, and a watch for rejections that nobody listened to. */
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { type MqError, MqError as MqErrorClass, type ProducerSettings } from '@mq/contract'
import { FakeCluster, type FakeClusterOptions, type ProduceFault } from '@mq/testkit'
import { MemoryBudget } from '../src/produce/memory-budget.ts'
import { Producer } from '../src/produce/producer.ts'
import type { BatchReport } from '../src/produce/producer-observer.ts'
import type { ProducerOptions } from '../src/produce/producer-options.ts'
import { produceCluster } from './produce-cluster.ts'

export const SETTINGS: ProducerSettings = {
  codec: 'none',
  lingerMs: 0,
  batchBytes: 2_048,
  maxMessageBytes: 1_048_576,
  requestTimeoutMs: 10_000,
}
export const TIMEOUT = { timeout: 300_000 }

const unhandled: unknown[] = []
const note = (reason: unknown): void => void unhandled.push(reason)
process.on('unhandledRejection', note)
after(() => {
  process.off('unhandledRejection', note)
  assert.deepEqual(unhandled, [], 'a rejection that nobody listened to reached the process')
})

export interface Stage {
  readonly broker: FakeCluster
  readonly producer: Producer
  readonly budget: MemoryBudget
  readonly stored: BatchReport[]
  readonly failures: { readonly records: number; readonly error: MqError }[]
}

export async function onStage(
  options: Partial<FakeClusterOptions>,
  own: Partial<Omit<ProducerOptions, 'settings'>> & { readonly settings?: Partial<ProducerSettings> },
  body: (stage: Stage) => Promise<void>,
): Promise<void> {
  const broker = await FakeCluster.start({ topics: { t: 1, wide: 3 }, ...options })
  const cluster = produceCluster(broker.bootstrap)
  const budget = own.budget ?? new MemoryBudget(16 * 1_048_576)
  const stored: BatchReport[] = []
  const failures: { records: number; error: MqError }[] = []
  const producer = new Producer({
    cluster,
    sendDeadlineMs: 20_000,
    observer: {
      onBatch: (report) => stored.push(report),
      onFailure: (records, error) => failures.push({ records, error }),
    },
    ...own,
    budget,
    settings: { ...SETTINGS, ...own.settings },
  })
  try {
    await body({ broker, producer, budget, stored, failures })
  } finally {
    await producer.close(0).catch(() => {})
    await cluster.close()
    await broker.stop()
  }
}

export const values = (broker: FakeCluster, partition = 0, topic = 't'): string[] =>
  broker.log(topic, partition).records.map(({ value }) => value?.toString() ?? 'null')
export const numbered = (count: number, from = 0): string[] => Array.from({ length: count }, (_, n) => `m${from + n}`)
export const code = (expected: string) => (error: unknown) => {
  assert.ok(error instanceof MqErrorClass, String(error))
  assert.equal(error.code, expected, error.message)
  return true
}

/** Faults of the first batches to arrive, in turn. */
export function faults(...list: readonly (ProduceFault | undefined)[]): () => ProduceFault | undefined {
  let next = 0
  return () => list[next++]
}
