/**
 * `mq scan` without a control plane: opens a cluster, looks at it once, prices what was seen, and closes it again.
 *
 * C1. Prices that cannot be are refused before the cluster is asked anything.
 */
import { type ClusterAddress, type ClusterEconomics, MqError } from '@mq/contract'
import { Cluster, type ClusterCredentials, type Deps, securityOf, systemDeps } from '@mq/kafka'
import { checkEconomics, clusterModelOf } from './cluster-model.ts'
import type { ClusterObservation } from './observation.ts'
import { observeCluster } from './observe-cluster.ts'
import { type ScanReport, scanReport } from './scan.ts'

export interface ScanOptions {
  readonly address: ClusterAddress
  readonly credentials?: ClusterCredentials
  /** Tells a person where to give what is missing to get in. */
  readonly whereToSet?: (field: string) => string
  /** Null: the assumed book, said in the report. */
  readonly economics: ClusterEconomics | null
  /** What the caller filled in of `economics`, in words for the report. */
  readonly assumed?: readonly string[]
  readonly watchMs: number
  readonly topics?: readonly string[]
  readonly signal?: AbortSignal
  readonly onProgress?: (what: string) => void
  readonly deps?: Deps
}

const CLIENT_ID = 'mq-scan'

export async function scanCluster(options: ScanOptions): Promise<ScanReport> {
  const { address, credentials = {}, economics, watchMs, topics, signal, onProgress, deps = systemDeps } = options
  if (economics !== null) checkEconomics(economics)
  signal?.throwIfAborted()
  const cluster = new Cluster({
    name: address.name,
    clientId: CLIENT_ID,
    bootstrap: address.bootstrap,
    security: securityOf(address, credentials, options.whereToSet ?? ((field) => `no ${field} was given`)),
    deps,
  })
  const close = (): void => void cluster.close()
  signal?.addEventListener('abort', close, { once: true })
  try {
    const observation = await observeCluster(cluster, {
      watchMs,
      ...(topics === undefined ? {} : { topics }),
      ...(onProgress === undefined ? {} : { onProgress }),
    })
    if (topics !== undefined && observation.topics.length === 0 && observation.problems.length > 0) {
      const [first] = observation.problems
      throw new MqError('MQ_TOPIC_MISSING', `none of the topics named can be looked at: ${first!.message}`)
    }
    const report = scanReport(observation, clusterModelOf({ address, economics }, observation))
    return { ...report, assumptions: [...(options.assumed ?? []), lookText(observation), ...report.assumptions] }
  } finally {
    signal?.removeEventListener('abort', close)
    await cluster.close()
  }
}

/** Which look the rates come from: a control plane that watches the same cluster has others. */
function lookText({ watchedMs, startedAtMs }: ClusterObservation): string {
  const over =
    watchedMs === 0
      ? 'of a moment: traffic is told by the times of records alone'
      : `over ${Math.round(watchedMs / 1_000)} s, and the times of records`
  return `all traffic is from one look of this scan's own, at ${new Date(startedAtMs).toISOString()}, ${over}; mq cost and mq explain add up the looks of a control plane over an hour, by the same rules: their amounts differ as the traffic of that hour does`
}
