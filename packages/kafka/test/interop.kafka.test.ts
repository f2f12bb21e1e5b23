/** The other direction: what mQ writes is taken by the broker and read by Java's console consumer and by kcat. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type LocalCluster, startCluster } from '@mq/local'
import { Admin, Writer } from '@platformatic/kafka'
import { codecs } from '../src/records/compression.ts'
import { encodeBatch, type HandRecord } from './hand-made.ts'
import { javaTool, kcat } from './kafka-tools.ts'
import { type PlainCluster, plainCluster } from './plain-cluster.ts'

const PRODUCE_API_KEY = 0
const PRODUCE_VERSION = 9

const shapes: readonly HandRecord[] = [
  {
    key: 'key',
    value: 'value',
    headers: [
      ['trace', '1'],
      ['trace', '2'],
    ],
  },
  { key: null, value: 'plain ü' },
  { key: 'empty', value: '' },
  { key: 'gone', value: null },
]
// Some 400 KB: several blocks of every codec that has blocks.
const bulk: readonly HandRecord[] = Array.from({ length: 4_000 }, (_, i) => ({
  key: `k${i % 97}`,
  value: `{"n":${i},"text":"${'some words that repeat '.repeat(i % 7)}"}`,
}))

describe('what mQ writes', { timeout: 300_000 }, () => {
  let kafka: LocalCluster
  let cluster: PlainCluster
  let admin: Admin

  before(async () => {
    kafka = await startCluster({ name: 'interop', brokers: 1 })
    cluster = plainCluster(kafka.bootstrap[0] ?? '')
    admin = new Admin({ clientId: 'mq-test', bootstrapBrokers: kafka.bootstrap })
  })

  after(async () => {
    await admin?.close()
    await cluster?.close()
    await kafka?.stop()
  })

  /** One batch as it is, in a request of our own; the error code that the broker answers. */
  const store = async (topic: string, batch: Buffer): Promise<number> => {
    const connection = await cluster.connect()
    const answer = Promise.withResolvers<number>()
    connection.send<number>(
      PRODUCE_API_KEY,
      PRODUCE_VERSION,
      () =>
        Writer.create()
          .appendString(null)
          .appendInt16(-1)
          .appendInt32(10_000)
          .appendArray([topic], (writer, name) => {
            writer.appendString(name).appendArray([0], (partitions, index) => {
              partitions
                .appendInt32(index)
                .appendUnsignedVarInt(batch.length + 1)
                .append(batch)
            })
          })
          .appendTaggedFields(),
      (_correlation, _key, _version, reader) => {
        const count = reader.readUnsignedVarInt() - 1
        assert.equal(count, 1)
        reader.readString()
        reader.readUnsignedVarInt()
        reader.readInt32()
        return reader.readInt16()
      },
      true,
      true,
      (error, code) => (error ? answer.reject(error) : answer.resolve(code as number)),
    )
    return await answer.promise
  }

  for (const codec of codecs) {
    it(`is read by Java's console consumer and by kcat with ${codec}`, async () => {
      const topic = `written-${codec}`
      // The times in the records are years old: with a retention, the broker deletes them some 30 s after its start, maybe while they are read.
      const configs = [{ name: 'retention.ms', value: '-1' }]
      await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1, configs })
      let code = -1
      for (let tries = 0; tries < 100 && code !== 0; tries += 1) {
        if (tries > 0) await sleep(50)
        code = await store(topic, encodeBatch({ records: shapes, codec }))
        assert.ok([0, 3, 5, 6].includes(code), `the broker answered ${code}`)
      }
      assert.equal(await store(topic, encodeBatch({ records: bulk, codec })), 0)
      const [bootstrap = ''] = kafka.bootstrap
      const total = shapes.length + bulk.length

      const properties = [
        'print.key=true',
        'print.headers=true',
        'key.separator=|',
        'headers.separator=,',
        'null.literal=NIL',
      ]
      const java = await javaTool('consumer.ConsoleConsumer', [
        ...['--bootstrap-server', bootstrap, '--topic', topic, '--from-beginning', '--max-messages', String(total)],
        ...properties.flatMap((property) => ['--formatter-property', property]),
      ])
      const bulkLines = bulk.map(({ key, value }) => `NO_HEADERS|${key}|${value}`)
      const javaLines = java.trimEnd().split('\n')
      assert.deepEqual(javaLines, [
        'trace:1,trace:2|key|value',
        'NO_HEADERS|NIL|plain ü',
        'NO_HEADERS|empty|',
        'NO_HEADERS|gone|NIL',
        ...bulkLines,
      ])

      const theirs = await kcat([
        '-C',
        '-q',
        '-b',
        bootstrap,
        '-t',
        topic,
        '-o',
        'beginning',
        '-e',
        '-f',
        '%h|%K|%k|%S|%s\n',
      ])
      assert.deepEqual(theirs.trimEnd().split('\n'), [
        'trace=1,trace=2|3|key|5|value',
        '|-1||8|plain ü',
        '|5|empty|0|',
        '|4|gone|-1|',
        ...bulk.map(({ key, value }) => `|${String(key).length}|${key}|${String(value).length}|${value}`),
      ])
    })
  }
})
