/**
 * What the steps of a migration work with.
 */
import { MqError, type MqErrorCode } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { Logger } from '../logger.ts'
import type { Clusters } from '../provision/clusters.ts'
import type { Provisioner } from '../provision/provisioner.ts'
import type { Registry } from '../registry/registry.ts'
import type { EpochUse } from '../telemetry/epoch-use.ts'
import type { MigrationTelemetry } from './migration-telemetry.ts'
import type { MigrationWriter } from './migration-writer.ts'
import type { Migrations } from './migrations.ts'
import type { MigrationRecord } from './record.ts'
import type { SealChecks } from './seal-checks.ts'

export interface MigrationTimes {
  /** Consumers get this long to join the new epoch before the old one is sealed. */
  readonly warmMs: number
  /** A migration that could not be prepared within this is given up. */
  readonly prepareMs: number
  /** So is one of which no leader refused data within this: its producers hold meanwhile. */
  readonly sealMs: number
  readonly probePauseMs: number
  /** How long the sealed epoch is watched for records that should not come. */
  readonly watchMs: number
  readonly pollMs: number
  /** How often all groups of the old cluster are looked through. */
  readonly groupsMs: number
  /** How long a group must have no member and not move before it is said to hold the migration up. */
  readonly silentMs: number
  /** How long clients must be silent about an epoch before it counts as unused. */
  readonly quietMs: number
  /** How long the old cluster must be away in the drain before groups go on without it, where that is asked. */
  readonly lostMs: number
  /** How long the new place must be away right after the opening before the migration goes back. */
  readonly targetLostMs: number
  /** How long an undone migration watches for a seal that takes effect late. */
  readonly guardMs: number
  /** From the end of a migration to the deletion of the old topic. */
  readonly deleteAfterMs: number
}

export const defaultTimes: MigrationTimes = {
  warmMs: 10_000,
  prepareMs: 60_000,
  sealMs: 10_000,
  probePauseMs: 4,
  watchMs: 60_000,
  pollMs: 2_000,
  groupsMs: 15_000,
  silentMs: 600_000,
  quietMs: 60_000,
  lostMs: 60_000,
  targetLostMs: 15_000,
  guardMs: 60_000,
  deleteAfterMs: 3_600_000,
}

/** Somebody asked for a cancel: thrown at the places where a step may stop. */
export class CancelAsked extends Error {}

export interface Work {
  readonly writer: MigrationWriter
  readonly registry: Registry
  readonly clusters: Clusters
  readonly provisioner: Provisioner
  readonly migrations: Migrations
  readonly epochUse: EpochUse
  readonly heard: MigrationTelemetry
  readonly sealChecks: SealChecks
  readonly deps: Deps
  readonly logger: Logger
  readonly times: MigrationTimes
  readonly incarnation: () => number
  /** How many changes of positions of its groups were applied so far: a look from before one is worth nothing. */
  readonly positionChanges?: (mqId: string) => number
  /** When this process began to hear reports, on the monotonic clock. */
  readonly listeningSinceMs: number
  /** @throws CancelAsked, or MQ_CLOSED when the control plane ends */
  checkpoint(number: number): void
  /** Like `checkpoint`, where it is too late for a cancel. */
  checkClosed(): void
  /** Begins the migration back to where a migration came from. @returns its number */
  goBack(number: number): Promise<number>
  /** Ends early for a cancel or the end of the control plane. */
  pause(number: number, ms: number): Promise<void>
}

export const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

const AWAY: ReadonlySet<MqErrorCode> = new Set<MqErrorCode>([
  'MQ_KAFKA_UNREACHABLE',
  'MQ_KAFKA_TIMEOUT',
  'MQ_KAFKA_UNAVAILABLE',
])

/** Whether a cluster, or the part of it that was asked, does not answer now. */
export function isAway(error: unknown): error is MqError {
  return error instanceof MqError && AWAY.has(error.code)
}

/** Whether there is no such topic, or not the one that is meant. */
export function isMissing(error: unknown): error is MqError {
  return error instanceof MqError && (error.code === 'MQ_TOPIC_MISSING' || error.code === 'MQ_TOPIC_CHANGED')
}

/** Whether this process has looked for that long: what was away before it began to may have been there in between. */
export function hasLookedFor(work: Work, ms: number): boolean {
  return work.deps.clock.monotonicMs() - work.listeningSinceMs >= ms
}

/** Whether the mQ ID still has the old epoch; without it there is nothing left to watch. */
export async function isGone(work: Work, row: MigrationRecord): Promise<boolean> {
  const record = work.registry.get(row.mqId)
  if (record?.state === 'active' && record.epochs.some((epoch) => epoch.epoch === row.from.epoch)) return false
  await work.writer.transition(row.number, 'id-deleted')
  return true
}

/** Writes down what clients told of the migration since the last time. */
export async function keepTally(work: Work, row: MigrationRecord): Promise<MigrationRecord> {
  const moves = work.heard.takeTally(row.mqId, row.to.epoch, row.data.moves)
  if (moves === undefined) return row
  return work.writer.update(row.number, (before) => ({ ...before, data: { ...before.data, moves } }))
}
