/**
 * Where the figures of `/metrics` come from: the parts of one control plane, asked when somebody looks.
 *
 * O1. What is costly to work out is worked out once for all metrics that need it, and at most every COSTS_KEPT_MS for costs.
 * O2. What is not known is left out; it is never 0.
 */
import type { CostBy, CostLine } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { Deciding } from '../autopilot/assemble.ts'
import type { Costing } from '../cost/assemble.ts'
import { keptByGroup } from '../dead-letters/assemble.ts'
import type { KeptLetters } from '../dead-letters/kept-letters.ts'
import type { DriftWatch } from '../drift/drift-watch.ts'
import type { LagWatch } from '../lag/lag-watch.ts'
import type { Holdings } from '../migration/holdings.ts'
import type { Migrations } from '../migration/migrations.ts'
import type { Clusters } from '../provision/clusters.ts'
import type { PushHub } from '../push/hub.ts'
import type { Recovery } from '../recovery/recovery.ts'
import type { ActiveId } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import type { Store } from '../store/store.ts'
import type { GroupTrouble, HandlerTrouble } from '../telemetry/handler-trouble.ts'
import type { Traffic } from '../telemetry/traffic.ts'
import type { MetricsSource, Sample } from './metrics.ts'
import type { ProcessFigures } from './process.ts'

const HOUR_MS = 3_600_000
const HOURS_PER_MONTH = 730
const COSTS_KEPT_MS = 60_000
const PERCENTILES = [
  ['50', 0.5],
  ['99', 0.99],
] as const

export interface MeasuredParts {
  readonly version: string
  readonly process: ProcessFigures
  readonly hub: PushHub
  readonly traffic: Traffic
  readonly trouble: HandlerTrouble
  readonly holdings: Holdings
  readonly keptLetters: KeptLetters
  readonly store: Store
  readonly clusters: Clusters
  readonly registry: Registry
  readonly drift: DriftWatch
  readonly lagWatch: LagWatch
  readonly migrations: Migrations
  readonly deciding: Deciding
  readonly costing: Costing
  readonly recovery: Recovery
  readonly deps: Deps
}

export function metricsSource(parts: MeasuredParts): { readonly read: MetricsSource; readonly begin: () => void } {
  const { hub, traffic, store, clusters, registry, drift, lagWatch, migrations, deciding, recovery, deps } = parts
  let look = 0
  /** Metrics of one look share what was worked out for it (O1). */
  const once = <T>(work: () => T): (() => T) => {
    let kept: { readonly of: number; readonly value: T } | undefined
    return () => {
      if (kept?.of !== look) kept = { of: look, value: work() }
      return kept.value
    }
  }
  const active = (): ActiveId[] =>
    registry
      .all()
      .flatMap((record) => (record.state === 'active' ? [record] : []))
      .toSorted((a, b) => a.createdAtMs - b.createdAtMs)
  const minutes = once(() =>
    active().flatMap(({ id }) => {
      const minute = traffic.lastMinute(id)
      return minute === null ? [] : [{ id, slice: minute.slice, windowMs: minute.windowMs }]
    }),
  )
  const groups = once(() =>
    active().flatMap((record) =>
      lagWatch.book
        .groups(record)
        .filter(({ foreign }) => !foreign)
        .map((group) => ({ mq_id: record.id, ...group })),
    ),
  )
  const ofGroups = (read: (group: ReturnType<typeof groups>[number]) => number | null): Sample[] =>
    groups().flatMap((group) => sampleOf({ mq_id: group.mq_id, group: group.group }, read(group)))
  const ofClusters = (read: (view: ReturnType<Clusters['views']>[number]) => number | null): Sample[] =>
    clusters.views().flatMap((view) => sampleOf({ cluster: view.name }, read(view)))
  const troubles = (read: (one: GroupTrouble) => number): Sample[] =>
    parts.trouble.all().map((one) => ({ labels: { mq_id: one.id, group: one.group }, value: read(one) }))
  const held = once(() => parts.holdings.all())
  const costs = keptCosts(parts)
  const budgets =
    (read: (budget: Awaited<ReturnType<typeof costs.budgets>>[number]) => number | null) =>
    async (): Promise<Sample[]> =>
      (await costs.budgets()).flatMap((one) => sampleOf({ scope: one.scope }, read(one)))
  const states = (): { state: string; sinceMs: number }[] =>
    migrations.active().map(({ state, updatedAtMs, steps }) => ({
      state,
      // A step that is tried again and again writes to the row; its beginning is what counts.
      sinceMs: steps.at(-1)?.startedAtMs ?? updatedAtMs,
    }))
  const decisions = (): { state: string; sinceMs: number }[] =>
    deciding.decisions.live().map(({ state, updatedAtMs }) => ({ state, sinceMs: updatedAtMs }))
  const single = (value: number): Sample[] => [{ labels: {}, value }]
  const read: MetricsSource = {
    mq_build_info: () => [{ labels: { version: parts.version }, value: 1 }],
    mq_event_loop_delay_seconds: () => parts.process.eventLoopDelay(),
    process_cpu_seconds_total: () => single(parts.process.cpuSeconds()),
    process_resident_memory_bytes: () => single(parts.process.memoryBytes()),
    process_start_time_seconds: () => single(parts.process.startedAtSeconds()),
    mq_push_clients: () => single(hub.size),
    mq_push_bindings_total: () => single(hub.published),
    mq_push_dropped_total: () => single(hub.dropped),
    mq_reporting_instances: () => single(traffic.instances()),
    mq_telemetry_reports_total: () => single(traffic.reports),
    mq_telemetry_outliers_total: () => single(traffic.outliers),
    mq_store_incarnation: () => single(store.incarnation),
    mq_store_revision: () => single(store.revision),
    mq_store_failing: () => single(store.lastFailure === undefined ? 0 : 1),
    mq_ids: () => single(active().length),
    mq_unsettled_ids: () => single(recovery.unsettled().length),
    mq_sends_held_seconds: () => held().map(({ id, seconds }) => ({ labels: { mq_id: id }, value: seconds })),
    mq_sends_held_records: () =>
      held().flatMap(({ id, told }) => sampleOf({ mq_id: id }, told === null ? null : told.records)),
    mq_topic_drift: () => [
      { labels: { alarm: 'yes' }, value: drift.counts.alarms },
      { labels: { alarm: 'no' }, value: drift.counts.others },
    ],
    mq_id_messages_per_second: () =>
      minutes().map(({ id, slice, windowMs }) => ({
        labels: { mq_id: id },
        value: slice.producer.records / (windowMs / 1_000),
      })),
    mq_id_send_latency_seconds: () =>
      minutes().flatMap(({ id, slice }) =>
        PERCENTILES.flatMap(([percentile, share]) =>
          sampleOf({ mq_id: id, percentile }, seconds(slice.sendLatency.quantileMs(share))),
        ),
      ),
    mq_id_latency_objective_seconds: () =>
      active().flatMap(({ id, spec }) => sampleOf({ mq_id: id }, seconds(spec.intent.latencyP99Ms ?? null))),
    mq_sent_records_total: () =>
      traffic.totals.allSent().map(({ mqId, records }) => ({ labels: { mq_id: mqId }, value: records })),
    mq_send_errors_total: () =>
      traffic.totals.allSent().map(({ mqId, errors }) => ({ labels: { mq_id: mqId }, value: errors })),
    mq_group_lag_records: () => ofGroups(({ lagRecords }) => lagRecords),
    mq_group_lag_seconds: () => ofGroups(({ lagMs }) => seconds(lagMs)),
    mq_group_members: () => ofGroups(({ members }) => members),
    mq_group_end_to_end_latency_seconds: () =>
      minutes().flatMap(({ id, slice }) =>
        [...slice.groups].flatMap(([group, { endToEnd }]) =>
          PERCENTILES.flatMap(([percentile, share]) =>
            sampleOf({ mq_id: id, group, percentile }, seconds(endToEnd.quantileMs(share))),
          ),
        ),
      ),
    mq_handled_records_total: () =>
      traffic.totals
        .allHandled()
        .map(({ mqId, group, records }) => ({ labels: { mq_id: mqId, group }, value: records })),
    mq_group_handler_failures_total: () => troubles(({ handlerFailures }) => handlerFailures),
    mq_group_retries_total: () => troubles(({ retries }) => retries),
    mq_group_dead_letters_total: () => troubles(({ deadLetters }) => deadLetters),
    mq_group_kept_dead_letters: () =>
      keptByGroup(registry, parts.keptLetters).flatMap(({ mqId, group, kept }) =>
        sampleOf({ mq_id: mqId, group }, kept),
      ),
    mq_group_failing_records: () => troubles(({ failingRecords }) => failingRecords),
    mq_cluster_up: () => ofClusters(({ status }) => (status === 'up' ? 1 : 0)),
    mq_cluster_brokers: () => ofClusters(({ brokers }) => brokers),
    mq_cluster_unreachable_brokers: () =>
      ofClusters(({ advertised }) => advertised.filter(({ problem }) => problem !== null).length),
    mq_cluster_check_age_seconds: () =>
      ofClusters(({ checkedAtMs }) => (checkedAtMs === null ? null : ageSeconds(deps, checkedAtMs))),
    mq_migrations: () => counted(states()),
    mq_migration_oldest_seconds: () => oldest(deps, states()),
    mq_decisions: () => counted(decisions()),
    mq_decision_oldest_seconds: () => oldest(deps, decisions()),
    mq_id_cost_usd_per_hour: async () => (await costs.lastHour('id')).flatMap(costSample('mq_id')),
    mq_team_cost_usd_per_hour: async () => (await costs.lastHour('team')).flatMap(costSample('team')),
    mq_budget_usd: budgets(({ usdPerMonth }) => usdPerMonth),
    mq_budget_spent_usd: budgets(({ spentUsd }) => spentUsd),
    mq_budget_forecast_usd: budgets(({ forecastUsd }) => forecastUsd),
  }
  return {
    read,
    begin: () => {
      look++
    },
  }
}

/** O2 */
function sampleOf(labels: Sample['labels'], value: number | null): Sample[] {
  return value === null ? [] : [{ labels, value }]
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1_000
}

function ageSeconds(deps: Deps, sinceMs: number): number {
  return Math.max(0, deps.clock.nowMs() - sinceMs) / 1_000
}

function counted(all: readonly { readonly state: string }[]): Sample[] {
  return [...Map.groupBy(all, ({ state }) => state)].map(([state, own]) => ({ labels: { state }, value: own.length }))
}

function oldest(deps: Deps, all: readonly { readonly state: string; readonly sinceMs: number }[]): Sample[] {
  return [...Map.groupBy(all, ({ state }) => state)].map(([state, own]) => ({
    labels: { state },
    value: ageSeconds(deps, Math.min(...own.map(({ sinceMs }) => sinceMs))),
  }))
}

function costSample(label: string): (line: CostLine) => Sample[] {
  return ({ key, usdPerMonth }) => [{ labels: { [label]: key }, value: usdPerMonth / HOURS_PER_MONTH }]
}

function keptCosts({ costing, deps }: MeasuredParts): {
  lastHour: (by: CostBy) => Promise<readonly CostLine[]>
  budgets: () => ReturnType<Costing['costs']['budgets']>
} {
  const kept = new Map<string, { readonly atMs: number; readonly value: Promise<unknown> }>()
  const keep = <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const atMs = deps.clock.monotonicMs()
    const known = kept.get(name)
    if (known !== undefined && atMs - known.atMs < COSTS_KEPT_MS) return known.value as Promise<T>
    const value = work()
    kept.set(name, { atMs, value })
    value.catch(() => kept.delete(name))
    return value
  }
  return {
    lastHour: (by) => keep(by, async () => (await costing.costs.report(by, HOUR_MS)).lines),
    budgets: () => keep('budgets', () => costing.costs.budgets()),
  }
}
