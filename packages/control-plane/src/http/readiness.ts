/**
 * Whether this control plane can do its work now, and what keeps it from it.
 *
 * R1. It serves when its store answers, when a restored store was compared with its clusters and clients at least once, and
 *     when it is not stopping. Kafka does not count: bindings are served without it, and it may be away for everybody.
 */
import type { MqError } from '@mq/contract'
import type { Clusters } from '../provision/clusters.ts'
import type { Recovery } from '../recovery/recovery.ts'
import type { Store } from '../store/store.ts'

export interface ReadinessServices {
  readonly store: Store
  readonly clusters: Clusters
  readonly recovery: Recovery
  readonly isStopping: () => boolean
}

export interface Readiness {
  /** R1 */
  readonly serves: boolean
  /** Whether a cluster answers, so that mQ IDs can be declared. */
  readonly reachesKafka: boolean
  /** What was looked at, and how it is, in words. */
  readonly checks: Readonly<Record<string, string>>
}

export async function readinessOf(services: ReadinessServices): Promise<Readiness> {
  const { store, clusters, recovery, isStopping } = services
  const failure = await store.check().then(
    () => undefined,
    (error: MqError) => error,
  )
  const views = clusters.views()
  const unsettled = recovery.unsettled()
  // Whether all of them can be settled is up to clusters; that none was looked at is up to this process.
  const looked = unsettled.every(({ why }) => why !== null)
  const checks = Object.fromEntries([
    ['store', failure === undefined ? 'ok' : `${failure.code}: ${failure.message}`],
    ...views.map((view) => [`cluster ${view.name}`, view.problem ?? view.status]),
    ...(recovery.isRunning
      ? [
          [
            'recovery',
            `restored from a backup: ${unsettled.length} mQ ID${unsettled.length === 1 ? ' is' : 's are'} unsettled`,
          ],
        ]
      : []),
    ...(isStopping() ? [['process', 'stopping']] : []),
  ]) as Record<string, string>
  return {
    serves: failure === undefined && looked && !isStopping(),
    reachesKafka: views.some((view) => view.status === 'up'),
    checks,
  }
}
