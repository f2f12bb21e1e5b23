import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConsumerSettings, MqError } from '@mq/contract'
import { type LocalCluster, startCluster } from '@mq/local'
import { Admin, deleteRecordsV2, Producer, stringSerializers } from '@platformatic/kafka'
import { Fetcher, type OffsetOutOfRange } from '../src/fetch/fetcher.ts'
import { codecs } from '../src/records/compression.ts'
import { javaTool, kcat } from './kafka-tools.ts'
import { type PlainCluster, plainCluster } from './plain-cluster.ts'

const SETTINGS: ConsumerSettings = {
  fetchMinBytes: 1,
  fetchMaxWaitMs: 100,
  readAheadBytes: 4 << 20,
  isolation: 'read_committed',
  sessionTimeoutMs: 10_000,
}

interface Seen {
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string | null])[]
}

interface Reading {
  readonly seen: Seen[]
  readonly errors: MqError[]
  readonly lost: OffsetOutOfRange[]
  readonly fetcher: Fetcher
}

describe('the fetcher on real Kafka', { timeout: 300_000 }, () => {
  let kafka: LocalCluster
  let cluster: PlainCluster
  let admin: Admin
  let folder: string
  const open: Fetcher[] = []

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mq-fetcher-'))
    kafka = await startCluster({
      name: 'fetcher',
      brokers: 1,
      configs: { 'transaction.state.log.num.partitions': '2' },
    })
    cluster = plainCluster(kafka.bootstrap[0] ?? '')
    admin = new Admin({ clientId: 'mq-test', bootstrapBrokers: kafka.bootstrap })
  })

  after(async () => {
    for (const fetcher of open) await fetcher.close()
    await admin?.close()
    await cluster?.close()
    await kafka?.stop()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  })

  const create = async (topic: string, partitions = 1): Promise<void> => {
    for (let tries = 0; ; tries += 1) {
      try {
        await admin.createTopics({ topics: [topic], partitions, replicas: 1 })
        break
      } catch (error) {
        // With ZooKeeper the name of a deleted topic is free a moment later.
        if (tries === 100) throw error
        await sleep(50)
      }
    }
    for (let tries = 0; tries < 100; tries += 1) {
      // A broker that does not know it yet answers with an error.
      const [found] = await cluster.metadata([topic]).catch(() => [])
      if (found?.errorCode === undefined && found?.partitions.length === partitions) return
      await sleep(50)
    }
    assert.fail(`topic ${topic} did not appear`)
  }

  const read = (topic: string, partitions = 1, offset = 0n, settings: Partial<ConsumerSettings> = {}): Reading => {
    const seen: Seen[] = []
    const errors: MqError[] = []
    const lost: OffsetOutOfRange[] = []
    const fetcher = new Fetcher({
      cluster,
      settings: { ...SETTINGS, ...settings },
      onBatch: (batch) => {
        for (const record of batch) {
          seen.push({
            partition: record.partition,
            offset: record.offsetNumber,
            key: record.keyString(),
            value: record.valueString(),
            headers: record.headers.map(({ key, value }) => [key, value?.toString() ?? null]),
          })
        }
        batch.release()
      },
      onError: (_topic, _partition, error) => errors.push(error),
      onOffsetOutOfRange: (range) => lost.push(range),
    })
    open.push(fetcher)
    for (let partition = 0; partition < partitions; partition += 1) fetcher.add(topic, partition, offset)
    return { seen, errors, lost, fetcher }
  }

  const until = async (what: string, isSo: () => boolean, deadlineMs = 120_000): Promise<void> => {
    const end = Date.now() + deadlineMs
    while (!isSo()) {
      assert.ok(Date.now() < end, `waited in vain until ${what}`)
      await sleep(10)
    }
  }

  for (const codec of codecs) {
    it(`reads what Java's console producer and kcat wrote with ${codec}: keys, headers, empty and null values`, async () => {
      const topic = `shapes-${codec}`
      await create(topic)
      const [bootstrap = ''] = kafka.bootstrap
      const reader = [
        'parse.key=true',
        'parse.headers=true',
        'key.separator=|',
        'headers.delimiter=^',
        'null.marker=NIL',
      ]
      await javaTool(
        'ConsoleProducer',
        [
          ...['--bootstrap-server', bootstrap, '--topic', topic, '--compression-codec', codec],
          ...reader.flatMap((property) => ['--reader-property', property]),
        ],
        'trace:1,trace:2^key|value\nNIL^NIL|plain ü\na:b^empty|\nNIL^gone|NIL\n',
      )
      const common = ['-P', '-b', bootstrap, '-t', topic, '-z', codec, '-K', '|']
      await kcat([...common, '-H', 'from=kcat', '-H', 'bare'], 'k1|v1\nk2|v2\n')
      await kcat([...common, '-Z'], 'gone|\n')
      const { seen, errors } = read(topic)
      await until('all 7 are read', () => seen.length === 7)
      assert.deepEqual(
        seen.map(({ key, value, headers }) => [key, value, headers]),
        [
          [
            'key',
            'value',
            [
              ['trace', '1'],
              ['trace', '2'],
            ],
          ],
          [null, 'plain ü', []],
          ['empty', '', [['a', 'b']]],
          ['gone', null, []],
          [
            'k1',
            'v1',
            [
              ['from', 'kcat'],
              ['bare', null],
            ],
          ],
          [
            'k2',
            'v2',
            [
              ['from', 'kcat'],
              ['bare', null],
            ],
          ],
          ['gone', null, []],
        ],
      )
      assert.deepEqual(errors, [])
    })

    it(`reads large ${codec} batches of Java whole and in order`, async () => {
      const topic = `bulk-${codec}`
      await create(topic)
      const lines = Array.from(
        { length: 500 },
        (_, i) => `{"n":${i},"text":"${'some words that repeat '.repeat(i % 12)}"}`,
      )
      const payload = join(folder, `${codec}.jsonl`)
      writeFileSync(payload, lines.join('\n'))
      await javaTool('ProducerPerformance', [
        ...['--topic', topic, '--num-records', '20000', '--throughput', '-1', '--payload-file', payload],
        ...['--bootstrap-server', kafka.bootstrap[0] ?? '', '--command-property', `compression.type=${codec}`],
        ...['--command-property', 'linger.ms=20', '--command-property', 'batch.size=500000'],
      ])
      const { seen, errors } = read(topic)
      await until('all are read', () => seen.length >= 20_000)
      const known = new Set(lines)
      assert.ok(seen.every((record, index) => record.offset === index && known.has(record.value ?? '')))
      assert.deepEqual(errors, [])
    })
  }

  it('hands out no aborted record of two transactions that one producer aborted in one fetch (X3)', async () => {
    const topic = 'transactions'
    await create(topic)
    const producer = new Producer({
      clientId: 'mq-test',
      bootstrapBrokers: kafka.bootstrap,
      transactionalId: 'mq-test-transactions',
      idempotent: true,
      serializers: stringSerializers,
    })
    const write = async (end: 'commit' | 'abort', ...values: string[]): Promise<void> => {
      const transaction = await producer.beginTransaction()
      await transaction.send({ messages: values.map((value) => ({ topic, value, partition: 0 })) })
      await transaction[end]()
    }
    await write('commit', 'kept 1')
    await write('abort', 'dropped 1', 'dropped 2')
    await write('commit', 'kept 2')
    await write('abort', 'dropped 3')
    await write('commit', 'kept 3')
    await write('abort', 'dropped 4')
    await producer.close()

    const committed = read(topic)
    // Six markers stand in the log as well.
    await until('the end is reached', () => committed.fetcher.position(topic, 0) === 13n)
    assert.deepEqual(
      committed.seen.map(({ value }) => value),
      ['kept 1', 'kept 2', 'kept 3'],
    )
    assert.equal(committed.fetcher.highWatermark(topic, 0), 13n)

    const everything = read(topic, 1, 0n, { isolation: 'read_uncommitted' })
    await until('all are read', () => everything.fetcher.position(topic, 0) === 13n)
    assert.equal(everything.seen.filter(({ value }) => value?.startsWith('dropped')).length, 4)
    assert.deepEqual([committed.errors, everything.errors], [[], []])
  })

  it('tells how many records are lost when retention passed the position', async () => {
    const topic = 'expired'
    await create(topic)
    await kcat(['-P', '-b', kafka.bootstrap[0] ?? '', '-t', topic], 'a\nb\nc\nd\ne\n')
    const connection = await cluster.connect()
    await deleteRecordsV2.api.async(
      connection,
      [{ name: topic, partitions: [{ partitionIndex: 0, offset: 3n }] }],
      5_000,
    )
    const { seen, lost, fetcher } = read(topic, 1, 1n)
    await until('the loss is told', () => lost.length === 1)
    assert.deepEqual([lost[0]?.requested, lost[0]?.earliest, lost[0]?.latest, lost[0]?.lostRecords], [1n, 3n, 5n, 2n])
    fetcher.add(topic, 0, lost[0]?.earliest ?? 0n)
    await until('the rest is read', () => seen.length === 2)
    assert.deepEqual(
      seen.map(({ value }) => value),
      ['d', 'e'],
    )
  })

  it('says MQ_TOPIC_RECREATED when the topic is deleted and created again underneath (F6)', async () => {
    const topic = 'reborn'
    await create(topic)
    await kcat(['-P', '-b', kafka.bootstrap[0] ?? '', '-t', topic], 'old\n')
    const { seen, errors } = read(topic)
    await until('it reads', () => seen.length === 1)
    await admin.deleteTopics({ topics: [topic] })
    await sleep(200)
    await create(topic)
    await kcat(['-P', '-b', kafka.bootstrap[0] ?? '', '-t', topic], 'new 0\nnew 1\n')
    await until('it is reported', () => errors.some(({ code }) => code === 'MQ_TOPIC_RECREATED'))
    assert.deepEqual(
      seen.map(({ value }) => value),
      ['old'],
    )
  })

  it('goes on by itself after its broker was killed and came back', async () => {
    const topic = 'outage'
    await create(topic, 2)
    await kcat(['-P', '-b', kafka.bootstrap[0] ?? '', '-t', topic, '-p', '0'], 'before\n')
    const { seen } = read(topic, 2)
    await until('it reads', () => seen.length === 1)
    await kafka.brokers[0]?.kill()
    await sleep(300)
    await kafka.brokers[0]?.restart()
    await kcat(['-P', '-b', kafka.bootstrap[0] ?? '', '-t', topic, '-p', '1'], 'after\n')
    await until('it reads on', () => seen.length === 2)
    assert.deepEqual(
      seen.map(({ value }) => value),
      ['before', 'after'],
    )
  })
})
