/**
 * The produce path alone: one `send()` per record into Kafka, without bindings and client. For profiling:
 * `node --cpu-prof --conditions=mq-source bench/produce-path.ts --codec zstd`.
 *
 * V1. `raw` sends batches that were encoded beforehand, one in flight per partition, over the same library connection: the ceiling.
 * V2. Every promise is collected: a round ends when all of its records are acknowledged.
 */
import { parseArgs } from 'node:util'
import type { Codec, ProducerSettings } from '@mq/contract'
import { MemoryBudget, Producer, type Receipt } from '@mq/kafka'
import { KAFKA_VERSION, startCluster } from '@mq/local'
import { Connection, createTopicsV7, initProducerIdV4 } from '@platformatic/kafka'
import { sendProduce } from '../packages/kafka/src/protocol/produce-request.ts'
import { BatchEncoder, nextSequence, stamp } from '../packages/kafka/src/records/batch-encoder.ts'
import { produceCluster } from '../packages/kafka/test/produce-cluster.ts'
import { machineFacts } from './machine.ts'
import { makePayloads } from './payloads.ts'

const USAGE = `node --conditions=mq-source bench/produce-path.ts [options]
  --count N        records per round (1500000)
  --size N         bytes of a value (200)
  --partitions N   (4)
  --codec NAME     none, gzip, snappy, lz4 or zstd (none)
  --level N        level of gzip or zstd
  --linger-ms N    (5)
  --batch-bytes N  (262144)
  --ahead N        sends the caller leaves open before it waits (20000)
  --rate N         messages a second instead of full speed; prints latencies
  --rounds N       (3)
  --raw            also the ceiling with ready batches
  --json           one JSON object on the last line`

const { values: flags } = parseArgs({
  options: {
    count: { type: 'string', default: '1500000' },
    size: { type: 'string', default: '200' },
    partitions: { type: 'string', default: '4' },
    codec: { type: 'string', default: 'none' },
    level: { type: 'string' },
    'linger-ms': { type: 'string', default: '5' },
    'batch-bytes': { type: 'string', default: '262144' },
    ahead: { type: 'string', default: '20000' },
    rate: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    raw: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (flags.help) {
  console.log(USAGE)
  process.exit(0)
}

const count = Number(flags.count)
const partitions = Number(flags.partitions)
const ahead = Number(flags.ahead)
const level = flags.level === undefined ? {} : { codecLevel: Number(flags.level) }
const settings: ProducerSettings = {
  codec: flags.codec as Codec,
  ...level,
  lingerMs: Number(flags['linger-ms']),
  batchBytes: Number(flags['batch-bytes']),
  maxMessageBytes: 1_048_576,
  requestTimeoutMs: 30_000,
}
const values = makePayloads({ count: 10_000, bytes: Number(flags.size), seed: 1 })
const keys = Array.from({ length: 5_000 }, (_, n) => `customer-${n}`)

interface Round {
  readonly what: string
  readonly messagesPerSecond: number
  readonly cpuUsPerMessage: number
  readonly rssMb: number
  readonly heapMb: number
  readonly buffersMb: number
}

function measured(what: string, startedAt: bigint, cpu: NodeJS.CpuUsage): Round {
  const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9
  const used = process.cpuUsage(cpu)
  const round = {
    what,
    messagesPerSecond: Math.round(count / seconds),
    cpuUsPerMessage: Math.round(((used.user + used.system) / count) * 100) / 100,
    rssMb: Math.round(process.memoryUsage().rss / 1_048_576),
    heapMb: Math.round(process.memoryUsage().heapTotal / 1_048_576),
    buffersMb: Math.round(process.memoryUsage().arrayBuffers / 1_048_576),
  }
  console.log(
    `${what}: ${round.messagesPerSecond} msg/s, ${round.cpuUsPerMessage} us/msg, ${round.rssMb} MB RSS (heap ${round.heapMb}, buffers ${round.buffersMb})`,
  )
  return round
}

async function perMessage(bootstrap: string, topicName: string): Promise<Round> {
  const cluster = produceCluster(bootstrap)
  await cluster.metadata([topicName])
  let batches = 0
  let wire = 0
  const producer = new Producer({
    cluster,
    settings,
    budget: new MemoryBudget(64 * 1_048_576),
    observer: {
      onBatch: (report) => {
        batches++
        wire += report.wireBytes
      },
    },
  })
  const topic = producer.topic(topicName, partitions)
  await producer.send(topic, null, 'first')
  let settled = 0
  const onStored = (): void => {
    settled++
  }
  const startedAt = process.hrtime.bigint()
  const cpu = process.cpuUsage()
  let last: Promise<Receipt> | undefined
  for (let n = 0; n < count; n++) {
    last = producer.send(topic, keys[n % 5_000]!, values[n % 10_000]!)
    void last.then(onStored)
    if (n % 1_000 === 999) {
      await new Promise(setImmediate)
      while (n + 1 - settled > ahead) await new Promise(setImmediate)
    }
  }
  await producer.flush()
  const round = measured('send()', startedAt, cpu)
  console.log(`  ${batches} batches, ${Math.round(wire / batches)} bytes each, settled ${settled}`)
  await producer.close()
  await cluster.close()
  return round
}

/** V1 */
async function ready(bootstrap: string, topic: string): Promise<Round> {
  const [host = '', port = ''] = bootstrap.split(':')
  const connection = new Connection('mq-bench', { maxInflights: 64 })
  connection.on('error', () => {})
  await connection.connect(host, Number(port))
  const id = await initProducerIdV4.api.async(connection, null, 60_000, -1n, -1)
  const batches = Array.from({ length: partitions }, () => {
    const encoder = new BatchEncoder(Buffer.allocUnsafeSlow(1_048_576))
    for (let n = 0; n < 1_000; n++) encoder.tryAppend(keys[n % 5_000]!, values[n]!, undefined, Date.now(), 1_000_000)
    encoder.seal()
    return encoder.sealed()
  })
  const startedAt = process.hrtime.bigint()
  const cpu = process.cpuUsage()
  const rounds = Math.ceil(count / 1_000 / partitions)
  await Promise.all(
    batches.map(
      (batch, partition) =>
        new Promise<void>((resolve, reject) => {
          let sequence = 0
          let left = rounds
          const next = (): void => {
            if (left-- === 0) {
              resolve()
              return
            }
            stamp(batch, null, { ...id, baseSequence: sequence })
            sequence = nextSequence(sequence, 1_000)
            sendProduce(
              connection,
              12,
              [{ topic, partition, header: batch, records: null }],
              30_000,
              (error, answer) => {
                const code = answer?.results[0]?.code
                if (error !== null || code !== 0) reject(error ?? new Error(`answered ${code}`))
                else next()
              },
            )
          }
          next()
        }),
    ),
  )
  const round = measured('raw ready batches', startedAt, cpu)
  await connection.close()
  return round
}

async function paced(bootstrap: string, topicName: string, rate: number): Promise<void> {
  const cluster = produceCluster(bootstrap)
  await cluster.metadata([topicName])
  const producer = new Producer({ cluster, settings, budget: new MemoryBudget(64 * 1_048_576) })
  const topic = producer.topic(topicName, partitions)
  await producer.send(topic, null, 'first')
  const latencies: number[] = []
  const total = rate * 10
  const startedAt = performance.now()
  for (let n = 0; n < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - startedAt) * rate) / 1_000))
    for (; n < due; n++) {
      const sentAt = performance.now()
      const warm = n > rate
      void producer.send(topic, keys[n % 5_000]!, values[n % 10_000]!).then(() => {
        if (warm) latencies.push(performance.now() - sentAt)
      })
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await producer.flush()
  latencies.sort((a, b) => a - b)
  const at = (share: number): string => latencies[Math.floor(latencies.length * share)]!.toFixed(2)
  console.log(`${rate} msg/s: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, p99.9 ${at(0.999)} ms`)
  await producer.close()
  await cluster.close()
}

const kafka = await startCluster({ brokers: 1 })
try {
  const bootstrap = kafka.bootstrap[0]!
  const [host = '', port = ''] = bootstrap.split(':')
  const admin = new Connection('mq-bench')
  admin.on('error', () => {})
  await admin.connect(host, Number(port))
  const topic = 'produce-path'
  const configs = [{ name: 'retention.bytes', value: '268435456' }]
  await createTopicsV7.api.async(
    admin,
    [{ name: topic, numPartitions: partitions, replicationFactor: 1, assignments: [], configs }],
    30_000,
    false,
  )
  await admin.close()
  if (flags.rate !== undefined) await paced(bootstrap, topic, Number(flags.rate))
  else {
    const rounds: Round[] = []
    for (let round = 0; round < Number(flags.rounds); round++) {
      rounds.push(await perMessage(bootstrap, topic))
      if (flags.raw) rounds.push(await ready(bootstrap, topic))
    }
    if (flags.json)
      console.log(
        JSON.stringify({
          machine: machineFacts(KAFKA_VERSION, new Date().toISOString().slice(0, 10)),
          settings,
          count,
          partitions,
          rounds,
        }),
      )
  }
} finally {
  await kafka.stop()
}
process.exit(0)
