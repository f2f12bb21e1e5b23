/**
 * What consumers do with a configuration: fetch requests, CPU and the receiving half of latency (F6, F7, F8).
 */
import type { ClusterModel } from './cluster-model.ts'
import type { FittedCurve } from './codec-curve.ts'
import type { Configuration } from './configuration.ts'
import type { ModelConstants } from './model-constants.ts'
import { type Produced, SATURATED_MS } from './producing.ts'
import type { Workload } from './workload.ts'

export interface Consumed {
  readonly requestsPerSecond: number
  readonly cpuUsPerRecord: number
  readonly endToEndP99Ms: number
}

/** What consumers do: F6 and the receiving half of F8. */
export function consuming(
  workload: Workload,
  configuration: Pick<Configuration, 'partitions' | 'fetchMinBytes' | 'fetchMaxWaitMs' | 'followerFetch'>,
  cluster: Pick<ClusterModel, 'brokers' | 'leadingBrokers' | 'constants'>,
  produced: Produced,
  curve: FittedCurve,
): Consumed {
  const { constants } = cluster
  const links = linksOf(workload, configuration.partitions, cluster.leadingBrokers ?? cluster.brokers)
  const { requestsPerSecond, waitMs } = fetching(workload.recordsPerSecond, configuration, links, produced, constants)
  const rate = workload.recordsPerSecond
  return {
    requestsPerSecond,
    cpuUsPerRecord:
      decodingUs(workload.framedBytes, links.length, constants, produced.depth, curve) +
      (rate > 0 ? (constants.requestUs * requestsPerSecond) / rate : 0),
    endToEndP99Ms: endToEndP99Ms(produced, constants, waitMs, configuration.followerFetch),
  }
}

/** Connections over which each reading group polls: its members times the brokers that lead for them. */
export function linksOf(workload: Pick<Workload, 'groups'>, partitions: number, brokers: number): readonly number[] {
  return workload.groups
    .filter(({ members }) => members > 0)
    .map(({ members }) => members * Math.min(brokers, Math.ceil(partitions / members)))
}

/** F6: between a poll that finds nothing and one answer for every batch; never faster than the way there and back. */
export function fetching(
  recordsPerSecond: number,
  { fetchMinBytes, fetchMaxWaitMs }: Pick<Configuration, 'fetchMinBytes' | 'fetchMaxWaitMs'>,
  links: readonly number[],
  produced: Pick<Produced, 'wireBytesPerRecord' | 'depth'>,
  constants: Pick<ModelConstants, 'fetchRttMs'>,
): { readonly requestsPerSecond: number; readonly waitMs: number } {
  const bytesPerSecond = recordsPerSecond * produced.wireBytesPerRecord
  const batchesPerSecond = recordsPerSecond / produced.depth
  const missing = Math.max(0, fetchMinBytes - produced.wireBytesPerRecord * produced.depth)
  let requestsPerSecond = 0
  let waitMs = 0
  for (const count of links) {
    const wanted = Math.min(
      bytesPerSecond / count / Math.max(1, fetchMinBytes),
      batchesPerSecond / count,
      1_000 / Math.max(0.1, constants.fetchRttMs),
    )
    requestsPerSecond += count * Math.max(1_000 / fetchMaxWaitMs, wanted)
    if (missing > 0) {
      const fillMs = bytesPerSecond > 0 ? (missing * count * 1_000) / bytesPerSecond : Number.POSITIVE_INFINITY
      waitMs = Math.max(waitMs, Math.min(fetchMaxWaitMs, fillMs))
    }
  }
  return { requestsPerSecond, waitMs }
}

/** CPU of taking one record out of its batch, in every group. */
export function decodingUs(
  framedBytes: number,
  groups: number,
  constants: ModelConstants,
  depth: number,
  curve: FittedCurve,
): number {
  return (
    groups *
    (constants.decodeUsPerRecord +
      constants.decodeUsPerByte * framedBytes +
      (curve.decompressUs(depth * framedBytes) + constants.batchUs) / depth)
  )
}

/** F8, the receiving half: a poll that waits for more bytes, and a follower that is behind. */
export function endToEndP99Ms(
  { latency, saturated }: Pick<Produced, 'latency' | 'saturated'>,
  constants: ModelConstants,
  waitMs: number,
  followerFetch: boolean,
): number {
  if (saturated) return SATURATED_MS
  const sent = latency.p99 - latency.mean
  const fetched = constants.fetchRttP99Ms - constants.fetchRttMs
  const behind = followerFetch ? constants.followerFetchP99Ms : 0
  const tail = Math.sqrt(sent * sent + fetched * fetched + (waitMs * waitMs) / 4 + behind * behind)
  return latency.mean + constants.fetchRttMs + waitMs / 2 + tail
}
