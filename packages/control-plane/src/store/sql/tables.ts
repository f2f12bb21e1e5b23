/**
 * The tables of the store, in the subset of SQL that SQLite and PostgreSQL share: text ids, whole numbers for
 * milliseconds and revisions, JSON as text.
 */
export interface MetaTable {
  key: string
  value: string
}

export interface ClustersTable {
  name: string
  /** JSON of `ClusterAddress`. */
  address: string
  /** Kafka's own id, once seen. */
  kafka_id: string | null
  /** JSON of `ClusterEconomics`. */
  economics: string | null
  /** JSON of `ClusterSite`; null where nobody said anything. */
  site: string | null
  created_at_ms: number
  updated_at_ms: number
}

export interface MqIdsTable {
  id: string
  state: string
  revision: number
  last_epoch: number
  created_by: string
  /** JSON of `IdSpec`, null as long as the id was never active. */
  spec: string | null
  /** JSON of the change that was begun and not finished yet. */
  pending: string | null
  created_at_ms: number
  updated_at_ms: number
}

export interface EpochsTable {
  mq_id: string
  epoch: number
  state: string
  cluster: string
  topic: string
  topic_id: string | null
  partitions: number
  /** JSON array of decimal texts once sealed. */
  end_offsets: string | null
  /** 1 when later epochs do not wait for it. */
  late: number
  created_at_ms: number
}

export interface JournalTable {
  seq: number
  at_ms: number
  kind: string
  /** The mQ ID or cluster it is about. */
  subject: string
  actor: string
  why: string
  before: string | null
  after: string | null
  /** Revision of the store once it took effect. */
  revision: number
  request_id: string | null
}

export interface SequencesTable {
  name: string
  /** The last one that was given out. */
  value: number
}

export interface LeasesTable {
  role: string
  /** Rises with every holder. */
  term: number
  holder: string
  acquired_at_ms: number
  /** Positions of the change feed that were given out. */
  commits: number
}

/** Roll-ups of traffic: neighbouring windows of one mQ ID share a row. */
export interface TrafficChunksTable {
  mq_id: string
  chunk_start_ms: number
  /** Packed windows (telemetry/rollups.ts). */
  data: Uint8Array
}

/** The rows that windows are still added to. */
export interface TrafficGrowingTable extends TrafficChunksTable {
  resolution_ms: number
}

export interface MigrationsTable {
  number: number
  mq_id: string
  state: string
  /** 1 once nothing is left to do. */
  over: number
  actor: string
  /** JSON of `MigrationPlace`. */
  from_place: string
  to_place: string
  /** JSON of `MigrationData`. */
  data: string
  created_at_ms: number
  updated_at_ms: number
  ended_at_ms: number | null
}

export interface MigrationStepsTable {
  migration: number
  step: string
  /** Steps stand in the order they were begun. */
  position: number
  started_at_ms: number
  ended_at_ms: number | null
  attempts: number
  /** JSON of what the step found or did. */
  result: string
  problem: string | null
}

export interface DecisionsTable {
  number: number
  mq_id: string
  kind: string
  state: string
  /** 1 once nothing of it stands any more. */
  over: number
  /** JSON of `DecisionRecord`. */
  data: string
  created_at_ms: number
  updated_at_ms: number
}

export interface PoliciesTable {
  scope: string
  /** JSON of `PolicyRule`. */
  rule: string
  updated_at_ms: number
}

export interface TwinsTable {
  number: number
  mq_id: string
  state: string
  /** 1 once it is over. */
  over: number
  /** JSON of `TwinRecord`. */
  data: string
  started_at_ms: number
  ended_at_ms: number | null
}

export interface CalibrationsTable {
  cluster: string
  /** JSON of the last `Calibration`s, oldest first. */
  data: string
  updated_at_ms: number
}

export interface CostHoursTable {
  cluster: string
  /** An hour, or a day once it was folded. */
  resolution_ms: number
  start_ms: number
  price_book: string
  price_version: string
  watched_ms: number
  /** Decimal texts. */
  modelled_usd: string
  billed_usd: string
  /** JSON of the lines, zstd, base64. */
  lines: string
}

export interface BudgetsTable {
  /** `team=...`, `id=...` or `global`. */
  scope: string
  usd_per_month: string
  set_by: string
  set_at_ms: number
}

export interface LagHistoriesTable {
  mq_id: string
  /** Where logs ended and how far groups were behind over time, packed (lag/lag-store.ts). */
  data: Uint8Array
  saved_at_ms: number
}

export interface GroupChangesTable {
  number: number
  mq_id: string
  /** 1 once it is over. */
  over: number
  /** JSON of `GroupChangeRow` (groups/change-row.ts). */
  data: string
  created_at_ms: number
}

export interface DecisionWorldsTable {
  number: number
  at_ms: number
  version: string
  format: number
  /** Deflated canonical text (autopilot recorded-world R1). */
  world: Uint8Array
  proposal: Uint8Array
}

export interface Tables {
  meta: MetaTable
  clusters: ClustersTable
  mq_ids: MqIdsTable
  epochs: EpochsTable
  journal: JournalTable
  traffic_10s: TrafficChunksTable
  traffic_5min: TrafficChunksTable
  traffic_1h: TrafficChunksTable
  traffic_growing: TrafficGrowingTable
  migrations: MigrationsTable
  migration_steps: MigrationStepsTable
  decisions: DecisionsTable
  sequences: SequencesTable
  leases: LeasesTable
  policies: PoliciesTable
  twins: TwinsTable
  calibrations: CalibrationsTable
  cost_hours: CostHoursTable
  budgets: BudgetsTable
  lag_histories: LagHistoriesTable
  group_changes: GroupChangesTable
  decision_worlds: DecisionWorldsTable
}
