/**
 * One workload: what the engine chooses, what every configuration of the grid really does, and how the two compare.
 *
 * E1. The engine sees what it would see in production: a short run with the starting settings, samples of what codecs make of real
 *     batches, constants calibrated on another workload, and the SLO. Never a figure of the sweep.
 * E2. The sweep knows nothing of the choice. Afterwards the few that matter are measured again in turn, and count with their medians.
 */
import { Intent } from '@mq/contract'
import {
  type ClientKnobs,
  type ClusterModel,
  type Configuration,
  costOf,
  defaultConfiguration,
  type Grid,
  optimise,
  predict,
  sameKnobs,
  type Workload,
} from '@mq/economics'
import { chooseSettings } from '../../packages/control-plane/src/provision/settings-rules.ts'
import { median } from '../statistics.ts'
import { senderCpuUs } from './cpu-shares.ts'
import { consumerSettings, producerSettings, producersOf } from './grids.ts'
import { errorOf, merged, oracleOf, type Sample, sampleFor, sampleOf } from './judge.ts'
import type { Watched } from './observe.ts'
import type { Sweeper, Trial, TrialFigures, Windows } from './sweep.ts'
import type { BenchWorkload, WorkloadSource } from './workloads.ts'

export interface Verdict {
  readonly workload: BenchWorkload
  readonly known: Workload
  readonly chosen: Sample
  readonly oracle: Sample
  readonly defaults: Sample
  readonly start: Sample
  readonly oracleMet: boolean
  readonly configurations: number
  readonly isCompressible: boolean
  /** Every configuration of the grid, as measured and as predicted. */
  readonly swept: readonly { readonly measured: Sample; readonly predicted: Predicted }[]
  /** Medians over the swept configurations, and of the chosen one. */
  readonly errors: { readonly all: Errors; readonly chosen: Errors }
  /** What the engine expected of its choice. */
  readonly predicted: {
    readonly usdPerMonth: number
    readonly wireBytesPerRecord: number
    readonly endToEndP99Ms: number
  }
}

export type Predicted = Omit<Sample, 'knobs' | 'samples'>

export interface Errors {
  readonly bytes: number
  readonly usd: number
  readonly p99: number
}

export interface JudgeOptions {
  readonly sweeper: Sweeper
  readonly grid: Grid
  readonly cluster: ClusterModel
  readonly windows: (workload: BenchWorkload) => Windows
  readonly finalRounds: number
  readonly followerUsPerKib: () => number
  readonly seed: number
  readonly say: (text: string) => void
}

/** How many of the cheapest are measured again. */
const FINALISTS = 3
const COMPRESSIBLE_RATIO = 2
export const RETENTION_MS = 7 * 86_400_000
export const REPLICATION = 3

export function placeOf(workload: BenchWorkload, cluster: string): Omit<Configuration, keyof ClientKnobs> {
  return {
    cluster,
    partitions: workload.partitions,
    replication: REPLICATION,
    retentionMs: RETENTION_MS,
    localRetentionMs: null,
    followerFetch: false,
  }
}

/** The intent of a workload and the settings mQ starts with, as it would on its declaration. */
export function watchedOf(workload: BenchWorkload): Watched {
  const intent = Intent.parse({
    latencyP99Ms: workload.latencyP99Ms,
    ordering: workload.isKeyed ? 'key' : 'none',
    format: 'bytes',
  })
  const { producer, consumer } = chooseSettings(intent)
  return { workload, intent, producer, consumer }
}

export async function judge(
  watched: Watched,
  known: Workload,
  source: WorkloadSource,
  options: JudgeOptions,
): Promise<Verdict> {
  const { sweeper, grid, cluster, say } = options
  const { workload, intent, producer, consumer } = watched
  const windows = options.windows(workload)
  const place = placeOf(workload, cluster.name)
  const startKnobs: ClientKnobs = {
    codec: producer.codec,
    codecLevel: producer.codecLevel ?? null,
    lingerMs: producer.lingerMs,
    batchBytes: producer.batchBytes,
    fetchMinBytes: consumer.fetchMinBytes,
    fetchMaxWaitMs: consumer.fetchMaxWaitMs,
  }
  const dryUsPerMs = await sweeper.dryCpuUsPerMs(source, 1_500)
  const run = { workload, source, windows, seed: options.seed }
  const optimum = optimise({
    workload: known,
    intent,
    current: { ...place, ...startKnobs },
    clusters: [cluster],
    grid,
    hysteresis: { minSavingShare: 0, minSavingUsdPerMonth: 0 },
    // The watching is as short as a measurement has to be; the product waits longer before it judges.
    evidence: { minMs: 1, minRecords: 1 },
  })
  const choice = knobsOf(optimum.best.configuration)
  say(
    `  ${workload.name}: chosen ${describe(choice)}, predicted ${optimum.best.cost.usdPerMonth.toFixed(2)} USD/month, p99 ${optimum.best.prediction.endToEndP99Ms.toFixed(1)} ms`,
  )

  const trials = producersOf(grid).map((knobs) => ({
    producer: producerSettings(knobs),
    consumers: grid.fetches.map(consumerSettings),
  }))
  const figures = await sweeper.run({
    ...run,
    trials,
    onWave: (done, of) => say(`  ${workload.name}: ${done}/${of} producer settings measured`),
  })
  const samples = (
    runs: readonly { readonly knobs: ClientKnobs; readonly figures: TrialFigures; readonly reader: number }[],
  ) => {
    const cpu = senderCpuUs(runs.map(({ figures: one }) => workOf(one, dryUsPerMs)))
    return runs.map(
      ({ knobs, figures: one, reader }, n): Sample =>
        sampleOf({
          workload,
          peakMultiple: known.peakMultiple,
          cluster,
          place,
          knobs,
          figures: one,
          reader,
          cpu: sweeper.cpuOf(one),
          producerCpuUs: cpu[n]!,
          followerUsPerKib: options.followerUsPerKib(),
        }),
    )
  }
  const swept = samples(
    producersOf(grid).flatMap((producer, n) =>
      grid.fetches.map((fetch, reader) => ({ knobs: { ...producer, ...fetch }, figures: figures[n]!, reader })),
    ),
  )

  const defaultKnobs = knobsOf(defaultConfiguration(place))
  const cheapest = swept
    .filter((one) => one.endToEndP99Ms <= workload.latencyP99Ms)
    .toSorted((a, b) => a.usdPerMonth - b.usdPerMonth)
    .slice(0, FINALISTS)
    .map((one) => one.knobs)
  const finalists: ClientKnobs[] = []
  for (const knobs of [choice, startKnobs, defaultKnobs, ...cheapest]) {
    if (!finalists.some((one) => sameKnobs(one, knobs))) finalists.push(knobs)
  }
  const again: { readonly knobs: ClientKnobs; readonly figures: TrialFigures; readonly reader: number }[] = []
  for (let round = 0; round < options.finalRounds; round++) {
    const order = round % 2 === 0 ? finalists : finalists.toReversed()
    const repeated = await sweeper.run({ ...run, trials: order.map(trialOf), seed: options.seed + 10 + round })
    for (const [n, knobs] of order.entries()) again.push({ knobs, figures: repeated[n]!, reader: 0 })
    say(`  ${workload.name}: finalists, round ${round + 1}/${options.finalRounds}`)
  }
  const measured = [...swept, ...samples(again)]
  const finals = finalists.map((knobs) => merged(measured.filter((one) => sameKnobs(one.knobs, knobs))))
  const chosen = sampleFor(finals, choice)
  // The starting settings and those of the default client may lie outside the grid: only the grid has an oracle.
  const oracle = oracleOf(
    finals.filter((one) => swept.some((each) => sameKnobs(each.knobs, one.knobs))),
    workload.latencyP99Ms,
  )

  const predictedOf = (knobs: ClientKnobs): Predicted => {
    const configuration = { ...place, ...knobs }
    const prediction = predict(known, configuration, cluster)
    const { usdPerMonth } = costOf(known, configuration, cluster, prediction)
    return { ...prediction, usdPerMonth }
  }
  const errors = (of: Sample): Errors => {
    const predicted = predictedOf(of.knobs)
    return {
      bytes: errorOf(predicted.wireBytesPerRecord, of.wireBytesPerRecord),
      usd: errorOf(predicted.usdPerMonth, of.usdPerMonth),
      p99: errorOf(predicted.endToEndP99Ms, of.endToEndP99Ms),
    }
  }
  const all = swept.map(errors)
  return {
    workload,
    known,
    chosen,
    oracle: oracle.sample,
    oracleMet: oracle.met,
    defaults: sampleFor(finals, defaultKnobs),
    start: sampleFor(finals, startKnobs),
    configurations: swept.length,
    isCompressible: compressible(known),
    swept: swept.map((measured) => ({ measured, predicted: predictedOf(measured.knobs) })),
    errors: {
      all: {
        bytes: median(all.map((one) => one.bytes)),
        usd: median(all.map((one) => one.usd)),
        p99: median(all.map((one) => one.p99)),
      },
      chosen: errors(chosen),
    },
    predicted: {
      usdPerMonth: optimum.best.cost.usdPerMonth,
      wireBytesPerRecord: optimum.best.prediction.wireBytesPerRecord,
      endToEndP99Ms: optimum.best.prediction.endToEndP99Ms,
    },
  }
}

function trialOf(knobs: ClientKnobs): Trial {
  return { producer: producerSettings(knobs), consumers: [consumerSettings(knobs)] }
}

export function knobsOf(configuration: Configuration): ClientKnobs {
  const { codec, codecLevel, lingerMs, batchBytes, fetchMinBytes, fetchMaxWaitMs } = configuration
  return { codec, codecLevel, lingerMs, batchBytes, fetchMinBytes, fetchMaxWaitMs }
}

function describe(knobs: ClientKnobs): string {
  const level = knobs.codecLevel === null ? '' : `-${knobs.codecLevel}`
  return `${knobs.codec}${level} ${knobs.lingerMs} ms ${knobs.batchBytes / 1_024} KiB fetch ${knobs.fetchMinBytes} B`
}

/** Whether a codec at least halves batches, as the client measured. */
function compressible({ curves }: Workload): boolean {
  return curves.some(({ points }) =>
    points.some(({ uncompressedBytes, compressedBytes }) => uncompressedBytes / compressedBytes >= COMPRESSIBLE_RATIO),
  )
}

function workOf({ sent }: TrialFigures, dryUsPerMs: number) {
  const { compressUs, records, requests } = sent
  return { cpuUs: Math.max(0, sent.cpuUs - dryUsPerMs * sent.windowMs), compressUs, records, requests }
}
