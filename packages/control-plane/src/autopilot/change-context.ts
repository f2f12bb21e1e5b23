/**
 * The services that kinds of changes use.
 */

import type { LoopTimes, PriceReading, PriceWindow, UsualFetches } from '@mq/autopilot'
import type { Deps } from '@mq/kafka'
import type { Logger } from '../logger.ts'
import type { Migrations } from '../migration/migrations.ts'
import type { Migrator } from '../migration/migrator.ts'
import type { Clusters } from '../provision/clusters.ts'
import type { Provisioner } from '../provision/provisioner.ts'
import type { ActiveId } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import type { InstanceWindow, TrafficProfile } from '../telemetry/profile.ts'
import type { ReaderWindow } from '../telemetry/reader-window.ts'
import type { Slice } from '../telemetry/slice.ts'
import type { SeenLog } from './configuration.ts'
import type { DecisionWriter } from './decision-writer.ts'
import type { Decisions } from './decisions.ts'
import type { Policies } from './policies.ts'

/** The part of the traffic that decisions look at. */
export interface TrafficReader {
  profile(mqId: string): TrafficProfile | null
  instanceWindows(mqId: string, sinceMs: number): readonly InstanceWindow[]
  readerWindows(mqId: string, sinceMs: number): readonly ReaderWindow[]
  lastMinute(mqId: string): { readonly slice: Slice } | null
}

export interface ChangeContext {
  readonly writer: DecisionWriter
  readonly decisions: Decisions
  readonly policies: Policies
  readonly registry: Registry
  readonly provisioner: Provisioner
  readonly clusters: Clusters
  readonly migrator: Migrator
  readonly migrations: Migrations
  readonly traffic: TrafficReader
  readonly deps: Deps
  readonly logger: Logger
  readonly times: LoopTimes
  /** How windows of the mQ ID are priced; undefined when nothing is known about its cluster. */
  readonly pricer: (active: ActiveId) => PriceWindow | undefined
  /** The same for windows of readers. */
  readonly readingPricer: (active: ActiveId, usual: UsualFetches | null) => PriceReading | undefined
  /** What the price of a window of a reader goes by, as it is now. */
  readonly usualFetches: (active: ActiveId) => UsualFetches | null
  /** What the log of a topic held when its cluster was last looked at; one copy. */
  readonly seenLog: SeenLog
  /** Since when this process takes reports: what clients said before is gone. */
  readonly upSinceMs: number
}
