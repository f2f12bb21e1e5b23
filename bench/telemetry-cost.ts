/**
 * `mq measure telemetry-cost`: what telemetry and shadow measurement cost the application that sends.
 *
 * S1. One process, one broker, two producers that take turns in short slices, hundreds of times: what the machine and the broker do
 *     meanwhile hits both alike. A slice ends when all it sent is stored.
 * S2. On is what `connect` puts there: the meter of the mQ ID with its histograms and samples, a report a second (ten times as
 *     often as usual), and shadow measurements on their own thread, within their own budget. Off is a producer nobody observes.
 * S3. The cost is the median over the pairs of neighbouring slices; the interval is that of order statistics, 95 %.
 * S4. A slice that is on ends when no shadow measurement runs: none is paid for by a slice that is off.
 */
import { parseArgs } from 'node:util'
import type { Codec, ProducerSettings } from '@mq/contract'
import { Admin, Cluster, CodecProbeThread, MemoryBudget, Producer, systemDeps } from '@mq/kafka'
import { KAFKA_VERSION, startCluster } from '@mq/local'
import { ProducerMeter } from '../packages/client/src/telemetry/producer-meter.ts'
import { type ProbePort, Shadow } from '../packages/client/src/telemetry/shadow.ts'
import { machineFacts } from './machine.ts'
import { makePayloads } from './payloads.ts'
import { publish } from './publish.ts'
import { TelemetryCostResult } from './results.ts'
import { median, medianInterval, round } from './statistics.ts'
import { telemetryCostTable } from './tables.ts'

const USAGE = `mq measure telemetry-cost [options]
  --seconds N      length of a slice (0.5)
  --size N         bytes of a value (200)
  --partitions N   (4)
  --codec NAME     (zstd)
  --level N        (1)
  --rounds N       pairs of slices (150)
  --json           one JSON object on the last line
  --save           keep it under bench/results`

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '0.5' },
    size: { type: 'string', default: '200' },
    partitions: { type: 'string', default: '4' },
    codec: { type: 'string', default: 'zstd' },
    level: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '150' },
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
const WARM_MS = 2_000

interface Slice {
  readonly what: 'on' | 'off'
  readonly messagesPerSecond: number
  readonly cpuUsPerMessage: number
}

let onMs = 0
let samples = 0
let onSinceMs: number | undefined
let probing = 0
let reportBytes = 0
/** Shadow measurement lives in the slices that are on: its budget grows in them alone. */
const clock = {
  nowMs: systemDeps.clock.nowMs,
  monotonicMs: (): number => onMs + (onSinceMs === undefined ? 0 : performance.now() - onSinceMs),
}
const shadow = new Shadow({ deps: { ...systemDeps, clock }, openProbe: () => counted(new CodecProbeThread()) })

/** S4 */
function counted(probe: CodecProbeThread): ProbePort {
  const count = async <T>(work: Promise<T>): Promise<T> => {
    probing++
    try {
      return await work
    } finally {
      probing--
    }
  }
  return {
    load: (batches) => count(probe.load(batches)),
    measure: (candidate, depth) => count(probe.measure(candidate, depth)),
    close: () => probe.close(),
  }
}

const topicName = 'telemetry-cost'
const kafka = await startCluster({ brokers: 1 })
const cluster = new Cluster({ name: 'bench', clientId: 'mq-bench', bootstrap: kafka.bootstrap })
try {
  const configs = { 'retention.bytes': '134217728' }
  await new Admin(cluster).createTopic({ name: topicName, partitions, replication: 1, configs })
  const budget = new MemoryBudget(64 * 1_048_576)
  const meter = new ProducerMeter({
    mqId: 'measured',
    epoch: 1,
    clock: systemDeps.clock,
    settings,
    shadow: shadow.collector('measured'),
    bufferBytes: () => budget.usedBytes,
  })
  const producers = {
    off: new Producer({ cluster, settings, budget: new MemoryBudget(64 * 1_048_576) }),
    on: new Producer({
      cluster,
      settings: meter.settings,
      budget,
      observer: {
        onBatch: (batch, encoded) => meter.sent(batch, encoded),
        onAppend: (us) => meter.appended(us),
        onRequest: (throttledMs) => meter.requested(throttledMs),
      },
    }),
  }
  const topics = {
    off: producers.off.topic(topicName, partitions),
    on: producers.on.topic(topicName, partitions),
  }
  const report = (): void => {
    const taken = meter.take()
    samples += taken.reduce((sum, { shadow: found }) => sum + (found?.length ?? 0), 0)
    reportBytes = Math.max(reportBytes, JSON.stringify(taken).length)
  }
  let reportedMs = 0
  let sentInAll = 0

  const run = async (what: Slice['what'], sliceMs: number): Promise<Slice> => {
    const producer = producers[what]
    const topic = topics[what]
    let settled = 0
    const onStored = (): void => {
      settled++
    }
    const startedAt = performance.now()
    if (what === 'on') onSinceMs = startedAt
    const cpu = process.cpuUsage()
    const endAt = startedAt + sliceMs
    let count = 0
    for (;;) {
      const n = sentInAll++
      count++
      void producer.send(topic, keys[n % 5_000]!, values[n % 10_000]!).then(onStored)
      if (count % 1_000 === 0) {
        await new Promise(setImmediate)
        while (count - settled > AHEAD) await new Promise(setImmediate)
        if (performance.now() >= endAt) break
      }
    }
    await producer.flush()
    const ms = performance.now() - startedAt
    if (what === 'on') {
      while (probing > 0) await new Promise(setImmediate)
      onMs = clock.monotonicMs()
      onSinceMs = undefined
      if (onMs - reportedMs >= REPORT_MS) {
        reportedMs = onMs
        report()
      }
    }
    const used = process.cpuUsage(cpu)
    return {
      what,
      messagesPerSecond: Math.round((count * 1_000) / ms),
      cpuUsPerMessage: (used.user + used.system) / count,
    }
  }

  for (const what of ['off', 'on', 'off', 'on'] as const) await run(what, WARM_MS)
  const warmMs = onMs
  const warmUs = shadow.usedUs
  const pairs: { readonly on: Slice; readonly off: Slice }[] = []
  for (let pair = 0; pair < Number(flags.rounds); pair++) {
    // Which one goes first takes turns, too.
    if (pair % 2 === 0) {
      const off = await run('off', roundMs)
      pairs.push({ off, on: await run('on', roundMs) })
    } else {
      const on = await run('on', roundMs)
      pairs.push({ on, off: await run('off', roundMs) })
    }
    if (pair % 10 === 9) console.error(`${pair + 1}/${flags.rounds} pairs`)
  }
  const changes = (of: (one: Slice) => number) => pairs.map(({ on, off }) => of(on) / of(off) - 1)
  const loss = medianInterval(changes(({ messagesPerSecond }) => messagesPerSecond).map((change) => -change))
  const cpuMore = medianInterval(changes(({ cpuUsPerMessage }) => cpuUsPerMessage))
  const kind = (what: Slice['what']) => ({
    what,
    messagesPerSecond: Math.round(median(pairs.map((pair) => pair[what].messagesPerSecond))),
    cpuUsPerMessage: round(median(pairs.map((pair) => pair[what].cpuUsPerMessage)), 3),
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
    runs: [kind('off'), kind('on')],
    throughputLossPercent: percentOf(loss.median),
    throughputLossInterval: { low: percentOf(loss.low), high: percentOf(loss.high) },
    cpuPercent: percentOf(cpuMore.median),
    cpuInterval: { low: percentOf(cpuMore.low), high: percentOf(cpuMore.high) },
    shadowCpuPercent: percentOf((shadow.usedUs - warmUs) / 1_000 / (onMs - warmMs)),
    shadowSamples: samples,
    reportBytes,
  })
  publish(result, telemetryCostTable(result), flags)
  await Promise.all([producers.on.close(), producers.off.close()])
} finally {
  await shadow.close()
  await cluster.close()
  await kafka.stop()
}
process.exit(0)

function percentOf(share: number): number {
  return round(share * 100, 2)
}
