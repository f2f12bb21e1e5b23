/**
 * Which topics of an mQ ID are compared with what mQ made, and the comparison itself.
 *
 * C1. The topic of the open epoch is compared in everything that mQ set. While a migration seals it, mQ itself changes its size
 *     limit, so that alone is left out.
 * C2. The target of a migration is compared from when it stands in the registry; while the migration is undone it is not, because
 *     mQ deletes it.
 * C3. A comparison counts only when the stamp is the same before and after it: what mQ changed meanwhile is no drift.
 */
import type { DriftedTopic } from '@mq/contract'
import type { Migrations } from '../migration/migrations.ts'
import type { ClusterAdmin, TopicFacts } from '../provision/cluster-admin.ts'
import { differences, type ExpectedTopic } from '../provision/topic-drift.ts'
import type { ActiveId, EpochRecord, IdSpec } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'

export interface WatchedTopic {
  readonly mqId: string
  readonly role: DriftedTopic['role']
  readonly cluster: string
  readonly epoch: number
  readonly expected: ExpectedTopic
  /** When mQ last changed anything about it. */
  readonly changedAtMs: number
  /** C3 */
  readonly stamp: string
}

const SIZE_LIMIT = 'max.message.bytes'
/** States in which the seal of the old topic was not asked for. */
const BEFORE_SEAL: ReadonlySet<string> = new Set(['planned', 'prepared'])

/** Nothing while a change of it is under way, or while nobody knows where it stands. */
export function watchedTopics(registry: Registry, migrations: Migrations, id: string): WatchedTopic[] {
  const record = registry.get(id)
  if (record?.state !== 'active' || record.pending !== null || registry.unsettled(id) !== undefined) return []
  const migration = migrations.handingOver(id)
  const stamp = `${record.revision}/${migration?.number ?? '-'}/${migration?.state ?? '-'}`
  const of = (epoch: EpochRecord, role: DriftedTopic['role'], spec: IdSpec, replication: number): WatchedTopic => {
    const isSealing = role === 'open' && migration !== undefined && !BEFORE_SEAL.has(migration.state)
    return {
      ...{ mqId: id, role, cluster: epoch.cluster, epoch: epoch.epoch, stamp },
      expected: expectedOf(epoch, spec, replication, isSealing),
      changedAtMs: Math.max(record.updatedAtMs, epoch.createdAtMs),
    }
  }
  return record.epochs.flatMap((epoch): WatchedTopic[] => {
    if (epoch.epoch === migration?.to.epoch) {
      return migration.state === 'undoing' ? [] : [of(epoch, 'target', migration.data.spec, migration.to.replication)]
    }
    const isOpen = epoch.state === 'open' || (epoch.state === 'sealing' && epoch.epoch === migration?.from.epoch)
    return isOpen ? [of(epoch, 'open', record.spec, record.spec.replication)] : []
  })
}

/** The topic of the open epoch; undefined where there is none. */
export function openTopic(record: ActiveId): { epoch: EpochRecord; expected: ExpectedTopic } | undefined {
  const epoch = record.epochs.find(({ state }) => state === 'open')
  if (epoch === undefined) return undefined
  return { epoch, expected: expectedOf(epoch, record.spec, record.spec.replication, false) }
}

function expectedOf(epoch: EpochRecord, spec: IdSpec, replication: number, isSealing: boolean): ExpectedTopic {
  const { topic, topicId, partitions } = epoch
  const { [SIZE_LIMIT]: _limit, ...withoutLimit } = spec.topicConfigs
  return { topic, topicId, partitions, replication, settings: isSealing ? withoutLimit : spec.topicConfigs }
}

export interface Comparison {
  readonly differences: DriftedTopic['differences']
  /** Undefined where there is no such topic. */
  readonly facts: TopicFacts | undefined
  readonly settings: ReadonlyMap<string, string | null> | null
}

/** In the order of `expected`, all of one cluster. */
export async function compare(admin: ClusterAdmin, expected: readonly ExpectedTopic[]): Promise<Comparison[]> {
  const keys = [...new Set(expected.flatMap(({ settings }) => Object.keys(settings)))]
  const found = await admin.findTopics(expected.map(({ topic }) => topic))
  const settings = await admin.topicSettings([...found.keys()], keys)
  return expected.map((one) => {
    const facts = found.get(one.topic)
    const own = settings.get(one.topic) ?? null
    return {
      differences: differences(one, facts === undefined ? undefined : { ...facts, settings: own }),
      facts,
      settings: own,
    }
  })
}
