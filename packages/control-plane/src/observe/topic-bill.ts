/**
 * What one topic costs a month, from what was observed of it: the same bill as everywhere, over measured bytes.
 *
 * T1. What cannot be known of a topic (it may not be read, its rate is not clear yet) is not priced and says so; it is never free.
 * T2. A bill has two parts: what the topic causes as it is now (its bytes that move, and those that lie on disks), and what its log
 *     adds until the retention and the segment that is still open are full (F4). History bills only the first one.
 * T3. Bytes a record are those by which logs grew, where that was seen; an old log holds what was, not what comes.
 * T4. A rate that is a range gives a bill that is one.
 */
import {
  bill,
  brokerCpuUs,
  type ClusterModel,
  type Cost,
  FOREVER_MS,
  NO_QUANTITIES,
  type Quantities,
  type Shape,
  storedBytes,
} from '@mq/economics'
import type { ClusterObservation, ObservedTopic } from './observation.ts'

/** What changes when a saving is made: everything the bill is made of. */
export interface TopicState {
  readonly quantities: Quantities
  readonly shape: Shape
}

export interface TopicBill {
  readonly topic: ObservedTopic
  readonly state: TopicState
  /** A month at this rate, with the log as full as it will be. */
  readonly cost: Cost
  /** The part of it that is not there yet (T2). */
  readonly fillUsdPerMonth: number
  /** T4 */
  readonly range: { readonly fromUsd: number; readonly toUsd: number }
  readonly wireBytesPerRecord: number | null
  /** Groups that read it now. */
  readonly readers: number
  /** Groups with a position on it that do not. */
  readonly idleGroups: number
  readonly groups: readonly TopicGroup[]
  /** Null: priced in full. Else what is missing, and why (T1). */
  readonly unpriced: string | null
  readonly notes: readonly string[]
}

/** A group with a position on a topic. */
export interface TopicGroup {
  readonly group: string
  readonly isReading: boolean
  readonly lagRecords: number
  readonly assignor: string | null
}

export interface Readers {
  readonly active: number
  readonly idle: number
  readonly groups: readonly TopicGroup[]
}

const ENOUGH_RECORDS = 1_000
const ENOUGH_GROWN = 200
const ENOUGH_BYTES = 1_048_576
/** Bytes a record that differ by less are those of the same batches. */
const LIKE = 0.75
const NO_READERS: Readers = { active: 0, idle: 0, groups: [] }

/** How many groups read each topic now, and how many only have a position on it. */
export function readersByTopic({ groups }: Pick<ClusterObservation, 'groups'>): ReadonlyMap<string, Readers> {
  const byTopic = new Map<string, TopicGroup[]>()
  for (const { group, members, assignor, topics } of groups) {
    for (const { topic, moving, lagRecords } of topics) {
      const one = { group, isReading: (members ?? 0) > 0 || moving, lagRecords, assignor }
      const known = byTopic.get(topic)
      if (known === undefined) byTopic.set(topic, [one])
      else known.push(one)
    }
  }
  return new Map(
    [...byTopic].map(([topic, own]) => {
      const active = own.filter(({ isReading }) => isReading).length
      return [topic, { active, idle: own.length - active, groups: own }]
    }),
  )
}

/** @param storage `as-it-will-be` for a month ahead, `as-it-is` for what passed (T2) */
export function billOf(
  topic: ObservedTopic,
  readers: ReadonlyMap<string, Readers>,
  cluster: ClusterModel,
  storage: 'as-it-will-be' | 'as-it-is' = 'as-it-will-be',
): TopicBill {
  const { active, idle, groups } = readers.get(topic.name) ?? NO_READERS
  const notes: string[] = []
  const wireBytesPerRecord = bytesPerRecordOf(topic, storage === 'as-it-is')
  const isTiered = topic.configs?.tiered ?? false
  const isTieringPriced = cluster.book.figures['remote-storage'] !== undefined
  const unpriced = whyNotPriced(topic, wireBytesPerRecord, isTiered && !isTieringPriced ? cluster.book.id : null)
  const shape: Shape = {
    groups: active,
    partitions: topic.partitions,
    replication: topic.replication,
    followerFetch: cluster.followerFetch,
    tiered: isTiered && isTieringPriced,
    peakMultiple: 1,
  }
  const stateAt = (recordsPerSecond: number, kept: typeof storage): TopicState => {
    const wire = recordsPerSecond * (wireBytesPerRecord ?? 0)
    const moving: Quantities = {
      ...NO_QUANTITIES,
      recordsPerSecond,
      wireBytesPerSecond: wire,
      logicalBytesPerSecond: wire * ratioOf(topic),
    }
    const seen = { localBytes: topic.leaderBytes ?? 0, remoteBytes: tieredBytes(topic, wire) }
    const stored = kept === 'as-it-will-be' ? storedOf(topic, wire) : seen
    return {
      quantities: withCpu(withStored(moving, stored.localBytes, stored.remoteBytes, ratioOf(topic)), shape, cluster),
      shape,
    }
  }
  const rate = topic.rate?.recordsPerSecond ?? 0
  const state = stateAt(rate, storage)
  const cost = costOfState(state, cluster)
  const usdAt = (records: number): number => costOfState(stateAt(records, storage), cluster).usdPerMonth
  const fillUsdPerMonth = cost.usdPerMonth - costOfState(stateAt(rate, 'as-it-is'), cluster).usdPerMonth
  const range =
    topic.rate === null || topic.rate.from === topic.rate.to
      ? { fromUsd: cost.usdPerMonth, toUsd: cost.usdPerMonth }
      : { fromUsd: usdAt(topic.rate.from), toUsd: usdAt(topic.rate.to) }
  if (unpriced === null) notes.push(...notesOf(topic, fillUsdPerMonth, cost.usdPerMonth))
  return {
    topic,
    state,
    cost,
    fillUsdPerMonth,
    range,
    wireBytesPerRecord,
    readers: active,
    idleGroups: idle,
    groups,
    unpriced,
    notes,
  }
}

/** T1. @param untiered the price book that has no price for tiered storage of a tiered topic */
function whyNotPriced(topic: ObservedTopic, wireBytesPerRecord: number | null, untiered: string | null): string | null {
  if (topic.rate === null) {
    return topic.endOffset === null
      ? 'its offsets may not be read'
      : 'whether anything comes in is not known: it was not watched, and the times of its records do not tell'
  }
  if (topic.rate.recordsPerSecond > 0 && wireBytesPerRecord === null) {
    return 'the size of its records is not known: neither its logs nor its batches may be read'
  }
  if (topic.leaderBytes === null) return 'the size of its logs is not known'
  return untiered === null ? null : `it is tiered, and price book '${untiered}' has no price for that`
}

function notesOf(topic: ObservedTopic, fillUsd: number, usd: number): string[] {
  const { rate, batches, times, oldestMs } = topic
  if (rate === null) return []
  const notes: string[] = []
  const isMoving = rate.recordsPerSecond > 0
  if (isMoving && batches === null) notes.push('its batches were not seen: codec and depth are not known')
  if (times === 'astray') notes.push('the times of its records are not those at which they came')
  if (rate.from !== rate.to) {
    const seen = spanText(rate.overMs)
    notes.push(
      rate.basis === 'watched'
        ? isMoving
          ? `its rate was watched for ${seen} only`
          : `nothing came in ${seen} of watching, and nothing else tells whether something comes`
        : rate.basis === 'since-first-record'
          ? `its oldest record is ${seen} old${oldestMs === null ? '' : ', by its own time'}: too short to tell a month`
          : `its rate is that of ${seen} by the times of its records, which watching does not confirm`,
    )
  }
  if (fillUsd > 0.05 * usd) notes.push('its log is not as full yet as its retention lets it become')
  return notes
}

function spanText(ms: number): string {
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`
}

/** The bill without the lines that nothing is known for: CPU of clients is not seen from outside. */
export function costOfState(state: TopicState, cluster: ClusterModel): Cost {
  const cost = bill(state.quantities, state.shape, cluster)
  return {
    ...cost,
    lines: cost.lines.filter(({ meter, usdPerMonth }) => meter !== 'client-compute' && usdPerMonth > 0),
  }
}

/** The same traffic with other stored bytes, and what they are before compression. */
export function withStored(
  quantities: Quantities,
  localBytes: number,
  remoteBytes: number,
  ratio = quantities.localBytes > 0 ? quantities.localLogicalBytes / quantities.localBytes : 1,
): Quantities {
  return {
    ...quantities,
    localBytes,
    remoteBytes,
    localLogicalBytes: localBytes * ratio,
    remoteLogicalBytes: remoteBytes * ratio,
  }
}

function ratioOf({ batches }: ObservedTopic): number {
  return batches === null ? 1 : batches.uncompressedBytes / batches.wireBytes
}

/** The same traffic with other bytes: broker CPU follows them. */
export function withCpu(quantities: Quantities, shape: Shape, cluster: ClusterModel): Quantities {
  const { recordsPerSecond, wireBytesPerSecond, logicalBytesPerSecond } = quantities
  if (recordsPerSecond === 0) return { ...quantities, brokerCpuUsPerSecond: 0 }
  const codec = logicalBytesPerSecond > wireBytesPerSecond ? 'zstd' : 'none'
  const perRecord = brokerCpuUs(cluster, { replication: shape.replication, codec }, shape.groups, {
    records: 1,
    wireBytes: wireBytesPerSecond / recordsPerSecond,
    uncompressedBytes: logicalBytesPerSecond / recordsPerSecond,
    produceRequests: 0,
    fetchRequests: 0,
  })
  return { ...quantities, brokerCpuUsPerSecond: perRecord * recordsPerSecond }
}

/** T3. What passed is what the log grew by. For a month ahead, of a log that grew by hardly anything, and of one whose batches are still like those of now, the whole is the better sample. */
function bytesPerRecordOf(topic: ObservedTopic, isPassed: boolean): number | null {
  const { configs, retainedRecords, leaderBytes, batches, watched } = topic
  const share = batches === null ? 1 : batches.records / (batches.records + batches.markers)
  const sampled = batches === null ? null : (batches.wireBytes + batches.markerBytes) / batches.records
  const grown =
    watched === null || watched.bytes === null || watched.bytes === 0 || watched.offsets === 0
      ? null
      : watched.bytes / (watched.offsets * share)
  const compacted = configs === null || configs.compacted
  // While a log is compacted it may shrink and grow at once.
  const isGrown = grown !== null && (!compacted || sampled === null || grown > sampled * LIKE)
  const isEnough = isPassed || watched === null || watched.offsets >= ENOUGH_GROWN || watched.bytes! >= ENOUGH_BYTES
  if (isGrown && (sampled === null || isEnough)) return grown
  const isWhole = !compacted && retainedRecords !== null && retainedRecords >= ENOUGH_RECORDS
  const whole = isWhole && leaderBytes !== null && leaderBytes > 0 ? leaderBytes / retainedRecords : null
  if (whole === null) return sampled
  return sampled === null || (sampled > whole * LIKE && sampled < whole / LIKE) ? whole : sampled
}

/** What tiering holds is not seen on disks: it is the rate for as long as the retention. */
function tieredBytes({ configs }: ObservedTopic, wireBytesPerSecond: number): number {
  return configs?.tiered === true ? (wireBytesPerSecond * (configs.retentionMs ?? FOREVER_MS)) / 1_000 : 0
}

function storedOf(
  topic: ObservedTopic,
  wireBytesPerSecond: number,
): { readonly localBytes: number; readonly remoteBytes: number } {
  const { configs, startOffset } = topic
  const seen = topic.leaderBytes ?? 0
  if (configs === null) return { localBytes: seen, remoteBytes: 0 }
  const { retentionMs, localRetentionMs, tiered } = configs
  const { localBytes, remoteBytes } = storedBytes({
    wireBytesPerSecond,
    partitions: topic.partitions,
    retentionMs,
    localRetentionMs: tiered ? localRetentionMs : null,
    retainedBytes: seen,
    segment: { ms: configs.segmentMs, bytes: configs.segmentBytes },
  })
  if (tiered) return { localBytes: seen, remoteBytes }
  // A log that lost its oldest segments is as full as it gets.
  const isFilling = startOffset === 0
  if (!isFilling || retentionMs === null || configs.compacted || wireBytesPerSecond === 0) {
    return { localBytes: seen, remoteBytes: 0 }
  }
  const limit =
    configs.retentionBytes === null
      ? Number.POSITIVE_INFINITY
      : (configs.retentionBytes + configs.segmentBytes) * topic.partitions
  return { localBytes: Math.max(seen, Math.min(limit, localBytes)), remoteBytes: 0 }
}
