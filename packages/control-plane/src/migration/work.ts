/**
 * What the steps of a migration work with.
 */
import type { Deps } from '@mq/kafka'
import type { Logger } from '../logger.ts'
import type { Clusters } from '../provision/clusters.ts'
import type { Registry } from '../registry/registry.ts'
import type { EpochUse } from '../telemetry/epoch-use.ts'
import type { Logbook } from './logbook.ts'

export interface MigrationTimes {
  /** Consumers get this long to join the new epoch before the old one is sealed. */
  readonly warmMs: number
  /** A move that could not be prepared within this is given up. */
  readonly prepareMs: number
  /** So is one of which no leader refused data within this: its producers hold meanwhile. */
  readonly sealMs: number
  readonly probePauseMs: number
  /** How long the sealed epoch is watched for records that should not come. */
  readonly watchMs: number
  readonly pollMs: number
  /** How long clients must be silent about an epoch before it counts as unused. */
  readonly quietMs: number
  /** From the end of a move to the deletion of the old topic. */
  readonly deleteAfterMs: number
}

export const defaultTimes: MigrationTimes = {
  warmMs: 10_000,
  prepareMs: 60_000,
  sealMs: 10_000,
  probePauseMs: 4,
  watchMs: 60_000,
  pollMs: 2_000,
  quietMs: 60_000,
  deleteAfterMs: 3_600_000,
}

/** Somebody asked for a cancel: thrown at the places where a step may stop. */
export class CancelAsked extends Error {}

export interface Work {
  readonly logbook: Logbook
  readonly registry: Registry
  readonly clusters: Clusters
  readonly epochUse: EpochUse
  readonly deps: Deps
  readonly logger: Logger
  readonly times: MigrationTimes
  readonly incarnation: () => number
  /** When this process began to hear reports, on the monotonic clock. */
  readonly listeningSinceMs: number
  /** @throws CancelAsked, or MQ_CLOSED when the control plane ends */
  checkpoint(number: number): void
  /** Like `checkpoint`, where it is too late for a cancel. */
  checkClosed(): void
  /** Ends early for a cancel or the end of the control plane. */
  pause(number: number, ms: number): Promise<void>
}

export const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
