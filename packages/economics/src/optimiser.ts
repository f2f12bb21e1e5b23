/**
 * The cheapest configuration that meets the intent, by looking at every one.
 *
 * P1. Hard constraints are never relaxed: acks, durability, ordering, retention as asked. Replication goes up, never down.
 * P2. An intent that nothing meets is answered with the nearest configuration, the constraint that fails, and by how much.
 */
import { type Intent, MqError } from '@mq/contract'
import type { ClusterModel } from './cluster-model.ts'
import type { Configuration } from './configuration.ts'
import { costOf } from './cost.ts'
import { GRID, type Grid } from './grid.ts'
import type { Candidate, Optimum } from './optimum.ts'
import { atPeak, predict } from './prediction.ts'
import { checkWorkload, type Workload } from './workload.ts'

/** A change has to be worth its trouble: below this the current configuration stays. */
export interface Hysteresis {
  readonly minSavingShare: number
  readonly minSavingUsdPerMonth: number
}

export const DEFAULT_HYSTERESIS: Hysteresis = { minSavingShare: 0.05, minSavingUsdPerMonth: 1 }

export interface OptimiseInput {
  readonly workload: Workload
  readonly intent: Intent
  readonly current: Configuration
  /** The cluster of `current` is among them. */
  readonly clusters: readonly ClusterModel[]
  readonly grid?: Grid
  /** Partition counts to try besides the current one; each is a move. */
  readonly partitions?: readonly number[]
  readonly hysteresis?: Hysteresis
}

export function candidateOf(workload: Workload, configuration: Configuration, cluster: ClusterModel): Candidate {
  const prediction = predict(workload, configuration, cluster)
  const peak = workload.peakMultiple === 1 ? prediction : predict(atPeak(workload), configuration, cluster)
  return {
    configuration,
    prediction,
    cost: costOf(workload, configuration, cluster, prediction),
    peakEndToEndP99Ms: Math.max(prediction.endToEndP99Ms, peak.endToEndP99Ms),
  }
}

export function optimise(input: OptimiseInput): Optimum {
  const { workload, intent, current, clusters, grid = GRID, hysteresis = DEFAULT_HYSTERESIS } = input
  checkWorkload(workload)
  const home = clusters.find(({ name }) => name === current.cluster)
  if (home === undefined) {
    throw new MqError(
      'MQ_CLUSTER_UNKNOWN',
      `The configuration is on '${current.cluster}', which is not among the clusters`,
    )
  }
  const now = candidateOf(workload, current, home)
  const candidates: Candidate[] = []
  let late = 0
  for (const cluster of clusters) {
    if (cluster.brokers < current.replication) continue
    for (const codec of grid.codecs) {
      for (const lingerMs of grid.lingerMs) {
        for (const batchBytes of grid.batchBytes) {
          for (const fetch of grid.fetches) {
            const candidate = candidateOf(
              workload,
              { ...current, cluster: cluster.name, ...codec, lingerMs, batchBytes, ...fetch },
              cluster,
            )
            if (candidate.peakEndToEndP99Ms <= intent.latencyP99Ms) candidates.push(candidate)
            else late++
          }
        }
      }
    }
  }
  candidates.sort((a, b) => a.cost.usdPerMonth - b.cost.usdPerMonth)
  const best = candidates[0] ?? now
  const savingUsdPerMonth = now.cost.usdPerMonth - best.cost.usdPerMonth
  const worth =
    savingUsdPerMonth >= hysteresis.minSavingUsdPerMonth &&
    savingUsdPerMonth >= hysteresis.minSavingShare * now.cost.usdPerMonth
  return {
    outcome: worth
      ? { kind: 'change', savingUsdPerMonth, why: 'cheaper within the intent' }
      : { kind: 'keep', savingUsdPerMonth, why: 'nothing saves enough to change for' },
    current: now,
    best,
    runnersUp: candidates.slice(1, 6),
    rejected: late > 0 ? [{ constraint: 'latency', reason: `p99 above ${intent.latencyP99Ms} ms`, count: late }] : [],
    priceOf: [],
    evaluated: candidates.length + late,
    assumptions: home.assumptions,
  }
}
