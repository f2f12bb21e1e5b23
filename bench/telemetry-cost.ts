/**
 * `mq measure telemetry-cost`: what telemetry and shadow measurement cost the application that sends.
 *
 * S1. One process and one broker; rounds with everything on and with everything off take turns, so that a slow minute hits both.
 * S2. On is what `connect` puts there: the meter of the mQ ID with its histograms and samples, a report a second (ten times as
 *     often as usual), and shadow measurements on their own thread, within their own budget. Off is a producer nobody observes.
 * S3. The cost is the median of the ratios of neighbouring rounds.
 */
import { parseArgs } from 'node:util'
import type { Codec, ProducerSettings } from '@mq/contract'
import { CodecProbeThread, MemoryBudget, Producer, type Receipt, systemDeps } from '@mq/kafka'
import { KAFKA_VERSION, startCluster } from '@mq/local'
import { Connection, createTopicsV7 } from '@platformatic/kafka'
import { ProducerMeter } from '../packages/client/src/producer-meter.ts'
import { Shadow } from '../packages/client/src/shadow.ts'
import { produceCluster } from '../packages/kafka/test/produce-cluster.ts'
import { machineFacts } from './machine.ts'
import { makePayloads } from './payloads.ts'
import { publish } from './publish.ts'
import { TelemetryCostResult } from './results.ts'
import { median, round } from './statistics.ts'
import { telemetryCostTable } from './tables.ts'

const USAGE = `mq measure telemetry-cost [options]
  --seconds N      length of a round (3)
  --size N         bytes of a value (200)
  --partitions N   (4)
  --codec NAME     (zstd)
  --level N        (1)
  --rounds N       pairs of rounds (15)
  --json           one JSON object on the last line
  --save           keep it under bench/results`

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    size: { type: 'string', default: '200' },
    partitions: { type: 'string', default: '4' },
    codec: { type: 'string', default: 'zstd' },
    level: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '15' },
    date: { type: 'string', default: new Date(Date.now()).toISOString().slice(0, 10) },
    json: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (flags.help) {
  console.log(USAGE)
  process.exit(0)
}
const roundMs = Number(flags.seconds) * 1_000
const partitions = Number(flags.partitions)
const codec = flags.codec as Codec
const settings: ProducerSettings = {
  codec,
  ...(codec === 'zstd' || codec === 'gzip' ? { codecLevel: Number(flags.level) } : {}),
  lingerMs: 5,
  batchBytes: 262_144,
  maxMessageBytes: 1_048_576,
  requestTimeoutMs: 30_000,
}
const values = makePayloads({ count: 10_000, bytes: Number(flags.size), seed: 1 })
const keys = Array.from({ length: 5_000 }, (_, n) => `customer-${n}`)
const AHEAD = 20_000
const REPORT_MS = 1_000

interface Round {
  readonly what: 'on' | 'off'
  readonly messagesPerSecond: number
  readonly cpuUsPerMessage: number
}

let onMs = 0
let samples = 0
let onSinceMs: number | undefined
/** Shadow measurement lives in the rounds that are on: its budget grows in them alone. */
const clock = {
  nowMs: systemDeps.clock.nowMs,
  monotonicMs: (): number => onMs + (onSinceMs === undefined ? 0 : performance.now() - onSinceMs),
}
const shadow = new Shadow({ deps: { ...systemDeps, clock }, openProbe: () => new CodecProbeThread() })
let reportBytes = 0

async function run(bootstrap: string, topicName: string, isOn: boolean): Promise<Round> {
  const cluster = produceCluster(bootstrap)
  await cluster.metadata([topicName])
  const budget = new MemoryBudget(64 * 1_048_576)
  const meter = new ProducerMeter({
    mqId: 'measured',
    epoch: 1,
    clock: systemDeps.clock,
    settings,
    shadow: shadow.collector('measured'),
    bufferBytes: () => budget.usedBytes,
  })
  const producer = new Producer({
    cluster,
    settings: isOn ? meter.settings : settings,
    budget,
    ...(isOn
      ? {
          observer: {
            onBatch: (batch, encoded) => meter.sent(batch, encoded),
            onAppend: (us) => meter.appended(us),
            onRequest: (throttledMs) => meter.requested(throttledMs),
          },
        }
      : {}),
  })
  const topic = producer.topic(topicName, partitions)
  await producer.send(topic, null, 'first')
  let settled = 0
  const onStored = (): void => {
    settled++
  }
  const report = (): void => {
    const taken = meter.take()
    samples += taken.reduce((sum, { shadow: found }) => sum + (found?.length ?? 0), 0)
    reportBytes = Math.max(reportBytes, JSON.stringify(taken).length)
  }
  const reports = isOn ? setInterval(report, REPORT_MS) : undefined
  const startedAt = performance.now()
  if (isOn) onSinceMs = startedAt
  const cpu = process.cpuUsage()
  let last: Promise<Receipt> | undefined
  const endAt = startedAt + roundMs
  let n = 0
  for (; ; n++) {
    last = producer.send(topic, keys[n % 5_000]!, values[n % 10_000]!)
    void last.then(onStored)
    if (n % 1_000 === 999) {
      await new Promise(setImmediate)
      while (n + 1 - settled > AHEAD) await new Promise(setImmediate)
      if (performance.now() >= endAt) break
    }
  }
  await producer.flush()
  const count = n + 1
  const ms = performance.now() - startedAt
  const used = process.cpuUsage(cpu)
  clearInterval(reports)
  if (isOn) {
    onMs = clock.monotonicMs()
    onSinceMs = undefined
    report()
  }
  await producer.close()
  await cluster.close()
  return {
    what: isOn ? 'on' : 'off',
    messagesPerSecond: Math.round((count * 1_000) / ms),
    cpuUsPerMessage: Math.round(((used.user + used.system) / count) * 1_000) / 1_000,
  }
}

const kafka = await startCluster({ brokers: 1 })
try {
  const bootstrap = kafka.bootstrap[0]!
  const [host = '', port = ''] = bootstrap.split(':')
  const admin = new Connection('mq-bench')
  admin.on('error', () => {})
  await admin.connect(host, Number(port))
  const topic = 'telemetry-cost'
  const configs = [{ name: 'retention.bytes', value: '134217728' }]
  const placed = [{ name: topic, numPartitions: partitions, replicationFactor: 1, assignments: [], configs }]
  await createTopicsV7.api.async(admin, placed, 30_000, false)
  await admin.close()
  await run(bootstrap, topic, false)
  await run(bootstrap, topic, true)
  const warmMs = onMs
  const warmUs = shadow.usedUs
  const runs: Round[] = []
  for (let pair = 0; pair < Number(flags.rounds); pair++) {
    // Which one goes first takes turns, too.
    for (const isOn of pair % 2 === 0 ? [false, true] : [true, false]) {
      const one = await run(bootstrap, topic, isOn)
      runs.push(one)
      console.error(`${one.what}: ${one.messagesPerSecond}/s, ${one.cpuUsPerMessage} us`)
    }
  }
  const ratios = (of: (one: Round) => number): number[] =>
    Array.from({ length: runs.length / 2 }, (_, pair) => {
      const [first, second] = [runs[pair * 2]!, runs[pair * 2 + 1]!]
      const [on, off] = first.what === 'on' ? [first, second] : [second, first]
      return of(on) / of(off)
    })
  const result = TelemetryCostResult.parse({
    measure: 'telemetry-cost',
    machine: machineFacts(KAFKA_VERSION, flags.date),
    options: {
      seconds: Number(flags.seconds),
      rounds: Number(flags.rounds),
      bytes: Number(flags.size),
      codec,
      partitions,
    },
    runs,
    throughputLossPercent: round((1 - median(ratios(({ messagesPerSecond }) => messagesPerSecond))) * 100, 2),
    cpuPercent: round((median(ratios(({ cpuUsPerMessage }) => cpuUsPerMessage)) - 1) * 100, 2),
    shadowCpuPercent: round(((shadow.usedUs - warmUs) / 1_000 / (onMs - warmMs)) * 100, 2),
    shadowSamples: samples,
    reportBytes,
  })
  publish(result, telemetryCostTable(result), flags)
} finally {
  await shadow.close()
  await kafka.stop()
}
process.exit(0)
