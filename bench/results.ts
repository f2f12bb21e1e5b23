/**
 * The shape of what the measurements print with `--json`: one object, on the last line.
 *
 * O1. A result that does not match its schema is not printed: the program fails instead.
 */
import { MigrationState } from '@mq/contract'
import { z } from 'zod'

const positive = z.number().positive()

export const Machine = z.object({
  cpu: z.string(),
  cores: z.number().int().positive(),
  memoryGb: positive,
  os: z.string(),
  node: z.string(),
  kafka: z.string(),
  date: z.iso.date(),
  loadAverage: z
    .number()
    .min(0)
    .describe('Of the last minute, as the program started: above 0.5 something else was running'),
})

/** One run of one contender, in a process of its own. */
export const Run = z.object({
  messages: z.number().int().positive(),
  seconds: positive,
  cpuUs: z.number().min(0).nullable().describe('CPU of the whole process; null where it cannot be read'),
  rssMb: z.number().min(0).nullable(),
})
export type Run = z.output<typeof Run>

const Spread = z.object({ median: z.number(), min: z.number(), max: z.number() })

export const Contender = z.object({
  name: z.string(),
  settings: z.string(),
  messagesPerSecond: Spread,
  cpuUsPerMessage: Spread.nullable(),
  rssMb: Spread.nullable(),
  runs: z.array(Run).min(1),
})
export type Contender = z.output<typeof Contender>

const Rates = z.object({ mq: positive, fastestNode: positive, java: positive })

export const ThroughputResult = z.object({
  measure: z.literal('throughput'),
  machine: Machine,
  options: z.object({
    messages: z.number().int(),
    consumeMessages: z.number().int(),
    payloadBytes: z.number().int(),
    partitions: z.number().int(),
    rounds: z.number().int(),
    seed: z.number().int(),
  }),
  produce: Rates,
  consume: Rates,
  ratios: z.object({
    produceOverFastestNode: positive,
    produceOverJava: positive,
    consumeOverFastestNode: positive,
    consumeOverJava: positive,
  }),
  cpuUsPerMessage: z.object({ produceNone: positive, produceZstd1: positive, consume: positive }),
  rssMb: positive.describe('Highest of the mQ producer at full speed'),
  fastestNode: z.object({ produce: z.string(), consume: z.string() }),
  contenders: z.object({ produce: z.array(Contender), consume: z.array(Contender) }),
})
export type ThroughputResult = z.output<typeof ThroughputResult>

/** Milliseconds from the call of send to its acknowledgement. */
export const Percentiles = z.object({ p50: z.number().min(0), p99: z.number().min(0), p999: z.number().min(0) })
export type Percentiles = z.output<typeof Percentiles>

export const LatencyContender = z.object({
  name: z.string(),
  settings: z.string(),
  median: Percentiles,
  runs: z.array(Percentiles).min(1),
})
export type LatencyContender = z.output<typeof LatencyContender>

export const LatencyResult = z.object({
  measure: z.literal('latency'),
  machine: Machine,
  options: z.object({
    messagesPerSecond: z.number().int(),
    seconds: positive,
    payloadBytes: z.number().int(),
    partitions: z.number().int(),
    rounds: z.number().int(),
    seed: z.number().int(),
  }),
  mq: Percentiles,
  java: Percentiles,
  node: Percentiles,
  p99OverJavaMs: z.number(),
  fastestNode: z.string(),
  contenders: z.array(LatencyContender),
})
export type LatencyResult = z.output<typeof LatencyResult>

export const PropagationResult = z.object({
  measure: z.literal('propagation'),
  machine: Machine,
  clients: z.number().int().positive(),
  changes: z.number().int().positive(),
  p50Ms: z
    .number()
    .min(0)
    .describe('From the request for the change to its arrival at one client, over clients x changes'),
  p99Ms: z.number().min(0),
  maxMs: z.number().min(0),
  reconnectAllMs: z.number().min(0).describe('All clients connecting at once, until the last has its binding'),
})
export type PropagationResult = z.output<typeof PropagationResult>

const Spans = z.object({ p50: z.number().min(0), p99: z.number().min(0), max: z.number().min(0) })
const total = z.number().int().min(0)

export const MigrationResult = z.object({
  runs: z.number().int().positive(),
  messages: z.number().int().positive(),
  failedSends: total,
  lost: total,
  duplicated: total,
  reordered: total,
  writePauseMs: Spans.describe(
    'Over producers x migrations: the longest time without an acknowledgement, less the usual gap',
  ),
  consumerGapMs: Spans.describe('Over members that keep up x migrations: the longest time without a message'),
  measure: z.literal('migration'),
  otherViolations: z.record(z.string(), total).describe('What else the checker looks for'),
  messagesPerSecond: positive.describe('As sent, from the first move to after the last'),
  slowestSendMs: Spans.describe('Over producers x migrations: the longest time from send to acknowledgement'),
  closedMs: Spans.describe('As the control plane saw it: from the push of `sealing` to the push of the new epoch'),
  sealMs: Spans.describe('Of that, from the request of the seal to the proof of the last leader'),
  firstMove: z.object({ writePauseMs: z.number().min(0), closedMs: z.number().min(0) }),
  usualGapMs: z.object({ acknowledgements: z.number().min(0), deliveries: z.number().min(0) }),
  handledByGroup: z.record(z.string(), total),
  options: z.object({
    partitionsFrom: z.number().int(),
    partitionsTo: z.number().int(),
    messagesPerSecond: z.number().int(),
    sourceBrokers: z.number().int(),
    payloadBytes: z.number().int(),
    producers: z.number().int(),
    keys: z.number().int(),
  }),
  machine: Machine,
  seconds: positive,
})
export type MigrationResult = z.output<typeof MigrationResult>

export const UpgradeResult = z.object({
  measure: z.literal('upgrade'),
  versions: z.array(z.string()).min(2),
  steps: z.array(
    z.object({
      broker: z.number().int(),
      from: z.string(),
      to: z.string(),
      ms: z.number().describe('From the stop of the broker until every partition was in sync again'),
    }),
  ),
  messages: z.number().int().positive(),
  failedSends: total,
  lost: total,
  duplicated: total,
  reordered: total,
  otherViolations: z.record(z.string(), total).describe('What else the checker looks for'),
  newClients: z
    .object({ started: total, failed: total, tookMs: Spans.describe('From connecting to the last own message read') })
    .describe('Clients that were started during the upgrade, each to send and to read'),
  writePauseMs: Spans.describe(
    'Over producers x steps: the longest time without an acknowledgement, less the usual gap',
  ),
  slowestSendMs: Spans.describe('Over producers x steps: the longest time from send to acknowledgement'),
  consumerGapMs: Spans.describe('Over members x steps: the longest time without a message'),
  messagesPerSecond: positive,
  handledByGroup: z.record(z.string(), total),
  options: z.object({
    messagesPerSecond: z.number().int(),
    payloadBytes: z.number().int(),
    producers: z.number().int(),
    keys: z.number().int(),
    clientEveryMs: z.number().int(),
  }),
  machine: Machine,
  seconds: positive,
})
export type UpgradeResult = z.output<typeof UpgradeResult>

export const RestoreResult = z.object({
  measure: z.literal('restore'),
  machine: Machine,
  options: z.object({ seeds: total.min(1), steps: total.min(1), firstSeed: total }),
  messages: z.number().int().positive(),
  failedSends: total,
  lost: total,
  duplicated: total,
  reordered: total,
  otherViolations: total.describe('What else the checker looks for'),
  ids: total.describe('mQ IDs there were, deleted ones too'),
  unsettled: total.describe('mQ IDs that wait for the word of a person'),
  wrong: total.describe('mQ IDs that are neither as they were nor unsettled'),
  runs: z.array(
    z.object({
      seed: total,
      changes: z.record(z.string(), total).describe('Before and after the backup'),
      ids: total,
      absentMs: total.describe('Without a control plane'),
      settledMs: total.describe('From its start until every mQ ID was settled or known to be unsettled'),
      unsettled: z.array(z.string()),
      wrong: z.array(z.string()),
      messages: total,
      failedSends: total,
      lost: total,
      duplicated: total,
      reordered: total,
      otherViolations: total,
    }),
  ),
  seconds: positive,
})
export type RestoreResult = z.output<typeof RestoreResult>

const Outage = z.object({
  state: MigrationState.describe('In which something died'),
  ended: MigrationState.describe('How the migration was found when everything was back'),
  awayMs: total,
  messages: total,
  failedSends: total,
  lost: total,
  duplicated: total,
  reordered: total,
  otherViolations: total.describe('What else the checker looks for'),
  slowestSendMs: total.describe('From the call of send to its acknowledgement, over the whole run'),
  acknowledgedMeanwhile: total.describe('Sends that were acknowledged while it was away'),
  newEpochMeanwhile: total.describe('Messages of the new epoch that were handled while it was away'),
})

export const OutagesResult = z.object({
  measure: z.literal('outages'),
  machine: Machine,
  options: z.object({ awaySeconds: positive, sourceAwaySeconds: positive }),
  messages: z.number().int().positive(),
  failedSends: total,
  lost: total,
  reordered: total,
  controlPlane: z.array(Outage).describe('The control plane was away'),
  source: z.array(Outage).describe('Every broker of the source cluster was away'),
  seconds: positive,
})
export type OutagesResult = z.output<typeof OutagesResult>

const MeasuredConfiguration = z.object({
  configuration: z.string(),
  codec: z.string(),
  codecLevel: z.number().nullable(),
  lingerMs: z.number(),
  batchBytes: z.number(),
  fetchMinBytes: z.number(),
  fetchMaxWaitMs: z.number(),
  usdPerMonth: z.number().min(0),
  wireBytesPerRecord: z.number().min(0),
  recordsPerBatch: z.number().min(0),
  cpuUsPerRecord: z.object({ producer: z.number(), broker: z.number(), consumer: z.number() }),
  requestsPerSecond: z.object({ produce: z.number(), fetch: z.number() }),
  sendP99Ms: z.number().min(0),
  endToEndP99Ms: z.number().min(0),
  samples: z.number().int().describe('Messages the p99 comes from'),
})
const PredictionError = z.object({ bytes: z.number(), usd: z.number(), p99: z.number() })

export const RegretResult = z.object({
  measure: z.literal('regret'),
  machine: Machine,
  options: z.object({
    grid: z.enum(['tiny', 'small', 'full']),
    configurations: z.number().int(),
    seconds: positive,
    rounds: z.number().int(),
    seed: z.number().int(),
    priceBook: z.string(),
    replication: z.number().int(),
    retentionMs: z.number().int(),
    groups: z.number().int(),
    tookSeconds: z.number(),
  }),
  constants: z.looseObject({}).describe('Of the model, from a workload that is none of these'),
  workloads: z
    .array(
      z.object({
        name: z.string(),
        what: z.string(),
        messagesPerSecond: positive,
        latencyP99Ms: positive.describe('The SLO, end to end'),
        isCompressible: z.boolean(),
        configurations: z.number().int(),
        chosen: MeasuredConfiguration,
        oracle: MeasuredConfiguration,
        oracleMetSlo: z.boolean(),
        regret: z.number().describe('Measured cost of the chosen configuration over that of the oracle, minus 1'),
        usdPerMonthDefault: positive,
        usdPerMonthStart: positive,
        usdPerMonthChosen: positive,
        saving: z.number(),
        sloMet: z.boolean(),
        default: MeasuredConfiguration,
        start: MeasuredConfiguration,
        predicted: z.object({ usdPerMonth: z.number(), wireBytesPerRecord: z.number(), endToEndP99Ms: z.number() }),
        predictionError: z.object({ all: PredictionError, chosen: PredictionError }),
      }),
    )
    .min(1),
  medianRegret: z.number(),
  worstRegret: z.number(),
  medianSaving: z.number().describe('Over the default client configuration, on the workloads that compress'),
  medianSavingAll: z.number(),
  sloMissed: z.array(z.string()),
  predictionError: PredictionError.describe('Median over workloads of the median over all swept configurations'),
})
export type RegretResult = z.output<typeof RegretResult>

export const OptimiserResult = z.object({
  measure: z.literal('optimiser'),
  machine: Machine,
  options: z.object({ ids: total.min(1), clusters: total.min(1), seed: total }),
  cpuSeconds: positive.describe('CPU for all mQ IDs, without the prices of requirements'),
  seconds: positive.describe('The same by the clock; on a busy machine more than the CPU'),
  usPerId: positive,
  fullUsPerId: positive.describe('CPU of one mQ ID with runners-up and the price of every requirement, over a sample'),
  configurations: total.describe(
    'Configurations judged; those of clusters that cannot win by their prices are not among them',
  ),
  outcomes: z.object({ change: total, keep: total, infeasible: total, 'too-little': total }),
})
export type OptimiserResult = z.output<typeof OptimiserResult>

export const TelemetryStoreResult = z.object({
  measure: z.literal('telemetry-store'),
  machine: Machine,
  options: z.object({ ids: total.min(1), scaledTo: total.min(1), seed: total }),
  storeBytesPerId: positive.describe('Of the file, with indexes and free pages'),
  storeGb: positive.describe('The whole file for as many mQ IDs as it was scaled to; GB is 1e9 bytes'),
  kept: z.array(
    z.object({
      resolutionMs: total,
      keepMs: total,
      windowsPerId: total,
      chunksPerId: positive,
      bytesPerId: total.describe('Packed windows, without what the database adds'),
    }),
  ),
  writing: z.object({
    cpuMsPerSecond: positive.describe('CPU of writing the roll-ups of all of them'),
    msPerId: positive.describe('From handing over five minutes of one mQ ID to the commit, by the clock'),
    writtenBytesPerSecond: total.nullable().describe('To storage, log and checkpoints included'),
  }),
})
export type TelemetryStoreResult = z.output<typeof TelemetryStoreResult>

const Interval = z.object({ low: z.number(), high: z.number() })

export const TelemetryCostResult = z.object({
  measure: z.literal('telemetry-cost'),
  machine: Machine,
  options: z.object({ seconds: positive, rounds: total, bytes: total, codec: z.string(), partitions: total }),
  runs: z.array(
    z.object({
      what: z.enum(['off', 'on']),
      messagesPerSecond: positive,
      cpuUsPerMessage: positive,
    }),
  ),
  throughputLossPercent: z
    .number()
    .describe('With telemetry and shadow measurement against without: the median over pairs of neighbouring slices'),
  throughputLossInterval: Interval.describe('Of that median, 95 %'),
  cpuPercent: z.number().describe('CPU for a message, the same comparison'),
  cpuInterval: Interval,
  shadowCpuPercent: z
    .number()
    .describe('CPU that shadow measurements used, of one core, over the time telemetry was on'),
  shadowSamples: total,
  reportBytes: total.describe('The largest report of the mQ ID, as JSON'),
})
export type TelemetryCostResult = z.output<typeof TelemetryCostResult>

export const ReauthResult = z.object({
  measure: z.literal('reauth'),
  machine: Machine,
  options: z.object({ sessionMs: positive, seconds: positive, rate: positive }),
  sent: total,
  acknowledged: total,
  lost: total,
  twice: total,
  outOfOrder: total,
  errors: total.describe('Refused sends, log lines, failed admin requests, subscriptions that ended'),
  firstErrors: z.array(z.string()),
  logins: total,
  longestStallMs: z.number().min(0).describe('Longest time in which a reader handled nothing'),
  stallsMs: z.array(z.number().min(0)).describe('The same by reader'),
  slowestSendMs: z.number().min(0),
  adminRequests: total,
  slowestAdminMs: z.number().min(0),
  eventLoopStoodMs: z.number().min(0).describe('Longest time in which the measuring process did nothing'),
  baseline: z
    .object({
      seconds: positive,
      errors: total,
      longestStallMs: z.number().min(0),
      slowestSendMs: z.number().min(0),
      slowestAdminMs: z.number().min(0),
      eventLoopStoodMs: z.number().min(0).describe('Longest time in which the measuring process did nothing'),
    })
    .describe('The same load in sessions that outlast it'),
})
export type ReauthResult = z.output<typeof ReauthResult>
