/**
 * Where a new mQ ID may live, by the copies of each record its intent asks for. Pure.
 *
 * N1. Without `minCopies` three copies are asked for, one for priority `low`.
 * N2. A cluster that answers and has enough brokers is taken, whatever else is away.
 * N3. Where only a cluster that is away may have enough brokers, the mQ ID waits for it: it would otherwise start its life with fewer
 *     copies than the next one, declared an hour later, and nobody would see it.
 * N4. Where no registered cluster has enough, `minCopies` is refused; without it the best cluster is taken, and the record says so as a warning.
 */
import type { Intent } from '@mq/contract'
import { type ClusterFacts, MAX_REPLICATION } from './placement-rules.ts'

export interface AwayCluster {
  readonly name: string
  /** As last seen; null where this process never saw it. */
  readonly brokers: number | null
}

export type Candidates =
  | { readonly kind: 'clusters'; readonly clusters: readonly ClusterFacts[] }
  | { readonly kind: 'waits'; readonly message: string }
  | { readonly kind: 'unmet'; readonly message: string }

/** Copies of each record that an mQ ID is to have (N1). */
export function wantedCopies(intent: Intent): number {
  return intent.minCopies ?? (intent.priority === 'low' ? 1 : MAX_REPLICATION)
}

/** The clusters that a new mQ ID may be placed on. `here`: those that answer; at least one. */
export function candidates(intent: Intent, here: readonly ClusterFacts[], away: readonly AwayCluster[]): Candidates {
  const wanted = wantedCopies(intent)
  const enough = here.filter(({ brokers }) => brokers >= wanted)
  if (enough.length > 0) return { kind: 'clusters', clusters: enough }
  const hopes = away.filter(({ brokers }) => brokers === null || brokers >= wanted)
  const most = Math.max(...here.map(({ brokers }) => brokers))
  const found = `of the clusters that answer, the largest has ${most} broker${most === 1 ? '' : 's'}`
  if (hopes.length > 0) {
    const names = hopes.map(({ name }) => `'${name}'`).join(', ')
    return {
      kind: 'waits',
      message: `${wanted} copies are asked for; ${found}, and ${names} may have enough but ${hopes.length === 1 ? 'does' : 'do'} not answer. To place it now with fewer copies, say minCopies: ${most} in the intent`,
    }
  }
  if (intent.minCopies !== undefined) {
    return {
      kind: 'unmet',
      message: `minCopies: ${wanted} cannot be met: ${found}, and no registered cluster has more`,
    }
  }
  return { kind: 'clusters', clusters: here }
}
