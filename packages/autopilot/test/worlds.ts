/** Worlds made by hand, for the loops to look at. */

import { type IdWorld, loops, type Proposal, proposalsOf, usualTimes, type World } from '@mq/autopilot'
import { DEFAULT_POLICY, Intent } from '@mq/contract'
import { clusterModel, priceBook, type Workload } from '@mq/economics'

export const NOW = 1_800_000_000_000
export const DAY_MS = 86_400_000
export const main = clusterModel({ name: 'main', book: priceBook('aws-us-east-1') })

export const workload: Workload = {
  recordsPerSecond: 2_000,
  peakMultiple: 1,
  recordBytes: 400,
  framedBytes: 410,
  producers: 4,
  keyed: true,
  busiestPartitionShare: 0.25,
  dispersion: 1,
  groups: [{ group: 'billing', members: 2 }],
  curves: [],
  retainedBytes: null,
  observedMs: 3_600_000,
  records: 7_200_000,
  source: 'measured',
}

const producer = {
  codec: 'none' as const,
  lingerMs: 0,
  batchBytes: 16_384,
  maxMessageBytes: 1_048_576,
  requestTimeoutMs: 30_000,
}
export const consumer = {
  fetchMinBytes: 1,
  fetchMaxWaitMs: 500,
  readAheadBytes: 8_388_608,
  isolation: 'read_committed' as const,
  sessionTimeoutMs: 30_000,
}

/** An mQ ID with the settings of a client nobody configured, and steady traffic. */
export function anId(change: Partial<IdWorld> = {}): IdWorld {
  const intent = change.intent ?? Intent.parse({ latencyP99Ms: '500ms', retention: '1d' })
  return {
    id: 'orders.placed',
    intent,
    intentKey: JSON.stringify(intent),
    policy: {
      ...DEFAULT_POLICY,
      mode: 'auto',
      autoKnobs: [...DEFAULT_POLICY.autoKnobs],
      from: { mode: 'default', maxChangesPerDay: 'default', autoKnobs: 'default' },
    },
    producer,
    consumer,
    configuration: {
      cluster: 'main',
      partitions: 4,
      replication: 3,
      retentionMs: DAY_MS,
      localRetentionMs: null,
      codec: 'none',
      codecLevel: null,
      lingerMs: 0,
      batchBytes: 16_384,
      fetchMinBytes: consumer.fetchMinBytes,
      fetchMaxWaitMs: consumer.fetchMaxWaitMs,
      followerFetch: false,
    },
    eligibleClusters: ['main', 'twin', 'small', 'one-zone', 'cheaper'],
    wantedPartitions: 4,
    largestBatchBytes: 1_048_576,
    seenRetentionMs: null,
    epoch: 1,
    workload,
    stretches: [2_000, 2_010, 1_990, 2_000].map((recordsPerSecond) => ({ recordsPerSecond, recordBytes: 400 })),
    observedMs: usualTimes.observeMs,
    records: 1_000_000,
    readingP99Ms: 20,
    whyNoReaders: null,
    looks: [],
    isBusy: false,
    decisions: [],
    ...change,
  }
}

export const aWorld = (ids: readonly IdWorld[], change: Partial<World> = {}): World => ({
  nowMs: NOW,
  autopilot: true,
  times: usualTimes,
  detail: 'full',
  ids,
  clusters: [main],
  ...change,
})

const proposalsBy =
  (name: string) =>
  (world: World): Proposal[] =>
    proposalsOf(loops.find((one) => one.name === name)!, world)
export const tuning = proposalsBy('tuning')
export const placement = proposalsBy('placement')
export const retention = proposalsBy('retention')
export const partitioning = proposalsBy('partitions')
