/**
 * The cost of what was measured: the same price book and the same bill as for predictions (C3), with nothing modelled that was seen.
 *
 * Z1. What was not measured (broker CPU, stored bytes) is modelled from the measured bytes and requests, and the line says so.
 */
import { MqError } from '@mq/contract'
import { brokerCpuUs } from './broker-load.ts'
import type { ClusterModel } from './cluster-model.ts'
import type { Configuration } from './configuration.ts'
import { bill, type Cost, stored } from './cost.ts'
import { storedBytes } from './storage.ts'

export interface Measured {
  /** How long it was measured. */
  readonly windowMs: number
  readonly records: number
  readonly wireBytes: number
  /** Batches without a codec. */
  readonly uncompressedBytes: number
  readonly produceRequests: number
  readonly fetchRequests: number
  readonly producerCpuUs: number
  readonly consumerCpuUs?: number
  /** All brokers together; modelled when it was not measured (Z1). */
  readonly brokerCpuUs?: number
  /** Reading groups. */
  readonly groups: number
  /** The rate the cost is for, when the measurement ran at another one; as measured by default. */
  readonly recordsPerSecond?: number
  readonly peakMultiple?: number
  /** One copy, as seen on disk; used where retention has no limit in time. */
  readonly retainedBytes?: number
}

export function measuredCost(measured: Measured, configuration: Configuration, cluster: ClusterModel): Cost {
  for (const [name, value] of Object.entries(measured)) {
    if (!Number.isFinite(value) || value < 0) {
      throw new MqError('MQ_WORKLOAD_INVALID', `The measurement cannot be: ${name} is ${value}`)
    }
  }
  if (measured.windowMs === 0 || measured.records === 0) {
    throw new MqError(
      'MQ_WORKLOAD_INVALID',
      `${measured.records} records in ${measured.windowMs} ms: there is nothing to compute a cost from`,
    )
  }
  const recordsPerSecond = measured.recordsPerSecond ?? (measured.records / measured.windowMs) * 1_000
  const perSecond = (amount: number): number => (amount / measured.records) * recordsPerSecond
  const wireBytesPerSecond = perSecond(measured.wireBytes)
  const kept = storedBytes({
    wireBytesPerSecond,
    partitions: configuration.partitions,
    retentionMs: configuration.retentionMs,
    localRetentionMs: configuration.localRetentionMs,
    retainedBytes: measured.retainedBytes ?? null,
  })
  const modelled = brokerCpuUs(cluster, configuration, measured.groups, {
    records: measured.records,
    wireBytes: measured.wireBytes,
    uncompressedBytes: measured.uncompressedBytes,
    produceRequests: measured.produceRequests,
    fetchRequests: measured.fetchRequests,
  })
  return bill(
    {
      recordsPerSecond,
      wireBytesPerSecond,
      logicalBytesPerSecond: perSecond(measured.uncompressedBytes),
      brokerCpuUsPerSecond:
        measured.brokerCpuUs === undefined ? modelled * recordsPerSecond : perSecond(measured.brokerCpuUs),
      producerCpuUsPerSecond: perSecond(measured.producerCpuUs),
      consumerCpuUsPerSecond: perSecond(measured.consumerCpuUs ?? 0),
      ...stored(kept, measured.uncompressedBytes / Math.max(1, measured.wireBytes)),
    },
    {
      groups: measured.groups,
      partitions: configuration.partitions,
      replication: configuration.replication,
      followerFetch: configuration.followerFetch,
      tiered: configuration.localRetentionMs !== null,
      peakMultiple: measured.peakMultiple ?? 1,
    },
    cluster,
  )
}
