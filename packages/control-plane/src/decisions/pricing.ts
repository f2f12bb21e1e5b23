/**
 * What a window of telemetry costs: the measured quantities by the price book of the cluster.
 *
 * M1. Predictions and windows go through the same bill, so that both sides of a comparison, and the prediction beside them, mean the
 *     same.
 * M2. What no producer measures (how often consumers fetch) is taken to follow the batches: every batch is fetched once by each group.
 */
import { type ClusterModel, measuredCost, type Workload } from '@mq/economics'
import type { ActiveId } from '../registry/records.ts'
import type { PriceWindow } from './samples.ts'
import { configurationOf } from './world-view.ts'

export function pricerFor(active: ActiveId, cluster: ClusterModel, workload: Workload): PriceWindow {
  const configuration = configurationOf(active)
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
        recordsPerSecond: Math.max(workload.recordsPerSecond, 1e-3),
        peakMultiple: workload.peakMultiple,
        ...(workload.retainedBytes === null ? {} : { retainedBytes: workload.retainedBytes }),
      },
      configuration,
      cluster,
    )
    return cost.usdPerMillionRecords
  }
}
