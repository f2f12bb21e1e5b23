/**
 * What could be saved on one topic, one change after the other, each priced on what the ones before left.
 *
 * V1. The savings of a topic add up to what all of them together save: nothing is counted twice.
 * V2. What was not measured says what it assumes. Codecs and batch depths are tried on the topic's own records or not proposed.
 * V3. Fewer than three copies are never proposed: what the third one costs is a price of durability, shown apart.
 * V4. Nothing is proposed to be deleted or kept for a shorter time on the times of records alone, and nothing below where a group with
 *     a position on the topic stands.
 * V5. A saving is at most as sure as the rate it is computed from.
 * V6. A codec that readers may lack is proposed where batches prove that they have it, and elsewhere as a question to them.
 */
import { type ClusterModel, type Cost, NO_QUANTITIES } from '@mq/economics'
import { codecChange } from './codec-saving.ts'
import { type Change, namesOf, type SavingConfidence, type TopicSaving, type TopicSavings } from './saving.ts'
import { costOfState, type TopicBill, withStored } from './topic-bill.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const IDLE_MS = 7 * DAY_MS
const LONG_IDLE_MS = 30 * DAY_MS
const SHORT_RETENTION_MS = 3 * DAY_MS
const BOUNDED_RETENTION_MS = 30 * DAY_MS
const LEAST_USD = 0.01

/** In the order in which they are counted: the surest first. */
export function savingsOf(bill: TopicBill, cluster: ClusterModel, nowMs: number): TopicSavings {
  let state = bill.state
  let cost = bill.cost
  const savings: TopicSaving[] = []
  for (const { apply, ...words } of changesOf(bill, cluster, nowMs)) {
    const next = apply(state)
    const after = costOfState(next, cluster)
    const usdPerMonth = cost.usdPerMonth - after.usdPerMonth
    if (usdPerMonth < LEAST_USD) continue
    const alone = costOfState(apply(bill.state), cluster)
    savings.push({
      ...words,
      confidence: leastSure(words.confidence, bill.topic.rate?.confidence ?? 'low'),
      after: savings.map(({ kind }) => kind),
      topic: bill.topic.name,
      usdPerMonth,
      aloneUsdPerMonth: bill.cost.usdPerMonth - alone.usdPerMonth,
      computeUsdPerMonth: computeOf(cost) - computeOf(after),
    })
    state = next
    cost = after
  }
  return { savings, after: cost }
}

/** V5 */
function leastSure(a: SavingConfidence, b: SavingConfidence): SavingConfidence {
  const order = ['low', 'medium', 'high'] as const
  return order[Math.min(order.indexOf(a), order.indexOf(b))]!
}

function computeOf(cost: Cost): number {
  return cost.lines.reduce((sum, line) => (line.meter === 'broker-compute' ? sum + line.usdPerMonth : sum), 0)
}

function changesOf(bill: TopicBill, cluster: ClusterModel, nowMs: number): Change[] {
  if (bill.topic.internal) return []
  const idle = idleTopic(bill, nowMs)
  if (idle !== undefined) return [idle]
  return [
    codecChange(bill, cluster),
    replicationChange(bill),
    partitionsChange(bill, cluster),
    retentionChange(bill),
    tieringChange(bill, cluster),
    unreadTopic(bill),
    // Made once for the whole cluster, so it counts on all that is done to single topics.
    followerFetchChange(bill, cluster),
  ].filter((change) => change !== undefined)
}

/** V3 */
function replicationChange({ topic, state }: TopicBill): Change | undefined {
  if (state.shape.replication <= 3) return undefined
  const minInsync = topic.configs?.minInsync
  return {
    kind: 'replication',
    change: `3 copies instead of ${state.shape.replication}`,
    assumption: `three copies are enough${minInsync === undefined ? '' : `; min.insync.replicas is ${minInsync}`}`,
    confidence: 'medium',
    apply: (before) => ({ ...before, shape: { ...before.shape, replication: 3 } }),
  }
}

function followerFetchChange({ readers }: TopicBill, cluster: ClusterModel): Change | undefined {
  if (readers === 0 || cluster.zones < 2 || cluster.followerFetch) return undefined
  return {
    kind: 'follower-fetch',
    change:
      'let consumers read from the copy in their zone: replica.selector.class on brokers, client.rack in consumers',
    assumption: 'brokers have racks, every zone holds a copy, and up to 500 ms more until a record is read do no harm',
    confidence: 'medium',
    apply: (before) => ({ ...before, shape: { ...before.shape, followerFetch: true } }),
  }
}

function partitionsChange({ topic }: TopicBill, cluster: ClusterModel): Change | undefined {
  const quiet = topic.quietPartitions ?? 0
  if (!cluster.book.tariff.perPartition || quiet < 2 || topic.partitions - quiet < 1) return undefined
  const wanted = Math.max(1, topic.partitions - quiet)
  return {
    kind: 'partitions',
    change: `${wanted} partitions instead of ${topic.partitions}: ${quiet} got no record in a day`,
    assumption: 'the day is like others; fewer partitions mean a new topic, and keys move',
    confidence: 'low',
    apply: (before) => ({ ...before, shape: { ...before.shape, partitions: wanted } }),
  }
}

/** V4: shorter only where everybody with a position keeps up, and said to be for a person to judge. */
function retentionChange({ topic, readers, groups }: TopicBill): Change | undefined {
  const { configs, rate } = topic
  if (configs === null || configs.compacted || configs.tiered || readers === 0) return undefined
  // A short watch, or times alone, tell nothing about how far back readers go.
  if (rate === null || rate.from === 0 || rate.confidence !== 'high') return undefined
  const { retentionMs } = configs
  const wanted = retentionMs === null ? BOUNDED_RETENTION_MS : SHORT_RETENTION_MS
  if (retentionMs !== null && retentionMs < 2 * wanted) return undefined
  if (retentionMs === null && configs.retentionBytes !== null) return undefined
  const furthest = groups.toSorted((a, b) => b.lagRecords - a.lagRecords)[0]
  const behindMs = ((furthest?.lagRecords ?? 0) / rate.from) * 1_000
  if (behindMs > wanted / 2) return undefined
  return {
    kind: 'retention',
    change: `retention ${daysText(wanted)} instead of ${retentionMs === null ? 'for ever' : daysText(retentionMs)}`,
    assumption: `nobody goes back further than that: of its groups (${namesOf(groups.map(({ group }) => group))}) the one furthest behind, ${furthest?.group ?? 'none'}, has ${Math.round(furthest?.lagRecords ?? 0).toLocaleString('en-US')} records to go, about ${daysText(behindMs)}; positions do not tell how far back readers may have to go`,
    confidence: 'low',
    apply: ({ quantities, shape }) => {
      const perMs = quantities.wireBytesPerSecond / 1_000
      const keeps = perMs * wanted + Math.min(perMs * configs.segmentMs, shape.partitions * configs.segmentBytes)
      return { shape, quantities: withStored(quantities, Math.min(quantities.localBytes, keeps), 0) }
    },
  }
}

function tieringChange({ topic }: TopicBill, cluster: ClusterModel): Change | undefined {
  const { configs, rate } = topic
  if (!cluster.book.tariff.tiered || configs === null || configs.tiered || configs.compacted) return undefined
  if (cluster.book.figures['remote-storage'] === undefined) return undefined
  const { retentionMs } = configs
  if (rate === null || rate.recordsPerSecond === 0 || retentionMs === null || retentionMs < SHORT_RETENTION_MS)
    return undefined
  return {
    kind: 'tiering',
    change: `remote.storage.enable=true, local.retention.ms=${HOUR_MS}`,
    assumption:
      'tiered storage is set up on the brokers (Kafka 3.9 or newer), and what is older than an hour is rarely read',
    confidence: cluster.tiered ? 'medium' : 'low',
    apply: ({ quantities, shape }) => {
      const open = Math.min(
        (quantities.wireBytesPerSecond * configs.segmentMs) / 1_000,
        shape.partitions * configs.segmentBytes,
      )
      const local = (quantities.wireBytesPerSecond * HOUR_MS) / 1_000 + open
      if (local >= quantities.localBytes) return { quantities, shape }
      return {
        shape: { ...shape, tiered: true },
        quantities: withStored(quantities, local, quantities.localBytes),
      }
    },
  }
}

/** V4: only where the brokers themselves write the times of records, and where nothing came while it was watched. */
function idleTopic({ topic, readers, groups, cost }: TopicBill, nowMs: number): Change | undefined {
  const { rate, watched, batches, times, configs } = topic
  if (rate === null || rate.to > 0 || readers > 0 || cost.usdPerMonth === 0) return undefined
  if (watched === null || watched.offsets > 0 || times !== 'append' || batches === null) return undefined
  const ageMs = nowMs - batches.newestMs
  if (ageMs < IDLE_MS) return undefined
  const positions = groups.length === 0 ? 'no group has a position on it' : 'no group reads it'
  return {
    kind: 'idle-topic',
    change: 'ask whether it is still needed; else delete it, or keep it somewhere cheaper',
    assumption: `brokers took its newest record ${daysText(ageMs)} ago, nothing came in ${daysText(watched.overMs)} of watching, and ${positions}${configs?.compacted === true ? '; it is compacted, so it may be reference data' : ''}`,
    confidence: configs?.compacted !== true && groups.length === 0 && ageMs >= LONG_IDLE_MS ? 'medium' : 'low',
    apply: ({ shape }) => ({ shape: { ...shape, partitions: 0 }, quantities: NO_QUANTITIES }),
  }
}

/** Topics that may be idle, though nothing proves it: named, and not proposed (V4). */
export function mayBeIdle({ topic, readers }: TopicBill, nowMs: number): boolean {
  const { rate, watched, batches, times, retainedOffsets } = topic
  if (topic.internal || readers > 0 || rate === null || watched === null || watched.offsets > 0) return false
  if (times === 'append' || rate.recordsPerSecond > 0 || retainedOffsets === 0) return false
  return batches !== null && nowMs - batches.newestMs >= IDLE_MS
}

function unreadTopic({ topic, readers, idleGroups, state }: TopicBill): Change | undefined {
  // Seen to come in: the times of records alone are no sign of a writer.
  if (readers > 0 || (topic.watched?.offsets ?? 0) === 0 || topic.rate?.recordsPerSecond === 0) return undefined
  if (state.quantities.wireBytesPerSecond === 0) return undefined
  return {
    kind: 'unread-topic',
    change: 'ask whether it is needed: it is written, and no group reads it',
    assumption: `${idleGroups === 0 ? 'no group has a position on it' : `${idleGroups} group${idleGroups === 1 ? ' has a position' : 's have positions'} on it and no members`}; readers without a group leave no trace in Kafka`,
    confidence: 'low',
    apply: ({ shape }) => ({ shape: { ...shape, partitions: 0 }, quantities: NO_QUANTITIES }),
  }
}

function daysText(ms: number): string {
  if (ms >= 2 * DAY_MS) return `${Math.round(ms / DAY_MS)} days`
  if (ms >= 2 * HOUR_MS) return `${Math.round(ms / HOUR_MS)} hours`
  return ms >= 120_000 ? `${Math.round(ms / 60_000)} minutes` : `${Math.round(ms / 1_000)} seconds`
}
