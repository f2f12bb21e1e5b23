/** Workloads, configurations and clusters at random, within what can be. */
import { Intent } from '@mq/contract'
import fc from 'fast-check'
import { type ClusterModel, type Configuration, clusterModel, GRID, priceBook, type Workload } from '../src/index.ts'

const HOUR_MS = 3_600_000

export const rates = fc.double({ min: 0.5, max: 50_000, noNaN: true })

export const workloads: fc.Arbitrary<Workload> = fc
  .record({
    recordsPerSecond: rates,
    peakMultiple: fc.constantFrom(1, 1, 1, 1.5, 5),
    recordBytes: fc.integer({ min: 1, max: 20_000 }),
    producers: fc.integer({ min: 1, max: 20 }),
    keyed: fc.boolean(),
    busiestPartitionShare: fc.double({ min: 0, max: 1, noNaN: true }),
    dispersion: fc.double({ min: 0, max: 20, noNaN: true }),
    members: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
  })
  .map(({ members, recordBytes, ...rest }) => ({
    ...rest,
    recordBytes,
    framedBytes: recordBytes + 10,
    groups: members.map((count, at) => ({ group: `g${at}`, members: count })),
    curves: [],
    retainedBytes: null,
    observedMs: 3_600_000,
    records: 1_000_000,
    source: 'measured' as const,
  }))

export const configurations: fc.Arbitrary<Configuration> = fc
  .record({
    partitions: fc.constantFrom(1, 4, 16, 64),
    replication: fc.constantFrom(1, 2, 3),
    retentionHours: fc.option(fc.integer({ min: 1, max: 720 })),
    codec: fc.constantFrom(...GRID.codecs),
    lingerMs: fc.constantFrom(...GRID.lingerMs),
    batchBytes: fc.constantFrom(...GRID.batchBytes),
    fetch: fc.constantFrom(...GRID.fetches),
  })
  .map(({ retentionHours, codec, fetch, ...rest }) => ({
    cluster: 'home',
    ...rest,
    ...codec,
    ...fetch,
    retentionMs: retentionHours === null ? null : retentionHours * HOUR_MS,
    localRetentionMs: null,
    followerFetch: false,
  }))

export function intentOf(latencyP99Ms: number, configuration: Configuration): Intent {
  return Intent.parse({
    latencyP99Ms,
    retention: configuration.retentionMs ?? 'forever',
  })
}

export function homeCluster(known: Partial<ClusterModel> = {}): ClusterModel {
  return clusterModel({ name: 'home', book: priceBook('aws-us-east-1'), ...known })
}
