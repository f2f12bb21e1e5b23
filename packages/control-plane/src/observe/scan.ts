/**
 * What a cluster costs and what could be saved, from one look at it: the answer of `mq scan`.
 *
 * R1. The topics and the rest add up to the total, and the meters do too.
 * R2. The savings of the list add up to what they save together (savings.ts, V1).
 * R3. Every assumption, the price book and what could not be seen are part of the report.
 */
import { type ClusterModel, type CostLine, HOURS_PER_MONTH, instanceOf, type Meter } from '@mq/economics'
import type { ClusterObservation, ObservationProblem, ObservedRate } from './observation.ts'
import { type SavingConfidence, type SavingKind, savingsOf, type TopicSaving } from './savings.ts'
import { billOf, costOfState, readersByTopic, type TopicBill } from './topic-bill.ts'

export interface ScannedTopic {
  readonly topic: string
  /** Null where it could not be priced; `notes` say why. */
  readonly usdPerMonth: number | null
  readonly meters: Readonly<Partial<Record<Meter, number>>>
  readonly recordsPerSecond: number | null
  readonly rateBasis: ObservedRate['basis'] | null
  readonly rateOverMs: number | null
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

export interface ScannedSaving {
  readonly kind: SavingKind
  /** Null: the whole cluster, all its topics together. */
  readonly topic: string | null
  readonly topics: number
  readonly change: string
  readonly assumption: string
  readonly confidence: SavingConfidence
  readonly usdPerMonth: number
  readonly aloneUsdPerMonth: number
  readonly computeUsdPerMonth: number
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
    /** Brokers and fees that no topic's load explains; negative when topics need more than there is. */
    readonly unallocatedUsdPerMonth: number
    readonly meters: readonly { readonly meter: Meter; readonly usdPerMonth: number }[]
    readonly topics: number
    readonly unpricedTopics: number
  }
  /** The most expensive first. */
  readonly topics: readonly ScannedTopic[]
  /** The largest first. */
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
  const savings = ranked(each.flatMap((one) => one.savings))
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
      unallocatedUsdPerMonth: rest.reduce((sum, line) => sum + line.usdPerMonth, 0),
      meters: byMeter([...topicLines, ...rest]),
      topics: bills.length,
      unpricedTopics: bills.length - priced.length,
    },
    topics: bills.map(scannedTopic),
    savings,
    together: {
      usdPerMonth: saved,
      shareOfTopics: topicsUsd > 0 ? saved / topicsUsd : 0,
      byConfidence: { high: of('high'), medium: of('medium'), low: of('low') },
      computeUsdPerMonth: savings.reduce((sum, one) => sum + one.computeUsdPerMonth, 0),
    },
    remarks: remarksOf(priced, observation, cluster),
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

function byMeter(lines: readonly MeterUsd[]): { meter: Meter; usdPerMonth: number }[] {
  const sums = new Map<Meter, number>()
  for (const { meter, usdPerMonth } of lines) sums.set(meter, (sums.get(meter) ?? 0) + usdPerMonth)
  return [...sums]
    .map(([meter, usdPerMonth]) => ({ meter, usdPerMonth }))
    .toSorted((a, b) => b.usdPerMonth - a.usdPerMonth)
}

/** R2: those of a whole cluster as one line. */
function ranked(savings: readonly TopicSaving[]): ScannedSaving[] {
  const groups = Map.groupBy(savings, ({ kind, topic }) => (CLUSTER_WIDE.has(kind) ? kind : `${kind} ${topic}`))
  return [...groups.values()]
    .map((group): ScannedSaving => {
      const [first] = group
      const sum = (of: (one: TopicSaving) => number): number => group.reduce((total, one) => total + of(one), 0)
      return {
        ...first!,
        topic: CLUSTER_WIDE.has(first!.kind) ? null : first!.topic,
        topics: group.length,
        usdPerMonth: sum((one) => one.usdPerMonth),
        aloneUsdPerMonth: sum((one) => one.aloneUsdPerMonth),
        computeUsdPerMonth: sum((one) => one.computeUsdPerMonth),
      }
    })
    .toSorted((a, b) => b.usdPerMonth - a.usdPerMonth)
}

function scannedTopic(bill: TopicBill): ScannedTopic {
  const { topic, cost, state, unpriced, notes } = bill
  const { batches, rate, configs } = topic
  return {
    topic: topic.name,
    usdPerMonth: unpriced === null ? cost.usdPerMonth : null,
    meters: Object.fromEntries(
      byMeter(unpriced === null ? cost.lines : []).map(({ meter, usdPerMonth }) => [meter, usdPerMonth]),
    ),
    recordsPerSecond: rate?.recordsPerSecond ?? null,
    rateBasis: rate?.basis ?? null,
    rateOverMs: rate?.overMs ?? null,
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
    notes: [...(unpriced === null ? [] : [`not priced: ${unpriced}`]), ...notes],
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
    'rates of the last 24 hours go on for a month of 730 hours',
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

/** V3 of savings.ts, and what stands still. */
function remarksOf(bills: readonly TopicBill[], observation: ClusterObservation, cluster: ClusterModel): string[] {
  const remarks: string[] = []
  const third = bills
    .filter(({ state, topic }) => state.shape.replication === 3 && !topic.internal)
    .reduce((sum, { state, cost }) => {
      const two = costOfState({ ...state, shape: { ...state.shape, replication: 2 } }, cluster)
      return sum + cost.usdPerMonth - two.usdPerMonth
    }, 0)
  if (third > 0.01) {
    remarks.push(
      `the third copy of its topics costs $${third.toFixed(2)}/month; without it one lost broker leaves a single copy, so it is not proposed`,
    )
  }
  const single = bills.filter(({ state, topic }) => state.shape.replication === 1 && !topic.internal).length
  if (single > 0 && observation.brokers.length > 1) {
    remarks.push(`${single} topic${single === 1 ? ' has' : 's have'} one copy only: a lost broker loses records`)
  }
  const idle = observation.groups.filter(
    ({ members, topics }) => members === 0 && topics.length > 0 && topics.every(({ moving }) => !moving),
  )
  if (idle.length > 0) {
    const names = idle.slice(0, 3).map(({ group }) => group)
    remarks.push(
      `${idle.length} group${idle.length === 1 ? ' has' : 's have'} positions and no members (${names.join(', ')}${idle.length > 3 ? ', ...' : ''}): they cost nothing by themselves, but nobody may be reading what is kept for them`,
    )
  }
  const quiet = bills.reduce((sum, { topic }) => sum + (topic.internal ? 0 : (topic.quietPartitions ?? 0)), 0)
  if (quiet > 0 && !cluster.book.tariff.perPartition) {
    remarks.push(
      `${quiet} partition${quiet === 1 ? '' : 's'} got no record in a day: room on brokers, but on no bill of its own here`,
    )
  }
  return remarks
}
