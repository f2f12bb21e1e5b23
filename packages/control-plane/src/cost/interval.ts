/**
 * What the time between two looks at a cluster cost, and who caused it.
 *
 * I1. Traffic is the difference of two looks, so an hour is the sum of what really passed in it; nothing is projected. Its bytes are
 *     those by which the log grew between them; only where something was deleted meanwhile, those of the batches seen last.
 * I2. A gap longer than MOST_GAP_MS was not watched: it is neither billed nor guessed.
 * I3. Topics that are not of an mQ ID take their share of the brokers like all others, and are told apart as foreign; teams pay for
 *     those that the owner rules give them.
 */
import { groupOfId, type OwnerRule, ownerOf } from '@mq/contract'
import {
  type ClusterModel,
  HOURS_PER_MONTH,
  instanceOf,
  type ShowbackItem,
  type ShowbackReader,
  showback,
} from '@mq/economics'
import type { ClusterObservation, ObservedTopic } from '../observe/observation.ts'
import { billOf, readersByTopic } from '../observe/topic-bill.ts'
import type { IdRecord } from '../registry/records.ts'
import type { RecordedLine } from './cost-hour.ts'

export const MOST_GAP_MS = 15 * 60_000
const MONTH_MS = HOURS_PER_MONTH * 3_600_000
/** Below what any hour could show; the store keeps more digits than a bill does. */
const SMALLEST_USD = 1e-12
const FOREIGN = '*'

export interface RecordedInterval {
  readonly fromMs: number
  readonly toMs: number
  readonly priceBook: string
  readonly priceVersion: string
  readonly modelledUsd: number
  readonly billedUsd: number
  readonly lines: readonly RecordedLine[]
}

export interface IntervalInput {
  readonly look: ClusterObservation
  readonly before: ClusterObservation
  readonly model: ClusterModel
  readonly records: readonly IdRecord[]
  readonly rules?: readonly OwnerRule[]
  /** Of the cluster, where it is known. */
  readonly monthlyBillUsd: number | null
}

/** Null where the time between the looks cannot be billed (I2). */
export function intervalOf(input: IntervalInput): RecordedInterval | null {
  const { look, before, model, records, rules = [], monthlyBillUsd } = input
  const elapsedMs = look.startedAtMs - before.startedAtMs
  if (elapsedMs <= 0 || elapsedMs > MOST_GAP_MS) return null
  const share = elapsedMs / MONTH_MS
  const owners = ownersOf(records, look.cluster, rules)
  const readers = readersByTopic(look)
  const teams = teamsOfServices(records)
  const groups = readingGroups(look)
  let marginalUsd = 0
  const items = grownSince(before, look).topics.map((seen): ShowbackItem => {
    const bill = billOf(seen, readers, model, 'as-it-is')
    const owner = owners.get(seen.name) ?? foreignOwner(seen.name, rules)
    const lines = bill.unpriced === null ? bill.cost.lines : []
    for (const line of lines) if (line.meter === 'broker-compute') marginalUsd += line.usdPerMonth * share
    const wireInBytes = (bill.state.quantities.wireBytesPerSecond * elapsedMs) / 1_000
    return {
      id: owner.id,
      team: owner.team,
      service: owner.service,
      lines: lines.map((line) => ({ ...line, usdPerMonth: line.usdPerMonth * share })),
      wireInBytes,
      wireOutBytes: wireInBytes * bill.readers,
      replicas: seen.partitions * seen.replication,
      readers: readersOf(groups.get(seen.name) ?? [], owner, teams, rules),
    }
  })
  const { tariff } = model.book
  const clusterComputeUsd =
    tariff.compute !== 'vcpu'
      ? 0
      : model.instanceType === null
        ? marginalUsd
        : model.brokers * instanceOf(model.book, model.instanceType).usdPerHour * HOURS_PER_MONTH * share
  const feesUsd = (model.book.figures['cluster-hour']?.usd ?? 0) * HOURS_PER_MONTH * share
  const told = showback({
    items,
    clusterComputeUsd,
    foreignUsd: feesUsd,
    actualBillUsd: monthlyBillUsd === null ? null : monthlyBillUsd * share,
    smallestUsd: SMALLEST_USD,
  })
  const lines = told.lines.map(
    ({ id, team, service, meter, kind, usd }): RecordedLine =>
      id === FOREIGN
        ? { id: '', team, service: service ?? '', meter, kind: kind === 'idle' ? 'foreign-idle' : 'foreign', usd }
        : { id, team, service: service ?? '', meter, kind, usd },
  )
  if (told.unallocatedUsd !== 0) {
    const meter = feesUsd > 0 ? 'cluster-hour' : 'not-modelled'
    lines.push({ id: '', team: '', service: '', meter, kind: 'fees', usd: told.unallocatedUsd })
  }
  return {
    fromMs: before.startedAtMs,
    toMs: look.startedAtMs,
    priceBook: model.book.id,
    priceVersion: model.book.version,
    modelledUsd: told.modelledUsd,
    billedUsd: told.totalUsd,
    lines: merged(lines),
  }
}

/** Lines that differ in nothing but their amount, as one. */
export function merged(lines: readonly RecordedLine[]): RecordedLine[] {
  const byKey = new Map<string, RecordedLine>()
  for (const line of lines) {
    const key = JSON.stringify([line.id, line.team, line.service, line.meter, line.kind])
    const known = byKey.get(key)
    byKey.set(key, known === undefined ? line : { ...known, usd: known.usd + line.usd })
  }
  return [...byKey.values()].filter(({ usd }) => usd !== 0)
}

/** A look whose rates are what passed since the one before (I1). */
export function grownSince(before: ClusterObservation, look: ClusterObservation): ClusterObservation {
  const elapsedMs = look.startedAtMs - before.startedAtMs
  const earlier = new Map(before.topics.map((topic) => [topic.name, topic]))
  return { ...look, topics: look.topics.map((topic) => passedBetween(topic, earlier.get(topic.name), elapsedMs)) }
}

/** I1: a topic that was made again has all its records since. */
function passedBetween(topic: ObservedTopic, before: ObservedTopic | undefined, elapsedMs: number): ObservedTopic {
  const known = before?.endOffset ?? (before === undefined ? 0 : null)
  if (topic.endOffset === null || known === null) return { ...topic, rate: null }
  const isNew = before === undefined || topic.endOffset < known
  const offsets = isNew ? topic.endOffset : topic.endOffset - known
  const share = topic.batches === null ? 1 : topic.batches.records / (topic.batches.records + topic.batches.markers)
  const recordsPerSecond = ((offsets * share) / elapsedMs) * 1_000
  const isWhole = topic.startOffset === (isNew ? 0 : before.startOffset)
  const sizes = [topic.leaderBytes, isNew ? 0 : before.leaderBytes] as const
  const grown = !isWhole || sizes[0] === null || sizes[1] === null ? null : sizes[0] - sizes[1]
  return {
    ...topic,
    rate: {
      recordsPerSecond,
      from: recordsPerSecond,
      to: recordsPerSecond,
      basis: 'watched',
      overMs: elapsedMs,
      confidence: 'high',
    },
    watched: { offsets, bytes: grown === null || grown < 0 ? null : grown, overMs: elapsedMs },
  }
}

interface TopicOwner {
  readonly id: string
  readonly team: string
  readonly service: string | null
}

/** What mQ does not manage belongs to whom the rules say, else to nobody. */
function foreignOwner(topic: string, rules: readonly OwnerRule[]): TopicOwner {
  const rule = ownerOf(rules, 'topics', topic)
  return { id: FOREIGN, team: rule?.team ?? '', service: rule?.service ?? null }
}

function ownersOf(records: readonly IdRecord[], cluster: string, rules: readonly OwnerRule[]): Map<string, TopicOwner> {
  const owners = new Map<string, TopicOwner>()
  for (const record of records) {
    if (record.state !== 'active') continue
    const owner = record.spec.intent.owner ?? ownerOf(rules, 'topics', record.id)
    for (const epoch of record.epochs) {
      if (epoch.cluster !== cluster) continue
      owners.set(epoch.topic, {
        id: record.spec.side?.mqId ?? record.id,
        team: owner?.team ?? '',
        service: owner?.service ?? null,
      })
    }
  }
  return owners
}

function teamsOfServices(records: readonly IdRecord[]): Map<string, string> {
  const teams = new Map<string, string>()
  for (const record of records) {
    if (record.state !== 'active') continue
    const { owner } = record.spec.intent
    if (owner?.service !== undefined) teams.set(owner.service, owner.team)
  }
  return teams
}

/** Groups that read now, by topic. */
function readingGroups({ groups }: ClusterObservation): Map<string, string[]> {
  const byTopic = new Map<string, string[]>()
  for (const { group, members, topics } of groups) {
    for (const { topic, moving } of topics) {
      if ((members ?? 0) === 0 && !moving) continue
      const known = byTopic.get(topic)
      if (known === undefined) byTopic.set(topic, [group])
      else known.push(group)
    }
  }
  return byTopic
}

/** Who reads: by the rules, else by a service that is named like the group, else the team of what is read. */
function readersOf(
  groups: readonly string[],
  owner: TopicOwner,
  teams: ReadonlyMap<string, string>,
  rules: readonly OwnerRule[],
): ShowbackReader[] {
  return groups.map((group) => {
    const name = groupOfId(group, owner.id) ?? group
    const team = ownerOf(rules, 'groups', group)?.team ?? ownerOf(rules, 'groups', name)?.team ?? teams.get(name)
    return { team: team ?? owner.team, share: 1 / groups.length }
  })
}
