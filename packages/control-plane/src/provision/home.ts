/**
 * The cluster that a new mQ ID begins on, asked of the clusters as they are now.
 */
import { type Choice, type Intent, MqError } from '@mq/contract'
import type { ActiveId } from '../registry/records.ts'
import type { Clusters } from './clusters.ts'
import { candidates } from './copies-rule.ts'
import type { Refusal } from './intent-changes.ts'
import { type ClusterFacts, chooseCluster } from './placement-rules.ts'
import { type ClusterTraits, lacking, lackingText, nearestTo, requiredCopies } from './requirements.ts'

/** @throws MqError MQ_PLACEMENT_WAITS or MQ_INTENT_UNMET (copies-rule N3, N4), or that no cluster answers */
export async function chooseHome(
  clusters: Clusters,
  intent: Intent,
): Promise<{ readonly cluster: ClusterFacts; readonly choice: Choice }> {
  const here = await clusters.reachable()
  const found = candidates(intent, here, clusters.away())
  switch (found.kind) {
    case 'clusters':
      return chooseCluster(found.clusters, here.length)!
    case 'waits':
      throw new MqError('MQ_PLACEMENT_WAITS', found.message)
    case 'unmet':
      throw new MqError('MQ_INTENT_UNMET', found.message)
  }
}

/** Why a new mQ ID would be refused, by what is known without asking any cluster. */
export function refusedHome(clusters: Clusters, intent: Intent): Refusal | undefined {
  const here = clusters.answered()
  if (here.length === 0) return undefined
  const found = candidates(intent, here, clusters.away())
  return found.kind === 'unmet' ? { code: 'MQ_INTENT_UNMET', message: found.message } : undefined
}

/** Why a changed intent that the home of an mQ ID does not meet cannot be met by moving it either. */
export function refusedAtHome(clusters: Clusters, record: ActiveId, intent: Intent): Refusal | undefined {
  const asked = (of: Intent): string => JSON.stringify([requiredCopies(of), of.minZones, of.regions, of.clusterLabels])
  if (asked(record.spec.intent) === asked(intent)) return undefined
  const found = atHome(clusters, record, intent)
  if (found === undefined) return undefined
  const { home, others, lacks } = found
  const refuse = (why: string): Refusal => ({
    code: 'MQ_INTENT_UNMET',
    message: `'${record.id}' lives on cluster '${home.name}', which does not meet the changed intent (${lacks}), and ${why}`,
  })
  if (!intent.movable) return refuse('movable: false keeps it there')
  if (meeting(intent, others).length > 0) return undefined
  const nearest = nearestTo(intent, others)
  if (nearest === undefined) return refuse('no other cluster is registered')
  return refuse(`no other registered cluster does; '${nearest.name}' comes nearest: ${lackingText(nearest.lacks)}`)
}

/** In words, that the cluster an mQ ID lives on does not meet its intent, and what helps; undefined where it does. */
export function homeWarning(clusters: Clusters, record: ActiveId): string | undefined {
  const { intent } = record.spec
  const found = atHome(clusters, record, intent)
  if (found === undefined) return undefined
  const { home, others, lacks } = found
  const [to] = meeting(intent, others)
  const help = !intent.movable
    ? 'movable: false keeps it there'
    : to === undefined
      ? 'no other registered cluster meets it either'
      : `mq migrate ${record.id} --to ${to.name} moves it to one that ${to.brokers === null ? 'may meet' : 'meets'} it`
  return `cluster '${home.name}' does not meet the intent of '${record.id}': ${lacks}; ${help}`
}

interface AtHome {
  readonly home: ClusterTraits
  readonly others: readonly ClusterTraits[]
  readonly lacks: string
}

/** Undefined where the home meets the intent. */
function atHome(clusters: Clusters, { epochs }: ActiveId, intent: Intent): AtHome | undefined {
  const name = (epochs.find(({ state }) => state === 'open') ?? epochs.at(-1))?.cluster
  const all = clusters.traits()
  const home = all.find((one) => one.name === name)
  const lacks = home === undefined ? [] : lacking(intent, home)
  if (home === undefined || lacks.length === 0) return undefined
  return { home, others: all.filter((one) => one !== home), lacks: lackingText(lacks) }
}

/** Those that meet it, then those that may. */
function meeting(intent: Intent, clusters: readonly ClusterTraits[]): ClusterTraits[] {
  return clusters
    .filter((one) => lacking(intent, one).length === 0)
    .toSorted((a, b) => (b.brokers ?? -1) - (a.brokers ?? -1) || (a.name < b.name ? -1 : 1))
}
