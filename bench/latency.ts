/**
 * `mq measure latency`: how long a send takes to be acknowledged at a steady rate with linger 0.
 *
 * L1. All contenders run in the same rounds on the same broker, in turn; figures are medians over the rounds.
 * L2. Eight seconds of warm-up are for the JVM: in its first seconds it compiles, and stalls for tens of milliseconds.
 * L3. The clock of a message runs from the call of send to its acknowledgement, waiting behind earlier sends included.
 */
import { attempt, type ContenderSpec, java, kafkajs, mqLinger0, platformatic } from './contenders.ts'
import { readFlags } from './flags.ts'
import { machineFacts } from './machine.ts'
import { publish } from './publish.ts'
import { LatencyResult, type Percentiles } from './results.ts'
import { Stage } from './stage.ts'
import { median, round } from './statistics.ts'
import { latencyTable } from './tables.ts'

const USAGE = `mq measure latency [--json] [--save] [--rounds 3] [--rate 1000] [--seconds 10] [--warmup-seconds 8]
  [--partitions 4] [--payload-bytes 200] [--seed 1] [--bootstrap host:port] [--date YYYY-MM-DD]`

const flags = readFlags(USAGE, { rate: 1_000, seconds: 10, 'warmup-seconds': 8 })
const specs = [mqLinger0, java, platformatic, kafkajs]

function medians(runs: readonly Percentiles[]): Percentiles {
  const of = (pick: (run: Percentiles) => number): number => round(median(runs.map(pick)), 3)
  return { p50: of((run) => run.p50), p99: of((run) => run.p99), p999: of((run) => run.p999) }
}

async function latencyOnce(stage: Stage, spec: ContenderSpec): Promise<Percentiles> {
  const place = await stage.freshTopic(spec.mq)
  const run = await spec.latency(stage, {
    role: 'latency',
    ...place,
    payloadFile: stage.payloadFile,
    messagesPerSecond: flags.rate,
    seconds: flags.seconds,
    warmupSeconds: flags['warmup-seconds'],
  })
  await stage.verifyStored(place.topic, flags.rate * (flags.seconds + flags['warmup-seconds']))
  await stage.dropTopic(place.topic)
  return run
}

const stage = await Stage.open(flags)
try {
  const runs = new Map<ContenderSpec, Percentiles[]>(specs.map((spec) => [spec, []]))
  for (let n = 1; n <= flags.rounds; n++) {
    for (const spec of specs) {
      const run = await attempt(spec, () => latencyOnce(stage, spec))
      runs.get(spec)!.push(run)
      console.error(`  round ${n}/${flags.rounds}  ${spec.name.padEnd(20)} p99 ${run.p99.toFixed(2)} ms`)
    }
  }
  const contenders = [...runs].map(([spec, list]) => ({
    kind: spec.kind,
    name: spec.name,
    settings: spec.settings,
    median: medians(list),
    runs: list,
  }))
  const fastestNode = contenders
    .filter(({ kind }) => kind === 'node')
    .reduce((best, next) => (next.median.p99 < best.median.p99 ? next : best))
  const mq = contenders.find(({ kind }) => kind === 'mq')!.median
  const javaMedian = contenders.find(({ kind }) => kind === 'java')!.median
  const result = LatencyResult.parse({
    measure: 'latency',
    machine: machineFacts(stage.kafkaVersion, flags.date),
    options: {
      messagesPerSecond: flags.rate,
      seconds: flags.seconds,
      payloadBytes: flags.payloadBytes,
      partitions: flags.partitions,
      rounds: flags.rounds,
      seed: flags.seed,
    },
    mq,
    java: javaMedian,
    node: fastestNode.median,
    p99OverJavaMs: round(mq.p99 - javaMedian.p99, 2),
    fastestNode: fastestNode.name,
    contenders,
  })
  publish(result, latencyTable(result), flags)
} finally {
  await stage.close()
}
