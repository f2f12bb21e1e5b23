import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConsumerSettings, MqError, ProducerSettings } from '@mq/contract'
import { type LocalCluster, startCluster } from '@mq/local'
import { Admin as QuotaAdmin } from '@platformatic/kafka'
import { Admin } from '../src/admin/admin.ts'
import { Fetcher } from '../src/fetch/fetcher.ts'
import { Cluster } from '../src/net/cluster.ts'
import { MemoryBudget } from '../src/produce/memory-budget.ts'
import { Producer } from '../src/produce/producer.ts'
import type { BatchReport } from '../src/produce/producer-observer.ts'
import type { ProducerOptions } from '../src/produce/producer-options.ts'
import { recordsOf } from '../src/records/batch-parts.ts'
import { codecs } from '../src/records/compression.ts'

const SETTINGS: ProducerSettings = {
  codec: 'none',
  lingerMs: 0,
  batchBytes: 65_536,
  maxMessageBytes: 1_000_000,
  requestTimeoutMs: 5_000,
}
const READING: ConsumerSettings = {
  fetchMinBytes: 1,
  fetchMaxWaitMs: 100,
  readAheadBytes: 4 << 20,
  isolation: 'read_committed',
  sessionTimeoutMs: 10_000,
}

interface Read {
  readonly partition: number
  readonly offset: bigint
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string])[]
  readonly timestampMs: number
}

describe('the producer on real Kafka', { timeout: 300_000 }, () => {
  let kafka: LocalCluster
  let cluster: Cluster
  let admin: Admin
  const producers: Producer[] = []

  before(async () => {
    kafka = await startCluster({ name: 'producer', brokers: 1 })
    cluster = new Cluster({ name: 'producer', clientId: 'mq-test', bootstrap: kafka.bootstrap })
    admin = new Admin(cluster)
  })

  after(async () => {
    for (const producer of producers) await producer.close(0).catch(() => {})
    await cluster?.close()
    await kafka?.stop()
  })

  const producing = (
    settings: Partial<ProducerSettings> = {},
    options: Partial<Omit<ProducerOptions, 'settings'>> = {},
  ): Producer => {
    const budget = new MemoryBudget(32 << 20)
    const producer = new Producer({ cluster, budget, ...options, settings: { ...SETTINGS, ...settings } })
    producers.push(producer)
    return producer
  }

  const create = (name: string, partitions = 1, configs: Record<string, string> = {}): Promise<void> =>
    admin.createTopic({ name, partitions, replication: 1, configs })

  /** Everything in the topic up to where it ends now. */
  const readAll = async (topic: string, partitions = 1): Promise<Read[]> => {
    const indexes = [...new Array(partitions).keys()]
    const ends = await admin.listOffsets(topic, indexes, 'latest')
    const read: Read[] = []
    const positions = new Map<number, bigint>()
    const errors: MqError[] = []
    const fetcher = new Fetcher({
      cluster,
      settings: { ...READING, readAheadBytes: 100_000 },
      onBatch: (batch) => {
        for (const record of batch) {
          read.push({
            partition: batch.partition,
            offset: record.offset,
            key: record.keyString(),
            value: record.valueString(),
            headers: record.headers.map(({ key, value }) => [key, value?.toString() ?? ''] as const),
            timestampMs: record.timestampMs,
          })
        }
        positions.set(batch.partition, batch.nextOffset)
        batch.release()
      },
      onError: (_topic, _partition, error) => errors.push(error),
    })
    for (const index of indexes) fetcher.add(topic, index, 0n)
    const isDone = (): boolean => indexes.every((index) => (positions.get(index) ?? 0n) >= (ends.get(index) ?? 0n))
    for (let tries = 0; !isDone() && tries < 400; tries++) await sleep(25)
    await fetcher.close()
    assert.deepEqual(errors, [])
    assert.ok(isDone(), `read ${read.length} records of ${topic}`)
    return read
  }

  for (const codec of codecs) {
    it(`stores keys, headers, empty and null values and timestamps with ${codec}`, async () => {
      const topic = `all-${codec}`
      // One record's time is years old: a retention would let the broker delete it where it came alone in the first batch.
      await create(topic, 1, { 'retention.ms': '-1' })
      const reports: BatchReport[] = []
      const producer = producing({ codec, lingerMs: 20 }, { observer: { onBatch: (report) => reports.push(report) } })
      const handle = producer.topic(topic, 1)
      const filler = 'compressible words, again and again; '.repeat(20)
      const sends = [
        producer.send(handle, 'key', 'value', { trace: 'abc', raw: new Uint8Array([104, 105]) }, 1_700_000_000_123),
        producer.send(handle, null, null),
        producer.send(handle, '', ''),
        producer.send(handle, Buffer.from('bytes'), Buffer.from('bytes too')),
        producer.send(handle, 'ключ', 'значение €'),
        ...Array.from({ length: 500 }, (_, n) => producer.send(handle, `k${n}`, `${n} ${filler}`)),
      ]
      await Promise.all(sends)
      const read = await readAll(topic)
      assert.deepEqual(
        read.slice(0, 5).map(({ key, value }) => [key, value]),
        [
          ['key', 'value'],
          [null, null],
          ['', ''],
          ['bytes', 'bytes too'],
          ['ключ', 'значение €'],
        ],
      )
      assert.deepEqual(read[0]!.headers, [
        ['trace', 'abc'],
        ['raw', 'hi'],
      ])
      assert.equal(read[0]!.timestampMs, 1_700_000_000_123)
      assert.ok(Math.abs(read[1]!.timestampMs - Date.now()) < 60_000)
      assert.deepEqual(
        read.slice(5).map(({ value }) => value),
        Array.from({ length: 500 }, (_, n) => `${n} ${filler}`),
      )
      const wire = reports.reduce((sum, report) => sum + report.wireBytes, 0)
      const plain = reports.reduce((sum, report) => sum + report.uncompressedBytes, 0)
      if (codec === 'none') assert.equal(wire, plain)
      else assert.ok(wire < plain / 4, `${codec}: ${wire} of ${plain} bytes`)
    })
  }

  it('tells where a batch stands, and readers do not see what pads a tiny record (E4)', async () => {
    await create('places')
    const producer = producing()
    const handle = producer.topic('places', 1)
    for (let n = 0n; n < 3n; n++) {
      const { topic, partition, baseOffset } = await producer.send(handle, null, null)
      assert.deepEqual([topic, partition, baseOffset], ['places', 0, n])
    }
    assert.deepEqual(
      (await readAll('places')).map(({ key, value, headers }) => [key, value, headers.length]),
      new Array(3).fill([null, null, 0]),
    )
  })

  it('a sealed topic takes nothing, not even one tiny record, and gives everything back in order', async () => {
    await create('sealed')
    const sealed: string[] = []
    const producer = producing({}, { onSealed: (topic, partition) => sealed.push(`${topic}:${partition}`) })
    const handle = producer.topic('sealed', 1)
    await producer.send(handle, 'a', 'before')
    await admin.alterTopicConfigs('sealed', { 'max.message.bytes': '78' })
    await sleep(500)
    const late = producer.send(handle, null, null)
    const later = Array.from({ length: 50 }, (_, n) => producer.send(handle, 'a', `late ${n}`))
    for (let tries = 0; sealed.length === 0 && tries < 200; tries++) await sleep(25)
    assert.deepEqual(sealed, ['sealed:0'])
    const held = handle.senders[0]!.takeHeld()
    assert.deepEqual(
      held.flatMap(recordsOf).map(({ value }) => value?.toString()),
      [undefined, ...Array.from({ length: 50 }, (_, n) => `late ${n}`)],
    )
    for (const batch of held) batch.resolve({ topic: 'elsewhere', partition: 0, baseOffset: 0n })
    await Promise.all([late, ...later])
    assert.deepEqual(
      (await readAll('sealed')).map(({ value }) => value),
      ['before'],
    )
  })

  it('a broker killed and started again in mid-stream costs nothing: nothing lost, twice or out of order', async () => {
    await create('restarted', 3)
    const failures: unknown[] = []
    const producer = producing(
      { codec: 'zstd', codecLevel: 1 },
      // A broker may take minutes to start on a busy machine.
      { sendDeadlineMs: 240_000, observer: { onFailure: (_records, error) => failures.push(error) } },
    )
    const handle = producer.topic('restarted', 3)
    const sends: Promise<unknown>[] = []
    let n = 0
    const sendFor = async (ms: number): Promise<void> => {
      for (const until = performance.now() + ms; performance.now() < until; await sleep(2)) {
        for (let burst = 0; burst < 40; burst++, n++) sends.push(producer.send(handle, `key-${n % 50}`, `${n}`))
      }
    }
    await sendFor(700)
    const broker = kafka.brokers[0]!
    const restart = broker.kill().then(() => broker.restart())
    await sendFor(1_500)
    await restart
    await sendFor(500)
    await Promise.all(sends)
    assert.deepEqual(failures, [])
    const read = await readAll('restarted', 3)
    assert.equal(read.length, n)
    assert.equal(new Set(read.map(({ value }) => value)).size, n)
    const last = new Map<string, number>()
    for (const { key, value } of read) {
      assert.ok(Number(value) > (last.get(key!) ?? -1), `key ${key}: ${value} after ${last.get(key!)}`)
      last.set(key!, Number(value))
    }
  })

  it('a client over its quotas gets everything through once and in order, is told of the pauses and of nothing else', async () => {
    const topic = 'over-quota'
    const slowed = 'slowed'
    await create(topic)
    const quotas = new QuotaAdmin({ clientId: 'mq-test', bootstrapBrokers: kafka.bootstrap })
    // Over the 11 s that a broker looks back, the messages are more than it lets through at once.
    const ops = (['producer_byte_rate', 'consumer_byte_rate'] as const).map((key) => ({
      key,
      value: 40_000,
      remove: false,
    }))
    const entities = [{ entityType: 'client-id' as const, entityName: slowed }]
    await quotas.alterClientQuotas({ entries: [{ entities, ops }] })
    await quotas.close()
    const own = new Cluster({ name: 'producer', clientId: slowed, bootstrap: kafka.bootstrap })
    const throttled = { writesMs: 0, readsMs: 0 }
    const failures: unknown[] = []
    const producer = new Producer({
      cluster: own,
      budget: new MemoryBudget(32 << 20),
      settings: SETTINGS,
      observer: {
        onRequest: (throttledMs) => {
          throttled.writesMs += throttledMs
        },
        onFailure: (_records, error) => failures.push(error),
      },
    })
    producers.push(producer)
    const numbers = Array.from({ length: 300 }, (_, n) => String(n))
    const handle = producer.topic(topic, 1)
    await Promise.all(numbers.map((n) => producer.send(handle, 'k', n.padEnd(2_000))))
    const seen: string[] = []
    const fetcher = new Fetcher({
      cluster: own,
      settings: { ...READING, readAheadBytes: 100_000 },
      onBatch: (batch) => {
        for (const record of batch) seen.push(record.valueString()!.trimEnd())
        batch.release()
      },
      onThrottled: (throttleMs) => {
        throttled.readsMs += throttleMs
      },
      onError: (_topic, _partition, error) => failures.push(error),
    })
    fetcher.add(topic, 0, 0n)
    try {
      const deadline = performance.now() + 120_000
      while (seen.length < numbers.length && performance.now() < deadline) await sleep(25)
    } finally {
      await fetcher.close()
      await producer.close()
      await own.close()
    }
    assert.deepEqual(failures, [])
    assert.deepEqual(seen, numbers, JSON.stringify(throttled))
    assert.ok(throttled.writesMs > 0 && throttled.readsMs > 0, JSON.stringify(throttled))
  })

  it('deleted topics are told by the deadline, and the producer goes on elsewhere', async () => {
    await create('doomed')
    await create('alive')
    const producer = producing({}, { sendDeadlineMs: 1_500 })
    const doomed = producer.topic('doomed', 1)
    const alive = producer.topic('alive', 1)
    const patient = { deadlineMs: performance.now() + 120_000 }
    await producer.send(doomed, null, 'x', undefined, undefined, patient)
    await admin.deleteTopic('doomed')
    const lost = producer.send(doomed, null, 'y')
    await producer.send(alive, null, 'z', undefined, undefined, patient)
    await assert.rejects(lost, (error: MqError) => {
      assert.equal(error.code, 'MQ_SEND_TIMEOUT')
      return true
    })
  })
})
