/**
 * What a cluster costs and what could be saved, from one look at it: the answer of `mq scan`.
 *
 * R1. The topics and the rest add up to the total, and the meters do too. A topic's parts are what it causes now, what its log adds
 *     until it is full, and its share of idle brokers: the same parts, by the same rules, as in `mq cost` and `mq explain`.
 * R4. What was seen for too short a time is a range, and stands apart from what is known well.
 * R2. The savings of the list add up to what they save together (savings.ts, V1).
 * R3. Every assumption, the price book and what could not be seen are part of the report.
 */
import {
  type ClusterModel,
  type CostLine,
  HOURS_PER_MONTH,
  idleShares,
  instanceOf,
  type Meter,
  type Weight,
} from '@mq/economics'
import { brokerSaving } from './broker-size.ts'
import type { Certainty, ClusterObservation, ObservationProblem, ObservedRate } from './observation.ts'
import { remarksOf } from './remarks.ts'
import type { SavingConfidence, SavingKind, ScannedSaving, TopicSaving } from './saving.ts'
import { savingsOf } from './savings.ts'
import { billOf, readersByTopic, type TopicBill } from './topic-bill.ts'

export interface ScannedTopic {
  readonly topic: string
  /** What it causes, with its log as full as it will be. Null where it could not be priced; `notes` say why. */
  readonly usdPerMonth: number | null
  /** What the rate may be allows anything between them; both are `usdPerMonth` where it is known well. */
  readonly fromUsdPerMonth: number | null
  readonly toUsdPerMonth: number | null
  /** `caused` and `toFill` add up to `usdPerMonth`; `idle` is its share of brokers that no topic needs. */
  readonly parts: { readonly caused: number; readonly toFill: number; readonly idle: number } | null
  readonly confidence: Certainty | null
  readonly meters: Readonly<Partial<Record<Meter, number>>>
  readonly recordsPerSecond: number | null
  readonly rateBasis: ObservedRate['basis'] | null
  readonly rateOverMs: number | null
  readonly fromRecordsPerSecond: number | null
  readonly toRecordsPerSecond: number | null
  /** By the time of its oldest record; null where that is not known. */
  readonly oldestMs: number | null
  readonly wireBytesPerSecond: number
  readonly wireBytesPerRecord: number | null
  /** One copy. */
  readonly storedBytes: number | null
  readonly storedRecords: number | null
  readonly codec: string | null
  readonly recordsPerBatch: number | null
  /** Bytes before compression over bytes on the wire. */
  readonly compressionRatio: number | null
  readonly partitions: number
  readonly quietPartitions: number | null
  readonly replication: number
  readonly retentionMs: number | null
  readonly readers: number
  readonly idleGroups: number
  readonly notes: readonly string[]
}

export interface ScanReport {
  readonly cluster: string
  readonly clusterId: string | null
  readonly startedAtMs: number
  readonly tookMs: number
  readonly watchedMs: number
  readonly brokers: number
  readonly zones: number
  readonly priceBook: {
    readonly id: string
    readonly version: string
    readonly title: string
    readonly notes: readonly string[]
  }
  readonly assumptions: readonly string[]
  readonly problems: readonly ObservationProblem[]
  readonly totals: {
    readonly usdPerMonth: number
    readonly topicsUsdPerMonth: number
    /** Of the topics whose rate is known well (R4). */
    readonly knownUsdPerMonth: number
    /** What all topics may cost, by what was seen of them. */
    readonly fromUsdPerMonth: number
    readonly toUsdPerMonth: number
    readonly rangedTopics: number
    /** Brokers and fees that no topic's load explains; negative when topics need more than there is. */
    readonly unallocatedUsdPerMonth: number
    readonly meters: readonly { readonly meter: Meter; readonly usdPerMonth: number }[]
    readonly topics: number
    readonly unpricedTopics: number
  }
  /** The most expensive first. */
  readonly topics: readonly ScannedTopic[]
  /** Brokers first, then the largest; one that counts on others of its topic stands after them. */
  readonly savings: readonly ScannedSaving[]
  readonly together: {
    readonly usdPerMonth: number
    readonly shareOfTopics: number
    readonly byConfidence: Readonly<Record<SavingConfidence, number>>
    readonly computeUsdPerMonth: number
  }
  /** What is only reported: copies that guard against loss, groups that stand still. */
  readonly remarks: readonly string[]
}

/** Savings that are made once for a whole cluster. */
const CLUSTER_WIDE: ReadonlySet<SavingKind> = new Set(['follower-fetch'])

export function scanReport(observation: ClusterObservation, cluster: ClusterModel): ScanReport {
  const readers = readersByTopic(observation)
  const bills = observation.topics
    .map((topic) => billOf(topic, readers, cluster))
    .toSorted((a, b) => b.cost.usdPerMonth - a.cost.usdPerMonth || (a.topic.name < b.topic.name ? -1 : 1))
  const priced = bills.filter(({ unpriced }) => unpriced === null)
  const topicLines = priced.flatMap(({ cost }) => cost.lines)
  const topicsUsd = topicLines.reduce((sum, line) => sum + line.usdPerMonth, 0)
  const rest = restOf(topicLines, cluster)
  const each = priced.map((bill) => savingsOf(bill, cluster, observation.startedAtMs))
  const brokers = brokerSaving(priced, observation, cluster)
  const savings = [...(brokers === undefined ? [] : [brokers]), ...ranked(each.flatMap((one) => one.savings))]
  const known = priced.filter(({ range }) => range.fromUsd === range.toUsd)
  const idle = idleByTopic(priced, rest)
  const saved = savings.reduce((sum, { usdPerMonth }) => sum + usdPerMonth, 0)
  const of = (confidence: SavingConfidence): number =>
    savings.reduce((sum, one) => (one.confidence === confidence ? sum + one.usdPerMonth : sum), 0)
  return {
    cluster: observation.cluster,
    clusterId: observation.clusterId,
    startedAtMs: observation.startedAtMs,
    tookMs: observation.tookMs,
    watchedMs: observation.watchedMs,
    brokers: observation.brokers.length,
    zones: cluster.zones,
    priceBook: {
      id: cluster.book.id,
      version: cluster.book.version,
      title: cluster.book.title,
      notes: cluster.book.notes,
    },
    assumptions: [...cluster.assumptions, ...modelAssumptions(topicLines, cluster)],
    problems: observation.problems,
    totals: {
      usdPerMonth: topicsUsd + rest.reduce((sum, line) => sum + line.usdPerMonth, 0),
      topicsUsdPerMonth: topicsUsd,
      knownUsdPerMonth: known.reduce((sum, { cost }) => sum + cost.usdPerMonth, 0),
      fromUsdPerMonth: priced.reduce((sum, { range }) => sum + range.fromUsd, 0),
      toUsdPerMonth: priced.reduce((sum, { range }) => sum + range.toUsd, 0),
      rangedTopics: priced.length - known.length,
      unallocatedUsdPerMonth: rest.reduce((sum, line) => sum + line.usdPerMonth, 0),
      meters: byMeter([...topicLines, ...rest]),
      topics: bills.length,
      unpricedTopics: bills.length - priced.length,
    },
    topics: bills.map((bill) => scannedTopic(bill, idle.get(bill.topic.name) ?? 0)),
    savings,
    together: {
      usdPerMonth: saved,
      shareOfTopics: topicsUsd > 0 ? (saved - (brokers?.usdPerMonth ?? 0)) / topicsUsd : 0,
      byConfidence: { high: of('high'), medium: of('medium'), low: of('low') },
      computeUsdPerMonth: savings.reduce((sum, one) => sum + one.computeUsdPerMonth, 0),
    },
    remarks: remarksOf(bills, observation, cluster),
  }
}

type MeterUsd = Pick<CostLine, 'meter' | 'usdPerMonth'>

/** What the cluster costs whatever its topics do, less what they were charged of it. */
function restOf(lines: readonly CostLine[], cluster: ClusterModel): MeterUsd[] {
  const { book, brokers, instanceType } = cluster
  const rest: MeterUsd[] = []
  if (instanceType !== null && book.tariff.compute === 'vcpu') {
    const all = brokers * instanceOf(book, instanceType).usdPerHour * HOURS_PER_MONTH
    const charged = lines.reduce((sum, line) => (line.meter === 'broker-compute' ? sum + line.usdPerMonth : sum), 0)
    rest.push({ meter: 'broker-compute', usdPerMonth: all - charged })
  }
  const perHour = book.figures['cluster-hour']
  if (perHour !== undefined) rest.push({ meter: 'cluster-hour', usdPerMonth: perHour.usd * HOURS_PER_MONTH })
  return rest
}

/** What every topic carries of brokers that none of them needs, by the rule of showback. */
function idleByTopic(bills: readonly TopicBill[], rest: readonly MeterUsd[]): Map<string, number> {
  const idleUsd = rest.reduce((sum, line) => (line.meter === 'broker-compute' ? sum + line.usdPerMonth : sum), 0)
  const shares = idleShares(bills.map(weightOf))
  return new Map(bills.map(({ topic }, at) => [topic.name, idleUsd * shares[at]!]))
}

export function weightOf({ state, topic, readers }: Pick<TopicBill, 'state' | 'topic' | 'readers'>): Weight {
  const { wireBytesPerSecond } = state.quantities
  return {
    wireInBytes: wireBytesPerSecond,
    wireOutBytes: wireBytesPerSecond * readers,
    replicas: topic.partitions * topic.replication,
  }
}

function byMeter(lines: readonly MeterUsd[]): { meter: Meter; usdPerMonth: number }[] {
  const sums = new Map<Meter, number>()
  for (const { meter, usdPerMonth } of lines) sums.set(meter, (sums.get(meter) ?? 0) + usdPerMonth)
  return [...sums]
    .map(([meter, usdPerMonth]) => ({ meter, usdPerMonth }))
    .toSorted((a, b) => b.usdPerMonth - a.usdPerMonth)
}

/** R2: those of a whole cluster as one line; the largest first, but never one before those it counts on. */
function ranked(savings: readonly TopicSaving[]): ScannedSaving[] {
  const groups = Map.groupBy(savings, ({ kind, topic }) => (CLUSTER_WIDE.has(kind) ? kind : `${kind} ${topic}`))
  const lines = [...groups.values()].map((group): ScannedSaving => {
    const [first] = group
    const sum = (of: (one: TopicSaving) => number): number => group.reduce((total, one) => total + of(one), 0)
    const isWide = CLUSTER_WIDE.has(first!.kind)
    return {
      ...first!,
      topic: isWide ? null : first!.topic,
      topics: group.length,
      confidence: group.some(({ confidence }) => confidence === 'low') && !isWide ? 'low' : first!.confidence,
      after: [...new Set(group.flatMap(({ after }) => after))],
      usdPerMonth: sum((one) => one.usdPerMonth),
      aloneUsdPerMonth: sum((one) => one.aloneUsdPerMonth),
      computeUsdPerMonth: sum((one) => one.computeUsdPerMonth),
    }
  })
  const left = lines.toSorted((a, b) => b.usdPerMonth - a.usdPerMonth)
  const ordered: ScannedSaving[] = []
  while (left.length > 0) {
    const at = left.findIndex(
      (one) =>
        !left.some(
          (other) =>
            other !== one && one.after.includes(other.kind) && (one.topic === null || other.topic === one.topic),
        ),
    )
    ordered.push(...left.splice(Math.max(0, at), 1))
  }
  return ordered
}

function scannedTopic(bill: TopicBill, idle: number): ScannedTopic {
  const { topic, cost, state, unpriced, notes, range, fillUsdPerMonth } = bill
  const isPriced = unpriced === null
  const { batches, rate, configs } = topic
  return {
    topic: topic.name,
    usdPerMonth: isPriced ? cost.usdPerMonth : null,
    fromUsdPerMonth: isPriced ? range.fromUsd : null,
    toUsdPerMonth: isPriced ? range.toUsd : null,
    parts: isPriced ? { caused: cost.usdPerMonth - fillUsdPerMonth, toFill: fillUsdPerMonth, idle } : null,
    confidence: rate?.confidence ?? null,
    meters: Object.fromEntries(
      byMeter(isPriced ? cost.lines : []).map(({ meter, usdPerMonth }) => [meter, usdPerMonth]),
    ),
    recordsPerSecond: rate?.recordsPerSecond ?? null,
    rateBasis: rate?.basis ?? null,
    rateOverMs: rate?.overMs ?? null,
    fromRecordsPerSecond: rate?.from ?? null,
    toRecordsPerSecond: rate?.to ?? null,
    oldestMs: topic.oldestMs,
    wireBytesPerSecond: state.quantities.wireBytesPerSecond,
    wireBytesPerRecord: bill.wireBytesPerRecord,
    storedBytes: topic.leaderBytes,
    storedRecords: topic.retainedRecords,
    codec: batches === null ? null : codecsText(batches.codecs),
    recordsPerBatch: batches === null ? null : batches.records / batches.batches,
    compressionRatio: batches === null ? null : batches.uncompressedBytes / batches.wireBytes,
    partitions: topic.partitions,
    quietPartitions: topic.quietPartitions,
    replication: topic.replication,
    retentionMs: configs?.retentionMs ?? null,
    readers: bill.readers,
    idleGroups: bill.idleGroups,
    notes: [...(isPriced ? [] : [`not priced: ${unpriced}`]), ...notes],
  }
}

function codecsText(codecs: Readonly<Record<string, number>>): string {
  return Object.entries(codecs)
    .toSorted(([, a], [, b]) => b - a)
    .map(([codec]) => codec)
    .join('+')
}

function modelAssumptions(lines: readonly CostLine[], cluster: ClusterModel): string[] {
  const seen = new Set(lines.map(({ meter }) => meter))
  return [
    'rates that were seen for a day go on for a month of 730 hours; what was seen for less is a range',
    'readers are the consumer groups with members; applications outside groups are not seen',
    ...(seen.has('cross-zone-transfer') ? [`clients and leaders are spread evenly over ${cluster.zones} zones`] : []),
    ...(seen.has('broker-storage') && cluster.book.tariff.storage === 'disk'
      ? [`disks are filled to ${Math.round(cluster.diskShare * 100)} %`]
      : []),
    ...(seen.has('broker-compute') && cluster.constants.brokerCpu.kind === 'sizing-rule'
      ? [
          `a broker vCPU carries ${cluster.constants.brokerCpu.inMibPerSecond} MiB/s in and ${cluster.constants.brokerCpu.outMibPerSecond} MiB/s out`,
        ]
      : []),
    'CPU of applications is not counted',
    ...[...seen].flatMap((meter) => {
      const figure = cluster.book.figures[meter]
      return figure === undefined || figure.confidence === 'verified'
        ? []
        : [
            figure.source === 'override'
              ? `${meter} is priced as given: ${figure.usd} USD`
              : `the price of ${meter} is ${figure.confidence} (${figure.source}, ${figure.dated})`,
          ]
    }),
  ]
}
