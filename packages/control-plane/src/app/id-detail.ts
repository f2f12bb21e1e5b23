/**
 * One mQ ID as the API shows it: a line of a list, and everything about it.
 */
import type { GroupLag, MqIdDetail, MqIdSummary } from '@mq/contract'
import type { Costs } from '../cost/costs.ts'
import type { KeptLetters } from '../dead-letters/kept-letters.ts'
import type { DriftWatch } from '../drift/drift-watch.ts'
import type { LagState } from '../lag/lag-state.ts'
import type { Holdings } from '../migration/holdings.ts'
import type { Clusters } from '../provision/clusters.ts'
import { homeWarning } from '../provision/home.ts'
import type { SideQueues } from '../provision/side-queues.ts'
import type { ActiveId } from '../registry/records.ts'
import type { Store } from '../store/store.ts'
import { applicationsOf } from '../telemetry/applications.ts'
import type { ClientDirectory } from '../telemetry/client-directory.ts'
import type { FailingConsumers } from '../telemetry/failing-consumers.ts'
import { emptySlice } from '../telemetry/slice.ts'
import type { Traffic } from '../telemetry/traffic.ts'
import { activeOf, type RegistryContext } from './active-id.ts'

const MINUTE_MS = 60_000

export interface SummaryContext extends RegistryContext {
  readonly store: Store
  readonly traffic: Traffic
}

export interface DetailContext extends SummaryContext {
  readonly clusters: Clusters
  readonly costs: Costs
  readonly holdings: Holdings
  readonly drift: DriftWatch
  readonly lagState: LagState
  readonly clients: ClientDirectory
  readonly failing: FailingConsumers
  readonly sides: SideQueues
  readonly keptLetters: KeptLetters
}

export function summaryOf(context: SummaryContext, record: ActiveId): MqIdSummary {
  const last = record.epochs.find(({ state }) => state === 'open' || state === 'sealing') ?? record.epochs.at(-1)!
  const { intent } = record.spec
  return {
    id: record.id,
    incarnation: context.store.incarnation,
    revision: record.revision,
    format: intent.format,
    ordering: intent.ordering,
    durability: intent.durability,
    cluster: last.cluster,
    epoch: last.epoch,
    partitions: last.partitions,
    team: intent.owner?.team ?? null,
    createdBy: record.createdBy,
    unsettled: context.registry.unsettled(record.id)?.message ?? null,
    messagesPerSecond: context.traffic.messagesPerSecond(record.id),
    createdAtMs: record.createdAtMs,
    updatedAtMs: record.updatedAtMs,
  }
}

/** Of the mQ ID itself and of its team. */
async function budgetWarnings({ costs }: DetailContext, record: ActiveId): Promise<string[]> {
  const scopes = [`id=${record.id}`, `team=${record.spec.intent.owner?.team ?? ''}`]
  return (await costs.warnings()).flatMap(({ scope, warning }) => (scopes.includes(scope) ? (warning ?? []) : []))
}

export async function detailOf(context: DetailContext, id: string): Promise<MqIdDetail> {
  const record = activeOf(context, id)
  const { spec } = record
  const groups = context.lagState.groups(record)
  return {
    ...summaryOf(context, record),
    intent: spec.intent,
    epochs: [...record.epochs],
    producer: spec.producer,
    consumer: spec.consumer,
    replication: spec.replication,
    minInsyncReplicas: spec.minInsyncReplicas,
    choices: spec.choices,
    warnings: [
      ...context.holdings.warnings(id),
      ...spec.warnings,
      ...[homeWarning(context.clusters, record) ?? []].flat(),
      ...(await budgetWarnings(context, record)),
      ...(record.pending === null
        ? []
        : [`a change (${record.pending.kind}) was begun and is finished as soon as it can be`]),
    ],
    deadLetters: context.sides.of(id).flatMap((kept) => {
      const side = kept.state === 'active' ? kept.spec.side : undefined
      if (side?.role !== 'dead-letters') return []
      const counts = context.keptLetters.count(id, side.group) ?? { kept: null, oldestAtMs: null }
      return [{ group: side.group, id: kept.id, ...counts }]
    }),
    side: spec.side ?? null,
    drift: [...context.drift.of(id)],
    traffic: trafficOf(context, id, groups),
    groups,
    applications: applicationsOf(context.clients, { mqId: id }),
    failing: context.failing
      .groupsOf(id)
      .map(({ group, failingRecords, failing }) => ({ group, failingRecords, failing })),
  }
}

/** A group that does not run still has a place, and is behind: it stands here, too. */
function trafficOf({ traffic }: SummaryContext, id: string, known: readonly GroupLag[]): MqIdDetail['traffic'] {
  const minute = traffic.lastMinute(id)
  if (minute === null && known.length === 0) return null
  const { producer, sendLatency, groups } = minute?.slice ?? emptySlice()
  const lags = new Map(known.map(({ group, lagRecords }) => [group, lagRecords]))
  const names = new Set([...groups.keys(), ...known.flatMap(({ group, foreign }) => (foreign ? [] : [group]))])
  return {
    windowMs: minute?.windowMs ?? MINUTE_MS,
    recordsIn: producer.records,
    recordBytesIn: producer.recordBytes,
    wireBytesIn: producer.wireBytes,
    batches: producer.batches,
    sendP50Ms: sendLatency.quantileMs(0.5),
    sendP99Ms: sendLatency.quantileMs(0.99),
    groups: [...names].toSorted().map((group) => ({
      group,
      records: groups.get(group)?.counts.records ?? 0,
      endToEndP50Ms: groups.get(group)?.endToEnd.quantileMs(0.5) ?? null,
      endToEndP99Ms: groups.get(group)?.endToEnd.quantileMs(0.99) ?? null,
      lagRecords: lags.get(group) ?? null,
    })),
  }
}
