/**
 * The worked figures of the reference, recomputed: bytes on the wire (framing), F1, F3, F4, F5 and the dollars per TB.
 *
 * The table of dollars per TB was written with a week as 0.23 months (730 h give 0.2301) and, for CPU only, with a TB of 1,000 GiB;
 * both are given as inputs here and the rest is the package's own. Its figures have one decimal.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BATCH_HEADER_BYTES,
  batchingOf,
  brokersFor,
  crossZone,
  figureOf,
  framedRecordBytes,
  GB,
  GIB,
  HOURS_PER_MONTH,
  priceBook,
  TB,
  varintBytes,
  vcpusFor,
} from '../src/index.ts'

const near = (actual: number, expected: number, within: number, what: string): void => {
  assert.ok(Math.abs(actual - expected) <= within, `${what}: ${actual} is not within ${within} of ${expected}`)
}

const WEEK_HOURS = 168
/** 0.23 months in hours, as the table has it. */
const TABLE_WEEK_HOURS = 0.23 * HOURS_PER_MONTH

interface Row {
  readonly name: string
  readonly ratio?: number
  readonly replication?: number
  readonly followerFetch?: boolean
  readonly rackLocal?: boolean
  readonly diskShare?: number
  readonly hours?: number
  readonly localHours?: number
  readonly usdPerCrossingGb?: number
  readonly network: number
  readonly storage: number
  readonly cpu: number
  readonly total: number
}

const table: readonly Row[] = [
  { name: 'no codec', network: 93.3, storage: 110.4, cpu: 7.0, total: 210.7 },
  { name: 'zstd but unbatched', ratio: 1.32, network: 70.7, storage: 83.6, cpu: 5.3, total: 159.6 },
  { name: 'lz4/snappy batched', ratio: 2.5, network: 37.3, storage: 44.2, cpu: 2.8, total: 84.3 },
  { name: 'zstd-1/3 batched', ratio: 4, network: 23.3, storage: 27.6, cpu: 1.7, total: 52.7 },
  { name: '+ follower fetch', ratio: 4, followerFetch: true, network: 13.3, storage: 27.6, cpu: 1.7, total: 42.7 },
  { name: '+ tiered', ratio: 4, localHours: 1, network: 23.3, storage: 1.5, cpu: 1.7, total: 26.6 },
  {
    name: '+ follower fetch + tiered',
    ratio: 4,
    followerFetch: true,
    localHours: 1,
    network: 13.3,
    storage: 1.5,
    cpu: 1.7,
    total: 16.6,
  },
  {
    name: '+ rack-local producing',
    ratio: 4,
    followerFetch: true,
    rackLocal: true,
    localHours: 1,
    network: 10,
    storage: 1.5,
    cpu: 1.7,
    total: 13.2,
  },
  { name: 'tiered alone', localHours: 1, network: 93.3, storage: 6.0, cpu: 7.0, total: 106.3 },
  { name: 'retention 7 d to 1 d', hours: 24, network: 93.3, storage: 15.8, cpu: 7.0, total: 116.1 },
  { name: 'RF 2', replication: 2, network: 73.3, storage: 73.6, cpu: 4.6, total: 151.6 },
  { name: 'free space 50 to 20 %', diskShare: 0.8, network: 93.3, storage: 69.0, cpu: 7.0, total: 169.3 },
  { name: 'follower fetch alone', followerFetch: true, network: 53.3, storage: 110.4, cpu: 7.0, total: 170.7 },
  { name: 'Azure-like', usdPerCrossingGb: 0, network: 0, storage: 110.4, cpu: 7.0, total: 117.4 },
]

test('every row of the table of dollars per TB comes out of the formulas', () => {
  const aws = priceBook('aws-us-east-1')
  for (const row of table) {
    const { ratio = 1, replication = 3, followerFetch = false, rackLocal = false, diskShare = 0.5 } = row
    const { hours = TABLE_WEEK_HOURS, localHours } = row
    const wire = TB / ratio
    const crossing = crossZone({
      zones: 3,
      replication,
      groups: 3,
      followerFetch,
      rackLocalProducing: rackLocal,
      replicationBilled: true,
    })
    const usdPerGb = row.usdPerCrossingGb ?? figureOf(aws, 'cross-zone-transfer').usd
    const network = (wire / GB) * usdPerGb * (crossing.produce + crossing.replicate + crossing.consume)
    const gbMonths = (h: number): number => ((wire / GB) * h) / HOURS_PER_MONTH
    const local = (gbMonths(localHours ?? hours) * replication * figureOf(aws, 'broker-storage').usd) / diskShare
    const remote =
      localHours === undefined
        ? 0
        : gbMonths(hours) * figureOf(aws, 'remote-storage').usd +
          ((1.05 * wire) / GB / 1_000) * figureOf(aws, 'remote-put').usd
    const vcpuHours = vcpusFor({ inBytesPerSecond: (1_000 * GIB) / ratio, groups: 3, replication }) / 3_600
    const cpu = vcpuHours * figureOf(aws, 'broker-compute').usd
    near(network, row.network, 0.05, `${row.name}, network`)
    near(local + remote, row.storage, 0.05, `${row.name}, storage`)
    near(cpu, row.cpu, 0.055, `${row.name}, cpu`)
    near(network + local + remote + cpu, row.total, 0.11, `${row.name}, total`)
  }
})

test('the table and 730 h a month agree to a tenth of a dollar', () => {
  near((1_000 * 3 * 0.08 * WEEK_HOURS) / HOURS_PER_MONTH / 0.5, 110.4, 0.1, 'a week of storage')
})

test('F1: 1,000/s with 5 ms of linger make 6.00 records a batch and 2.92 ms of waiting', () => {
  const stream = { dispersion: 1, maxRecords: 10_000, flightMs: 0, slots: 1 }
  const slow = batchingOf({ ...stream, recordsPerMs: 1, lingerMs: 5 })
  near(slow.depth, 6, 0.001, 'records a batch')
  near(slow.waitMeanMs, 2.92, 0.005, 'mean wait')
  assert.equal(slow.waitP99Ms, 5)
  const full = batchingOf({ ...stream, recordsPerMs: 10, lingerMs: 20, maxRecords: 60 })
  near(full.depth, 60, 0.001, 'records a batch')
  near(full.waitMeanMs, 2.95, 0.005, 'mean wait')
})

test('F3: 30 MB/s with three copies and three groups cross zones for 88,300 USD a year', () => {
  const { produce, replicate, consume } = crossZone({
    zones: 3,
    replication: 3,
    groups: 3,
    followerFetch: false,
    rackLocalProducing: false,
    replicationBilled: true,
  })
  assert.deepEqual([30 * produce, 30 * replicate, 30 * consume].map(Math.round), [20, 60, 60])
  const usdPerSecond = (0.03 * (produce + replicate + consume) * 0.02).toFixed(4)
  assert.equal(usdPerSecond, '0.0028')
  near(0.14 * 0.02 * 86_400, 241, 1, 'a day')
  near(0.03 * (produce + replicate + consume) * 0.02 * 86_400 * 365, 88_300, 10, 'a year')
})

test('F3: 300 MiB/s read twice are 1,200 MiB/s over the borders, and 4.667 and 2.667 times the wire for three groups', () => {
  const shape = { zones: 3, replication: 3, rackLocalProducing: false, replicationBilled: true }
  const twice = crossZone({ ...shape, groups: 2, followerFetch: false })
  assert.deepEqual(
    [twice.produce, twice.replicate, twice.consume].map((share) => Math.round(share * 300)),
    [200, 600, 400],
  )
  const sum = (followerFetch: boolean): number => {
    const crossing = crossZone({ ...shape, groups: 3, followerFetch })
    return crossing.produce + crossing.replicate + crossing.consume
  }
  assert.equal(sum(false).toFixed(3), '4.667')
  assert.equal(sum(true).toFixed(3), '2.667')
})

test('F5: brokers come in steps of what binds, with one for a failure', () => {
  const limits = {
    vcpus: 8,
    netBytesPerSecond: (3_750 / 8) * 1e6,
    diskBytesPerSecond: null,
    diskNetBytesPerSecond: null,
    replicasPerBroker: 2_000,
  }
  const load = { inBytesPerSecond: 30e6, groups: 3, replication: 3, replicas: 300 }
  assert.deepEqual(brokersFor({ ...load, inBytesPerSecond: 1e6 }, limits), { brokers: 3, bound: 'least', forLoad: 3 })
  const busy = brokersFor(load, limits)
  assert.deepEqual(busy, { brokers: 5, bound: 'cpu', forLoad: 4 })
  assert.equal(brokersFor({ ...load, replicas: 20_000 }, limits).bound, 'partitions')
})

test('framing: 61 bytes of header, 7 bytes of the smallest record, varints of one, two and three bytes', () => {
  assert.equal(BATCH_HEADER_BYTES, 61)
  assert.equal(framedRecordBytes({ keyBytes: null, valueBytes: 0 }), 7)
  assert.deepEqual(
    [63, 64, 8_191, 8_192, 1_048_575, 1_048_576, -1, -64, -65].map(varintBytes),
    [1, 2, 2, 3, 3, 4, 1, 1, 2],
  )
  const usual = framedRecordBytes({ keyBytes: 16, valueBytes: 200, timestampDelta: 30, offsetDelta: 100 })
  assert.equal(usual - 216, 10)
})
