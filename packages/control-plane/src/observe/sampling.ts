/**
 * Which batches of which partitions are looked at, and what they say.
 *
 * M1. Every topic with records is sampled a little; those that move the most bytes more, and only on their records are other
 *     codecs tried, within a limit of time: a scan of a thousand topics stays a matter of seconds.
 * M2. What is kept of records is dropped as soon as the codecs were tried; nothing of it is stored, sent or shown.
 */
import type { ShadowSample } from '@mq/contract'
import {
  type Deps,
  measureCodecs,
  type ProbeBatch,
  type ProbeCandidate,
  type SampledBatch,
  type SampledSpan,
  type SampleRequest,
  type TopicMetadata,
} from '@mq/kafka'
import type { ObservedBatches } from './observation.ts'

export interface SamplingLimits {
  /** Topics on whose records other codecs are tried. */
  readonly triedTopics: number
  readonly triedBytes: number
  readonly sampledBytes: number
  readonly partitionsPerTopic: number
  /** For trying codecs, all topics together. */
  readonly tryMs: number
}

export const SAMPLING: SamplingLimits = {
  triedTopics: 40,
  triedBytes: 512 * 1_024,
  sampledBytes: 48 * 1_024,
  partitionsPerTopic: 2,
  tryMs: 12_000,
}

/** What a change of codec is judged by: the one that is nearly always best, its neighbour, and those for readers that lack zstd. */
const CANDIDATES: readonly ProbeCandidate[] = [
  { codec: 'none', codecLevel: null },
  { codec: 'lz4', codecLevel: null },
  { codec: 'gzip', codecLevel: 6 },
  { codec: 'zstd', codecLevel: 1 },
  { codec: 'zstd', codecLevel: 3 },
]
const DEPTHS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024] as const
/** Uncompressed records kept of one topic until the codecs were tried. */
const KEPT_BYTES = 2 * 1_048_576
const MOST_BACK = 20_000
const BACK_WITHOUT_SIZE = 500

export interface PartitionLog {
  readonly partition: number
  readonly earliest: number
  readonly latest: number
  readonly bytes: number | null
}

/** The last batches of the partitions with the most records. */
export function requestsOf(
  topic: TopicMetadata,
  logs: readonly PartitionLog[],
  maxBytes: number,
  limits: SamplingLimits,
): SampleRequest[] {
  return logs
    .filter(({ earliest, latest }) => latest > earliest)
    .toSorted((a, b) => b.latest - b.earliest - (a.latest - a.earliest))
    .slice(0, limits.partitionsPerTopic)
    .flatMap((log) => {
      const at = topic.partitions.find(({ index }) => index === log.partition)
      if (at === undefined || at.leader < 0) return []
      const records = log.latest - log.earliest
      const each = log.bytes === null || log.bytes === 0 ? null : log.bytes / records
      const back = each === null ? BACK_WITHOUT_SIZE : Math.max(1, Math.floor((maxBytes * 0.9) / each))
      return [
        {
          topic: topic.name,
          topicId: topic.id,
          partition: log.partition,
          leader: at.leader,
          leaderEpoch: at.leaderEpoch,
          offset: Math.max(log.earliest, log.latest - Math.min(back, MOST_BACK)),
          maxBytes,
        },
      ]
    })
}

/** Sums batches up per topic as they come. */
export class BatchTally {
  readonly #byTopic = new Map<string, Tally>()
  readonly #tried: ReadonlySet<string>

  /** @param tried topics whose records are kept for trying codecs */
  constructor(tried: ReadonlySet<string>) {
    this.#tried = tried
  }

  add(request: SampleRequest, batches: readonly SampledBatch[], span: SampledSpan): void {
    if (batches.length === 0) return
    const tally = this.#byTopic.get(request.topic) ?? newTally()
    this.#byTopic.set(request.topic, tally)
    tally.partitions.add(request.partition)
    tally.offsets += span.offsets
    tally.markers += span.markers
    tally.markerBytes += span.markerBytes
    for (const batch of batches) {
      tally.batches++
      tally.records += batch.count
      tally.wireBytes += batch.wireBytes
      tally.uncompressedBytes += batch.uncompressedBytes
      tally.codecs.set(batch.codec, (tally.codecs.get(batch.codec) ?? 0) + batch.wireBytes)
      tally.producers.add(batch.producerId === null ? 'unknown' : String(batch.producerId))
      tally.newestMs = Math.max(tally.newestMs, batch.maxTimestampMs)
      if (!this.#tried.has(request.topic) || tally.keptBytes + batch.records.length > KEPT_BYTES) continue
      tally.keptBytes += batch.records.length
      tally.kept.push({
        partition: request.partition,
        count: batch.count,
        baseTimestampMs: batch.baseTimestampMs,
        records: Buffer.from(batch.records),
      })
    }
  }

  /** Tries codecs on what was kept, the busiest topics first, until the time is over (M1, M2). */
  async tryCodecs(order: readonly string[], deps: Deps, limitMs: number, pause: () => Promise<void>): Promise<void> {
    const { clock } = deps
    const endMs = clock.monotonicMs() + limitMs
    for (const name of order) {
      const tally = this.#byTopic.get(name)
      if (tally === undefined || tally.kept.length === 0) continue
      if (clock.monotonicMs() < endMs) {
        tally.tried = measureCodecs(tally.kept, () => clock.monotonicMs() * 1_000, CANDIDATES, DEPTHS)
        await pause()
      }
      tally.kept = []
    }
  }

  has(topic: string): boolean {
    return this.#byTopic.has(topic)
  }

  of(topic: string): ObservedBatches | null {
    const tally = this.#byTopic.get(topic)
    if (tally === undefined) return null
    const { batches, records, wireBytes, uncompressedBytes, producers, newestMs, tried } = tally
    const { offsets, markers, markerBytes } = tally
    return {
      batches,
      records,
      wireBytes,
      uncompressedBytes,
      codecs: Object.fromEntries([...tally.codecs].map(([codec, bytes]) => [codec, bytes / wireBytes])),
      producers: producers.has('unknown') ? null : producers.size,
      newestMs,
      partitions: tally.partitions.size,
      offsets,
      markers,
      markerBytes,
      tried,
    }
  }
}

interface Tally {
  batches: number
  records: number
  wireBytes: number
  uncompressedBytes: number
  newestMs: number
  offsets: number
  markers: number
  markerBytes: number
  keptBytes: number
  kept: ProbeBatch[]
  tried: readonly ShadowSample[]
  readonly codecs: Map<SampledBatch['codec'], number>
  readonly producers: Set<string>
  readonly partitions: Set<number>
}

function newTally(): Tally {
  return {
    batches: 0,
    records: 0,
    wireBytes: 0,
    uncompressedBytes: 0,
    newestMs: 0,
    offsets: 0,
    markers: 0,
    markerBytes: 0,
    keptBytes: 0,
    kept: [],
    tried: [],
    codecs: new Map(),
    producers: new Set(),
    partitions: new Set(),
  }
}
