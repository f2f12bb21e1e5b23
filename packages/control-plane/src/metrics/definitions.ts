/**
 * Every metric of `/metrics`: its name, kind, labels and meaning. The docs page, and the test that holds alerts and dashboard, are made of this list.
 *
 * M1. Names follow the conventions of Prometheus: base units, `_total` for counters, one meaning for each name.
 * M2. Where labels name mQ IDs, groups or teams there are at most MAX_SERIES series of a metric. What matters most comes first (each
 *     metric says what that is); how many were left out stands in `mq_series_left_out`.
 */

/** M2 */
export const MAX_SERIES = 1_000

export interface MetricDefinition {
  readonly kind: 'gauge' | 'counter' | 'histogram'
  readonly labels: readonly string[]
  readonly help: string
  /** How series are ranked where there are too many; undefined where there cannot be (M2). */
  readonly bounded?: 'largest first' | 'oldest first'
}

const gauge = (
  help: string,
  labels: readonly string[] = [],
  bounded?: MetricDefinition['bounded'],
): MetricDefinition => ({
  ...{ kind: 'gauge', help, labels },
  ...(bounded === undefined ? {} : { bounded }),
})
const counter = (
  help: string,
  labels: readonly string[] = [],
  bounded?: MetricDefinition['bounded'],
): MetricDefinition => ({
  ...{ kind: 'counter', help, labels },
  ...(bounded === undefined ? {} : { bounded }),
})
const histogram = (help: string, labels: readonly string[]): MetricDefinition => ({ kind: 'histogram', help, labels })

/** Read when somebody looks. */
export const readDefinitions = {
  // The process
  mq_build_info: gauge('Always 1; the label tells the version', ['version']),
  mq_event_loop_delay_seconds: gauge('How late timers ran since the last look; requests wait as long', ['percentile']),
  process_cpu_seconds_total: counter('CPU time of the process, user and system'),
  process_resident_memory_bytes: gauge('Resident memory of the process'),
  process_start_time_seconds: gauge('When the process began, in seconds since 1970'),
  mq_series_left_out: gauge('Series of a metric that are not shown because there are too many', ['metric']),
  // Clients and store
  mq_push_clients: gauge('Connected push streams'),
  mq_push_bindings_total: counter('Bindings pushed, counted for each receiver'),
  mq_push_dropped_total: counter('Push streams dropped because nobody read them'),
  mq_reporting_instances: gauge('Processes that reported within the last minute'),
  mq_telemetry_reports_total: counter('Telemetry reports taken'),
  mq_telemetry_outliers_total: counter('Parts of reports left out because they contradict themselves'),
  mq_store_incarnation: gauge('Incarnation of the store'),
  mq_store_revision: gauge('Revision of the store'),
  mq_store_failing: gauge('1 when the last write to the store failed'),
  // mQ IDs
  mq_ids: gauge('Declared mQ IDs'),
  mq_unsettled_ids: gauge('mQ IDs of which a restored control plane does not know yet where they stand'),
  mq_topic_drift: gauge(
    'Differences between topics of mQ IDs and what mQ made of them; with alarm="yes" records may be at risk',
    ['alarm'],
  ),
  mq_sends_held_seconds: gauge(
    'How long sends wait already because their epoch takes nothing more and the next one is not open; not there while none waits',
    ['mq_id'],
    'largest first',
  ),
  mq_sends_held_records: gauge('Records that wait so, as clients last told', ['mq_id'], 'largest first'),
  mq_id_messages_per_second: gauge('Messages sent a second over the last minute', ['mq_id'], 'largest first'),
  mq_id_send_latency_seconds: gauge(
    'From the oldest record of a batch to its acknowledgement, over the last minute, as clients measured it',
    ['mq_id', 'percentile'],
    'largest first',
  ),
  mq_id_latency_objective_seconds: gauge(
    'The end-to-end latency that the intent asks for at the 99th percentile; not there where it asks for none',
    ['mq_id'],
    'oldest first',
  ),
  mq_sent_records_total: counter('Records that clients stored', ['mq_id'], 'oldest first'),
  mq_send_errors_total: counter('Records whose senders got an error', ['mq_id'], 'oldest first'),
  // Groups
  mq_group_lag_records: gauge(
    'Records a group is behind, from the brokers; not there while it is not known',
    ['mq_id', 'group'],
    'largest first',
  ),
  mq_group_lag_seconds: gauge(
    'How long ago the record that a group stands at came in; not there while it is not known',
    ['mq_id', 'group'],
    'largest first',
  ),
  mq_group_members: gauge('Clients in a group', ['mq_id', 'group'], 'largest first'),
  mq_group_end_to_end_latency_seconds: gauge(
    'From the timestamp of a record to its handler, over the last minute, as clients measured it',
    ['mq_id', 'group', 'percentile'],
    'largest first',
  ),
  mq_handled_records_total: counter('Records handed to handlers', ['mq_id', 'group'], 'oldest first'),
  mq_group_handler_failures_total: counter('Handlers of a group that failed', ['mq_id', 'group'], 'oldest first'),
  mq_group_retries_total: counter('Records handed out again to a group', ['mq_id', 'group'], 'oldest first'),
  mq_group_dead_letters_total: counter(
    'Records that a group put aside as dead letters',
    ['mq_id', 'group'],
    'oldest first',
  ),
  mq_group_kept_dead_letters: gauge(
    'Dead letters of a group that are kept: not handed out again, not discarded; not there while it is not known',
    ['mq_id', 'group'],
    'largest first',
  ),
  mq_group_failing_records: gauge(
    'Records that failed in a group and are not finished, now',
    ['mq_id', 'group'],
    'largest first',
  ),
  // Clusters
  mq_cluster_up: gauge('1 when the cluster answers the control plane', ['cluster']),
  mq_cluster_brokers: gauge('Brokers of the cluster when it last answered', ['cluster']),
  mq_cluster_unreachable_brokers: gauge('Brokers that cannot be reached at the address they advertise', ['cluster']),
  mq_cluster_check_age_seconds: gauge('How long ago the cluster was last asked', ['cluster']),
  // Migrations and decisions
  mq_migrations: gauge('Migrations that are not over, by state', ['state']),
  mq_migration_oldest_seconds: gauge('How long the migration that is longest in this state has been in it', ['state']),
  mq_decisions: gauge('Decisions that are not over, by state; those that wait need a person', ['state']),
  mq_decision_oldest_seconds: gauge('How long the decision that is longest in this state has been in it', ['state']),
  // Cost
  mq_id_cost_usd_per_hour: gauge(
    'What an mQ ID costs an hour at the rate of the last hour, its share of idle brokers included',
    ['mq_id'],
    'largest first',
  ),
  mq_team_cost_usd_per_hour: gauge(
    'What the mQ IDs of a team cost an hour at the rate of the last hour; team="-" where nobody owns them',
    ['team'],
    'largest first',
  ),
  mq_budget_usd: gauge('Budget of a scope for the calendar month', ['scope'], 'largest first'),
  mq_budget_spent_usd: gauge('Spent of a budget in this calendar month', ['scope'], 'largest first'),
  mq_budget_forecast_usd: gauge('What a budget will have spent at the end of the month', ['scope'], 'largest first'),
} as const satisfies Record<string, MetricDefinition>

/** Counted when something happens. */
export const eventDefinitions = {
  mq_http_requests_total: counter('Requests answered', ['route', 'method', 'status']),
  mq_http_request_seconds: histogram('Time to answer a request', ['route']),
  mq_store_write_seconds: histogram('Time of a transaction that writes to the store', ['result']),
  mq_loop_seconds: histogram('Time of one round of a loop of the control plane', ['loop', 'result']),
} as const satisfies Record<string, MetricDefinition>

export type ReadMetric = keyof typeof readDefinitions

export const metricDefinitions: Readonly<Record<string, MetricDefinition>> = { ...readDefinitions, ...eventDefinitions }

/** The metrics as a table of the reference. */
export function metricDocs(): string {
  const rows = Object.entries(metricDefinitions).map(([name, { kind, labels, help, bounded }]) => {
    const shown = labels.length === 0 ? '-' : labels.map((label) => `\`${label}\``).join(', ')
    return `| \`${name}\` | ${kind} | ${shown} | ${help} | ${bounded === undefined ? '-' : `${MAX_SERIES}, ${bounded}`} |`
  })
  return ['| metric | kind | labels | meaning | series at most |', '| --- | --- | --- | --- | --- |', ...rows, ''].join(
    '\n',
  )
}
