/**
 * What one topic costs a month, from what was observed of it: the same bill as everywhere, over measured bytes.
 *
 * T1. What cannot be known of a topic (it may not be read, its rate is not clear yet) is not priced and says so; it is never free.
 * T2. A log that did not reach its retention yet is priced as it will be, not as small as it is today.
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
  readonly cost: Cost
  readonly wireBytesPerRecord: number | null
  /** Groups that read it now. */
  readonly readers: number
  /** Groups with a position on it that do not. */
  readonly idleGroups: number
  /** Null: priced in full. Else what is missing, and why (T1). */
  readonly unpriced: string | null
  readonly notes: readonly string[]
}

export interface Readers {
  readonly active: number
  readonly idle: number
}

const ENOUGH_RECORDS = 1_000
const NO_READERS: Readers = { active: 0, idle: 0 }

/** How many groups read each topic now, and how many only have a position on it. */
export function readersByTopic({ groups }: ClusterObservation): ReadonlyMap<string, Readers> {
  const byTopic = new Map<string, Readers>()
  for (const { members, topics } of groups) {
    for (const { topic, moving } of topics) {
      const { active, idle } = byTopic.get(topic) ?? NO_READERS
      const reads = (members ?? 0) > 0 || moving
      byTopic.set(topic, reads ? { active: active + 1, idle } : { active, idle: idle + 1 })
    }
  }
  return byTopic
}

/** @param storage `as-it-will-be` for a month ahead (T2), `as-it-is` for what passed */
export function billOf(
  topic: ObservedTopic,
  readers: ReadonlyMap<string, Readers>,
  cluster: ClusterModel,
  storage: 'as-it-will-be' | 'as-it-is' = 'as-it-will-be',
): TopicBill {
  const { active, idle } = readers.get(topic.name) ?? NO_READERS
  const notes: string[] = []
  const wireBytesPerRecord = bytesPerRecordOf(topic)
  const recordsPerSecond = topic.rate?.recordsPerSecond ?? 0
  let unpriced: string | null = null
  if (topic.rate === null)
    unpriced = 'its rate is not known: offsets may not be read, or its first record is less than a minute old'
  else if (recordsPerSecond > 0 && wireBytesPerRecord === null) {
    unpriced = 'the size of its records is not known: neither its logs nor its batches may be read'
  } else if (topic.leaderBytes === null) unpriced = 'the size of its logs is not known'
  const wire = recordsPerSecond * (wireBytesPerRecord ?? 0)
  if (wire > 0 && topic.batches === null) notes.push('its batches were not seen: codec and depth are not known')
  if (topic.rate?.basis === 'watched') {
    notes.push(
      `its rate is that of ${Math.round(topic.rate.overMs / 1_000)} s of watching: its first record is hardly older`,
    )
  }
  const stored =
    storage === 'as-it-will-be'
      ? storedOf(topic, wire, notes)
      : { localBytes: topic.leaderBytes ?? 0, remoteBytes: tieredBytes(topic, wire) }
  const isTiered = topic.configs?.tiered ?? false
  const isTieringPriced = cluster.book.figures['remote-storage'] !== undefined
  if (isTiered && !isTieringPriced) {
    unpriced ??= `it is tiered, and price book '${cluster.book.id}' has no price for that`
  }
  const shape: Shape = {
    groups: active,
    partitions: topic.partitions,
    replication: topic.replication,
    followerFetch: cluster.followerFetch,
    tiered: isTiered && isTieringPriced,
    peakMultiple: 1,
  }
  const moving: Quantities = {
    ...NO_QUANTITIES,
    recordsPerSecond,
    wireBytesPerSecond: wire,
    logicalBytesPerSecond: wire * ratioOf(topic),
  }
  const quantities = withStored(moving, stored.localBytes, stored.remoteBytes, ratioOf(topic))
  const state: TopicState = { quantities: withCpu(quantities, shape, cluster), shape }
  const cost = costOfState(state, cluster)
  return { topic, state, cost, wireBytesPerRecord, readers: active, idleGroups: idle, unpriced, notes }
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

/** Of the whole log where that is possible, else of the sampled batches: a log holds what was, and all of it. */
function bytesPerRecordOf({ configs, retainedRecords, leaderBytes, batches }: ObservedTopic): number | null {
  const isWhole =
    configs !== null && !configs.compacted && retainedRecords !== null && retainedRecords >= ENOUGH_RECORDS
  if (isWhole && leaderBytes !== null && leaderBytes > 0) return leaderBytes / retainedRecords
  return batches === null ? null : batches.wireBytes / batches.records
}

/** What tiering holds is not seen on disks: it is the rate for as long as the retention. */
function tieredBytes({ configs }: ObservedTopic, wireBytesPerSecond: number): number {
  return configs?.tiered === true ? (wireBytesPerSecond * (configs.retentionMs ?? FOREVER_MS)) / 1_000 : 0
}

function storedOf(
  topic: ObservedTopic,
  wireBytesPerSecond: number,
  notes: string[],
): { readonly localBytes: number; readonly remoteBytes: number } {
  const { configs, endOffset, retainedRecords } = topic
  const seen = topic.leaderBytes ?? 0
  if (configs === null) return { localBytes: seen, remoteBytes: 0 }
  const { retentionMs, localRetentionMs, tiered } = configs
  const { localBytes, remoteBytes } = storedBytes({
    wireBytesPerSecond,
    partitions: topic.partitions,
    retentionMs,
    localRetentionMs: tiered ? localRetentionMs : null,
    retainedBytes: seen,
  })
  if (tiered) return { localBytes: seen, remoteBytes }
  const nothingWasDeleted = endOffset !== null && retainedRecords !== null && endOffset === retainedRecords
  if (!nothingWasDeleted || retentionMs === null || configs.compacted || wireBytesPerSecond === 0) {
    return { localBytes: seen, remoteBytes: 0 }
  }
  const limit = configs.retentionBytes === null ? Number.POSITIVE_INFINITY : configs.retentionBytes * topic.partitions
  const full = Math.min((wireBytesPerSecond * retentionMs) / 1_000, limit, localBytes)
  if (full > seen * 1.05) notes.push('its log did not reach the retention yet: storage is priced as it will be')
  return { localBytes: Math.max(seen, full), remoteBytes: 0 }
}
