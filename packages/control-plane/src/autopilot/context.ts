/**
 * The services that the steps of a decision use.
 */
import type { ClusterModel } from '@mq/economics'
import type { ChangeContext } from './change-context.ts'
import type { ChangeKind } from './change-kind.ts'

export interface Context extends ChangeContext {
  /** By name, those that this version knows. */
  readonly kinds: ReadonlyMap<string, ChangeKind>
}

/** What the World of the loops is read from. */
export interface WorldSources extends Context {
  /** What clusters cost, as far as it is known now. */
  readonly clusterModels: () => readonly ClusterModel[]
  /** `retention.ms` of a topic as it was last seen; null when it was not, or has no limit. */
  readonly seenRetentionMs: (cluster: string, topic: string) => number | null
}
