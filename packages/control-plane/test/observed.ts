/** Observations as tests need them: a topic of a thousand records a second, and what is said to be different. */
import type { ClusterObservation, ObservedBatches, ObservedRate, ObservedTopic } from '../src/observe/observation.ts'
import { topicConfigsOf } from '../src/observe/topic-configs.ts'

export const DAY_MS = 86_400_000
export const NOW_MS = 1_800_000_000_000
export const MB = 1e6

/** As seen for a whole day, unless said otherwise. */
export function rate(recordsPerSecond: number, more: Partial<ObservedRate> = {}): ObservedRate {
  return {
    recordsPerSecond,
    from: recordsPerSecond,
    to: recordsPerSecond,
    basis: 'last-24h',
    overMs: DAY_MS,
    confidence: 'high',
    ...more,
  }
}

export function batches(more: Partial<ObservedBatches> = {}): ObservedBatches {
  const sample = (codec: 'none' | 'lz4' | 'zstd', level: number | null, depth: number, ratio: number) => ({
    codec,
    codecLevel: level,
    depth,
    batches: 4,
    uncompressedBytes: 61 + depth * 500,
    compressedBytes: 61 + (depth * 500) / ratio,
    compressUs: depth,
    decompressUs: depth,
  })
  return {
    batches: 100,
    records: 400,
    wireBytes: 100 * 61 + 400 * 500,
    uncompressedBytes: 100 * 61 + 400 * 500,
    codecs: { none: 1 },
    producers: 1,
    newestMs: NOW_MS - 1_000,
    partitions: 2,
    offsets: 400,
    markers: 0,
    markerBytes: 0,
    tried: [1, 4, 16, 64, 256].flatMap((depth) => [
      sample('none', null, depth, 1),
      sample('lz4', null, depth, Math.min(2.4, 1 + depth / 8)),
      sample('zstd', 1, depth, Math.min(4.2, 1.2 + depth / 6)),
    ]),
    ...more,
  }
}

export function topic(more: Partial<ObservedTopic> = {}): ObservedTopic {
  const leaderBytes = more.leaderBytes === undefined ? 300_000 * MB : more.leaderBytes
  return {
    name: 'orders',
    internal: false,
    partitions: 6,
    replication: 3,
    underReplicated: 0,
    configs: topicConfigsOf(new Map([['retention.ms', String(7 * DAY_MS)]])),
    retainedOffsets: 600_000_000,
    retainedRecords: 600_000_000,
    startOffset: 1_400_000_000,
    endOffset: 2_000_000_000,
    oldestMs: NOW_MS - 7 * DAY_MS,
    leaderBytes,
    diskBytes: leaderBytes === null ? null : leaderBytes * 3,
    rate: rate(1_000),
    watched: { offsets: 10_000, bytes: 5_000_000, overMs: 10_000 },
    times: 'arrival',
    batches: batches(),
    quietPartitions: 0,
    ...more,
  }
}

export function observation(
  topics: readonly ObservedTopic[],
  more: Partial<ClusterObservation> = {},
): ClusterObservation {
  return {
    cluster: 'main',
    clusterId: 'abc',
    startedAtMs: NOW_MS,
    tookMs: 10,
    watchedMs: 0,
    brokers: [1, 2, 3].map((nodeId) => ({
      nodeId,
      host: 'h',
      port: 9_092,
      rack: null,
      logBytes: 1,
      totalBytes: null,
      usableBytes: null,
    })),
    racks: null,
    readsNearby: false,
    topics,
    groups: [
      {
        group: 'billing',
        state: 'Stable',
        members: 2,
        assignor: 'range',
        topics: topics.map(({ name }) => ({ topic: name, lagRecords: 0, lostRecords: 0, moving: true })),
      },
    ],
    problems: [],
    ...more,
  }
}
