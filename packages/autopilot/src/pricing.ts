/**
 * What a window of telemetry costs: the measured quantities by the price book of the cluster.
 *
 * M1. Predictions and windows go through the same bill, so that both sides of a comparison, and the prediction beside them, mean the
 *     same.
 * M2. What no producer measures (how often consumers fetch) is taken to follow the batches: every batch is fetched once by each group.
 * M3. A window of a reader is priced as the whole mQ ID would be if every group fetched as often, of what is usual for it, as this reader:
 *     a fetch by the constants of the cluster, for the broker and for the client. Nothing else follows from how often is fetched:
 *     bytes, batches and what producers take are those of the traffic, and decoding, which nobody measures, is that of the model.
 *     What is usual, and for how many groups, is that of the moment a trial began: a group that leaves makes nothing cheaper.
 */
import { type ClusterModel, type Configuration, curveOf, decodingUs, measuredCost, type Workload } from '@mq/economics'
import type { PriceReading } from './consumer-samples.ts'
import type { UsualFetches } from './decision-record.ts'
import type { PriceWindow } from './samples.ts'

/** What is known of the traffic beside the workload. */
export interface PricedTraffic {
  readonly recordsPerBatch: number
  readonly wireBytesPerRecord: number
  readonly producerCpuUsPerRecord: number | null
  readonly groups: readonly {
    readonly group: string
    readonly members: number
    readonly fetchRequestsPerSecond: number | null
  }[]
}

export function pricerFor(configuration: Configuration, cluster: ClusterModel, workload: Workload): PriceWindow {
  const groups = workload.groups.length
  return ({ records, recordBytes, wireBytes, batches, requests, cpuUs }) => {
    if (records <= 0) return null
    const cost = measuredCost(
      {
        // The rate is given, so the length of the window decides nothing.
        windowMs: 1_000,
        records,
        wireBytes,
        uncompressedBytes: Math.max(recordBytes, records * workload.framedBytes),
        produceRequests: requests,
        fetchRequests: batches * groups,
        producerCpuUs: cpuUs ?? 0,
        groups,
        ...lastingOf(workload),
      },
      configuration,
      cluster,
    )
    return cost.usdPerMillionRecords
  }
}

/** What a window says nothing of: the usual rate, the peak, and what lies in the log. */
function lastingOf({ recordsPerSecond, peakMultiple, retainedBytes }: Workload) {
  return {
    recordsPerSecond: Math.max(recordsPerSecond, 1e-3),
    peakMultiple,
    ...(retainedBytes === null ? {} : { retainedBytes }),
  }
}

/** How often those groups fetch that read now. */
export function usualFetchesOf({ groups }: Pick<PricedTraffic, 'groups'>, workload: Workload): UsualFetches {
  return {
    groups: workload.groups.length,
    perSecond: groups.flatMap(({ group, members, fetchRequestsPerSecond: fetches }) =>
      members > 0 && fetches !== null ? [{ group, fetches }] : [],
    ),
  }
}

/** M3. Undefined while nobody says how often it is fetched. @param usual as it was when a trial began */
export function readingPricerFor(
  configuration: Configuration,
  cluster: ClusterModel,
  workload: Workload,
  profile: PricedTraffic,
  usual: UsualFetches = usualFetchesOf(profile, workload),
): PriceReading | undefined {
  const fetches = new Map(usual.perSecond.map((one) => [one.group, one.fetches]))
  if (fetches.size === 0) return undefined
  const ofAll = [...fetches.values()].reduce((sum, one) => sum + one, 0)
  const { groups } = usual
  const { constants } = cluster
  const depth = Math.max(1, profile.recordsPerBatch)
  const decodeUs = decodingUs(workload.framedBytes, groups, constants, depth, curveOf(workload, configuration))
  return ({ group, records, fetchRequests }) => {
    const own = fetches.get(group)
    if (records <= 0 || own === undefined) return null
    const requests = (fetchRequests * ofAll) / own
    const cost = measuredCost(
      {
        windowMs: 1_000,
        records,
        wireBytes: records * profile.wireBytesPerRecord,
        uncompressedBytes: records * workload.framedBytes,
        produceRequests: records / depth,
        fetchRequests: requests,
        producerCpuUs: records * (profile.producerCpuUsPerRecord ?? 0),
        consumerCpuUs: records * decodeUs + requests * constants.requestUs,
        groups,
        ...lastingOf(workload),
      },
      configuration,
      cluster,
    )
    return cost.usdPerMillionRecords
  }
}
