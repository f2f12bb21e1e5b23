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
  const { recordsPerSecond: rate, dispersion } = workload
  const { requestsPerSecond, wait } = fetching({ rate, dispersion }, configuration, links, produced, constants)
  return {
    requestsPerSecond,
    cpuUsPerRecord:
      decodingUs(workload.framedBytes, links.length, constants, produced.depth, curve) +
      (rate > 0 ? (constants.requestUs * requestsPerSecond) / rate : 0),
    endToEndP99Ms: endToEndP99Ms(produced, constants, wait, configuration.followerFetch),
  }
}

/** Connections over which each reading group polls: its members times the brokers that lead for them. */
export function linksOf(workload: Pick<Workload, 'groups'>, partitions: number, brokers: number): readonly number[] {
  return workload.groups
    .filter(({ members }) => members > 0)
    .map(({ members }) => members * Math.min(brokers, Math.ceil(partitions / members)))
}

/** How long records lie at the broker until a poll that waits for more bytes is answered. */
export interface PollWait {
  readonly meanMs: number
  readonly p99Ms: number
}

export const NO_WAIT: PollWait = { meanMs: 0, p99Ms: 0 }

/** Arrivals of a workload. */
export interface Arrivals {
  /** Records a second. */
  readonly rate: number
  readonly dispersion: number
}

/** Batches differ: where this part of one would be missing, now and then it is, and a poll waits for another. */
const MISSING_PART = 0.1
/** Of how much a poll's filling varies, what its p99 holds: longer fillings hold more of the records. */
const FILL_SPREADS = 2

/**
 * F6: between a poll that finds nothing and one answer for every batch; never faster than the way there and back. A poll that wants more
 * bytes than a batch has waits for the batches after the first: whose records came first wait for all of it, the last ones for nothing.
 */
export function fetching(
  { rate, dispersion }: Arrivals,
  { fetchMinBytes, fetchMaxWaitMs }: Pick<Configuration, 'fetchMinBytes' | 'fetchMaxWaitMs'>,
  links: readonly number[],
  produced: Pick<Produced, 'wireBytesPerRecord' | 'depth'>,
  constants: Pick<ModelConstants, 'fetchRttMs'>,
): { readonly requestsPerSecond: number; readonly wait: PollWait } {
  const bytesPerSecond = rate * produced.wireBytesPerRecord
  const batchesPerSecond = rate / produced.depth
  const more = Math.ceil(fetchMinBytes / (produced.wireBytesPerRecord * produced.depth) + MISSING_PART) - 1
  let requestsPerSecond = 0
  let wait = NO_WAIT
  for (const count of links) {
    const wanted = Math.min(
      bytesPerSecond / count / Math.max(1, fetchMinBytes),
      batchesPerSecond / count,
      1_000 / Math.max(0.1, constants.fetchRttMs),
    )
    requestsPerSecond += count * Math.max(1_000 / fetchMaxWaitMs, wanted)
    if (more > 0 && fetchMinBytes > 1) {
      const fillMs = rate > 0 ? (more * count * 1_000) / batchesPerSecond : Number.POSITIVE_INFINITY
      const gathered = more * produced.depth
      const spreadMs = rate > 0 ? (Math.sqrt(Math.max(1, dispersion) * gathered) * count * 1_000) / rate : 0
      const p99Ms = Math.min(fetchMaxWaitMs, fillMs + FILL_SPREADS * spreadMs)
      if (p99Ms > wait.p99Ms) wait = { meanMs: Math.min(fetchMaxWaitMs, fillMs) / 2, p99Ms }
    }
  }
  return { requestsPerSecond, wait }
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

/**
 * F8, the receiving half: a poll that waits for more bytes, and a follower that is behind. What varies like a lottery adds in squares; two
 * waits that are anything between nothing and all of it (a linger and a poll) have a sum whose p99 lies nearer to both in full:
 * 1 - F(s) = (a + b - s)^2 / 2ab for two even ones.
 */
export function endToEndP99Ms(
  { latency, saturated }: Pick<Produced, 'latency' | 'saturated'>,
  constants: ModelConstants,
  wait: PollWait,
  followerFetch: boolean,
): number {
  if (saturated) return SATURATED_MS
  const sent = latency.p99 - latency.mean
  const polled = wait.p99Ms - wait.meanMs
  const fetched = constants.fetchRttP99Ms - constants.fetchRttMs
  const behind = followerFetch ? constants.followerFetchP99Ms : 0
  const waited = Math.max(sent * sent + polled * polled, (sent + polled - Math.sqrt(0.08 * sent * polled)) ** 2)
  const tail = Math.sqrt(waited + fetched * fetched + behind * behind)
  return latency.mean + constants.fetchRttMs + wait.meanMs + tail
}
