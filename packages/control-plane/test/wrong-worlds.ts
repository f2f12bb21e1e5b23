/**
 * Worlds whose truth differs from the model: what the loops make of them, beside the cheapest configuration of the true world.
 */
import type { TestContext } from 'node:test'
import { LATENCY_MARGIN, pricerFor } from '@mq/autopilot'
import type { ProducerSettings } from '@mq/contract'
import { type Configuration, clusterModel, GRID, predict, priceBook, type Workload } from '@mq/economics'
import { bytesFactor, Fleet, type Truth } from './fleet.ts'

export const LATENCY_MS = 500
const INSTANCES = 5
const RATE = 1_000
const RECORD_BYTES = 400
/** With loops in the timing of `mq dev`: an mQ ID that is late is so for two minutes before anything is proposed. */
const QUIET_SECONDS = 160
const MOST_SECONDS = 1_500

export interface WrongWorld {
  readonly truth: Truth
  /** Clients compress samples beside the data path and tell how that went, as they really do. */
  readonly measuresCodecs: boolean
}

const guessed = (truth: Truth): WrongWorld => ({ truth, measuresCodecs: false })
const measured = (truth: Truth): WrongWorld => ({ truth, measuresCodecs: true })

/** Factors are measured over predicted. */
export const worlds: Readonly<Record<string, WrongWorld>> = {
  'as the model says': guessed({}),
  'records compress half as well': guessed({ compression: 2 }),
  'records compress twice as well': guessed({ compression: 0.5 }),
  'producers take four times the CPU': guessed({ cpu: 4 }),
  'producers take a quarter of the CPU': guessed({ cpu: 0.25 }),
  'sends take three times as long': guessed({ latency: 3 }),
  'sends take half as long': guessed({ latency: 0.5 }),
  'everything is worse': guessed({ compression: 1.6, cpu: 3, latency: 2 }),
  'no codec gains anything, and all are dear': guessed({ compression: 6, cpu: 8 }),
  'zstd gains nothing, and clients measure it': measured({ compression: { zstd: 6 } }),
  'zstd gains nothing, and no client measures it': guessed({ compression: { zstd: 6 } }),
}

export type Settings = Pick<ProducerSettings, 'codec' | 'codecLevel' | 'lingerMs' | 'batchBytes'>

export interface Played {
  readonly start: Figures
  readonly end: Figures
  readonly optimum: Figures
  /** The settings that stood at the beginning stand at the end. */
  readonly isAsBefore: boolean
  readonly isOver: boolean
  readonly states: readonly string[]
  readonly seconds: number
}

export interface Figures {
  readonly settings: Settings
  readonly usdPerMillion: number
  readonly p99Ms: number
}

export async function play(t: Pick<TestContext, 'after'>, { truth, measuresCodecs }: WrongWorld): Promise<Played> {
  const fleet = new Fleet({
    ...{ instances: INSTANCES, ratePerInstance: RATE, recordBytes: RECORD_BYTES },
    ...{ truth, measuresCodecs },
  })
  await fleet.start(t as TestContext)
  await fleet.declareBadly({ latencyP99Ms: `${LATENCY_MS}ms` })
  const before = fleet.binding.producer
  const { partitions } = fleet.binding.epochs[0]!
  let [seen, quiet] = ['', 0]
  const seconds = await fleet.run(MOST_SECONDS, async () => {
    const states = (await fleet.decisions()).map(({ number, state }) => `${number} ${state}`).join()
    quiet = states === seen ? quiet + 1 : 0
    seen = states
    return quiet >= QUIET_SECONDS && fleet.binding.trial == null
  })
  const { producer: after, trial } = fleet.binding
  const decisions = await fleet.decisions()
  return {
    start: truly(before, partitions, truth),
    end: truly(after, partitions, truth),
    optimum: optimumOf(partitions, truth),
    isAsBefore: JSON.stringify(before) === JSON.stringify(after),
    isOver: trial == null && quiet >= QUIET_SECONDS,
    states: decisions.map(({ state, title }) => `${title}: ${state}`).reverse(),
    seconds,
  }
}

export function settingsText({ codec, codecLevel, lingerMs, batchBytes }: Settings): string {
  return `${codec}${codecLevel === undefined ? '' : ` ${codecLevel}`}, ${lingerMs} ms, ${batchBytes / 1_024} KiB`
}

const cluster = clusterModel({ name: 'main', book: priceBook('aws-us-east-1') })
const workload: Workload = {
  recordsPerSecond: INSTANCES * RATE,
  peakMultiple: 1,
  recordBytes: RECORD_BYTES,
  framedBytes: RECORD_BYTES + 10,
  producers: INSTANCES,
  keyed: true,
  busiestPartitionShare: 0.25,
  dispersion: 1,
  groups: [{ group: 'billing', members: 1 }],
  curves: [],
  retainedBytes: null,
  observedMs: 0,
  records: 0,
  source: 'measured',
}

/** What settings cost, and how long a record takes to its handler, in the true world. */
function truly(settings: Settings, partitions: number, truth: Truth): Figures {
  const { cpu = 1, latency = 1 } = truth
  const configuration: Configuration = {
    cluster: 'main',
    partitions,
    replication: 3,
    retentionMs: 86_400_000,
    localRetentionMs: null,
    codec: settings.codec,
    codecLevel: settings.codecLevel ?? null,
    lingerMs: settings.lingerMs,
    batchBytes: settings.batchBytes,
    fetchMinBytes: 1,
    fetchMaxWaitMs: 500,
    followerFetch: false,
  }
  const did = predict(workload, configuration, cluster)
  const records = 1e6
  const batches = records / Math.max(1, did.recordsPerBatch)
  const usd = pricerFor(
    configuration,
    cluster,
    workload,
  )({
    records,
    recordBytes: records * RECORD_BYTES,
    wireBytes: Math.min(
      records * (RECORD_BYTES + 10) + batches * 61,
      records * did.wireBytesPerRecord * bytesFactor(truth, settings.codec),
    ),
    batches,
    requests: batches,
    cpuUs: records * did.producerCpuUsPerRecord * cpu,
  })
  const readingMs = Math.max(0, did.endToEndP99Ms - did.sendP99Ms)
  return { settings, usdPerMillion: usd ?? Number.NaN, p99Ms: did.sendP99Ms * latency + readingMs }
}

/** The cheapest of the true world that keeps the margin of the intent. */
function optimumOf(partitions: number, truth: Truth): Figures {
  const all = GRID.codecs.flatMap(({ codec, codecLevel }) =>
    GRID.lingerMs.flatMap((lingerMs) =>
      GRID.batchBytes.map(
        (batchBytes): Settings => ({
          ...{ codec, lingerMs, batchBytes },
          ...(codecLevel === null ? {} : { codecLevel }),
        }),
      ),
    ),
  )
  const [best] = all
    .map((settings) => truly(settings, partitions, truth))
    .filter(({ p99Ms }) => p99Ms <= LATENCY_MS * LATENCY_MARGIN)
    .sort((a, b) => a.usdPerMillion - b.usdPerMillion)
  if (best === undefined) throw new Error('nothing keeps the intent in this world')
  return best
}
