/**
 * Where a new mQ ID may live, by what its intent requires of a cluster (requirements.ts) and the copies it is to have. Pure.
 *
 * N1. Without `minCopies` three copies are asked for, one for priority `low`; never fewer than the zones that are required.
 * N2. A cluster that answers, meets the intent and has enough brokers is taken, whatever else is away.
 * N3. Where only a cluster that is away may do so, or one of which a broker is down, the mQ ID waits for it: it would otherwise start its
 *     life with fewer copies than the next one, declared an hour later, and nobody would see it.
 * N4. Where no registered cluster meets the intent it is refused, with what the nearest one lacks. What only the usual three copies
 *     ask for is no requirement: the best cluster that meets the intent is taken, and the record says so as a warning. Priority
 *     `critical` requires them.
 */
import type { Intent } from '@mq/contract'
import { type ClusterFacts, MAX_REPLICATION } from './placement-rules.ts'
import { type ClusterTraits, lacking, lackingText, nearestTo, requiredCopies, unmetText } from './requirements.ts'

export type Candidates =
  | { readonly kind: 'clusters'; readonly clusters: readonly ClusterFacts[] }
  | { readonly kind: 'waits'; readonly message: string }
  | { readonly kind: 'unmet'; readonly message: string }

/** Copies of each record that an mQ ID is to have (N1). */
export function wantedCopies(intent: Intent): number {
  return Math.max(intent.minCopies ?? (intent.priority === 'low' ? 1 : MAX_REPLICATION), requiredCopies(intent))
}

/**
 * The clusters that a new mQ ID may be placed on.
 * @param here those that answer; at least one
 * @param away those that do not, as last seen
 */
export function candidates(intent: Intent, here: readonly ClusterFacts[], away: readonly ClusterTraits[]): Candidates {
  const wanted = wantedCopies(intent)
  // Without what the priority asks for: which of the two is missing decides what is said.
  const beyondPriority = { ...intent, minCopies: intent.minCopies ?? 1 }
  const meets = here.filter((cluster) => lacking(beyondPriority, cluster).length === 0)
  const enough = meets.filter(({ brokers }) => brokers >= wanted)
  if (enough.length > 0) return { kind: 'clusters', clusters: enough }
  const asked = meets.length === 0 ? intent : { ...intent, minCopies: wanted }
  const whole = here.flatMap((cluster) =>
    cluster.wholeBrokers === undefined ? [] : [{ ...cluster, brokers: cluster.wholeBrokers }],
  )
  const hopes = [...away, ...whole].filter((cluster) => lacking(asked, cluster).length === 0)
  if (hopes.length > 0) return { kind: 'waits', message: waitsText(intent, wanted, meets, here, hopes) }
  if (meets.length > 0 && !(intent.priority === 'critical' && intent.minCopies === undefined)) {
    return { kind: 'clusters', clusters: meets }
  }
  if (meets.length > 0) return { kind: 'unmet', message: criticalText(wanted, meets) }
  return { kind: 'unmet', message: unmetText(intent, [...here, ...away]) }
}

function criticalText(wanted: number, meets: readonly ClusterFacts[]): string {
  const most = Math.max(...meets.map(({ brokers }) => brokers))
  return `priority: critical asks for ${wanted} copies of each record, and no registered cluster that meets the intent has more than ${most} broker${most === 1 ? '' : 's'}. To place it with fewer copies all the same, say minCopies: ${most} in the intent`
}

function waitsText(
  intent: Intent,
  wanted: number,
  meets: readonly ClusterFacts[],
  here: readonly ClusterFacts[],
  hopes: readonly ClusterTraits[],
): string {
  const names = hopes.map(({ name }) => `'${name}'`).join(', ')
  const isThere = hopes.every(({ name }) => here.some((cluster) => cluster.name === name))
  const silent = isThere
    ? 'not all brokers there answer'
    : hopes.length === 1
      ? 'does not answer'
      : 'do not answer, or not all brokers there'
  if (meets.length === 0) {
    const nearest = nearestTo(intent, here)!
    return `no cluster that answers meets the intent ('${nearest.name}' comes nearest: ${lackingText(nearest.lacks)}), and ${names} may meet it but ${silent}`
  }
  const most = Math.max(...meets.map(({ brokers }) => brokers))
  return `${wanted} copies are asked for; of the clusters that answer, the largest that will do has ${most} broker${most === 1 ? '' : 's'}, and ${names} may have enough but ${silent}. To place it now with fewer copies, say minCopies: ${most} in the intent`
}
