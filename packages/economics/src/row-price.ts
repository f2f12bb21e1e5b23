/**
 * What a row of the grid costs a month in one place: the hot path of the search, without an object for each row.
 *
 * J1. It is the bill of `costOf` with fetch requests apart: a test holds both equal.
 */
import { BATCH_HEADER_BYTES } from './batching.ts'
import { type BrokerUs, brokerUs } from './broker-load.ts'
import type { ClusterModel } from './cluster-model.ts'
import { decodingUs } from './consuming.ts'
import type { ModelConstants } from './model-constants.ts'
import type { Rates } from './rates.ts'
import type { Row } from './rows.ts'
import { localBytesOf, remoteBytesOf, type StoredInput } from './storage.ts'
import type { Workload } from './workload.ts'

export interface RowPlace {
  readonly cluster: ClusterModel
  readonly partitions: number
  readonly localRetentionMs: number | null
}

export class RowPrice {
  readonly #workload: Workload
  readonly #constants: ModelConstants
  readonly #rates: Rates
  readonly #broker: BrokerUs
  readonly #kept: Omit<StoredInput, 'wireBytesPerSecond'>
  /** What one fetch request a second costs a month. */
  readonly usdPerFetch: number

  constructor(
    workload: Workload,
    place: RowPlace,
    requirements: { readonly replication: number; readonly retentionMs: number | null },
    rates: Rates,
  ) {
    const { constants } = place.cluster
    this.#workload = workload
    this.#constants = constants
    this.#rates = rates
    this.#broker = brokerUs(place.cluster, requirements.replication, workload.groups.length)
    this.#kept = {
      partitions: place.partitions,
      retentionMs: requirements.retentionMs,
      localRetentionMs: place.localRetentionMs,
      retainedBytes: workload.retainedBytes,
    }
    this.usdPerFetch =
      rates.consumerCpuUsPerSecond * constants.requestUs + rates.brokerCpuUsPerSecond * this.#broker.perFetchRequest
  }

  /** One copy, on disks. */
  localBytes(row: Row): number {
    return localBytesOf(this.#kept, this.#workload.recordsPerSecond * row.usual.wireBytesPerRecord)
  }

  /** A month, without fetch requests. */
  usd({ usual, curve, codec }: Row): number {
    const rates = this.#rates
    const broker = this.#broker
    const { recordsPerSecond: rate, framedBytes, groups } = this.#workload
    const wire = rate * usual.wireBytesPerRecord
    const logical = rate * (framedBytes + BATCH_HEADER_BYTES / usual.depth)
    const brokerUsPerSecond =
      broker.perWireByte * wire +
      broker.perProduceRequest * usual.requestsPerSecond +
      (codec.codec === 'none' ? 0 : broker.perUncompressedByte * rate * framedBytes)
    const local = localBytesOf(this.#kept, wire)
    const remote = remoteBytesOf(this.#kept, wire)
    const logicalOverWire = logical / wire
    return (
      rates.fixed +
      rates.wireBytesPerSecond * wire +
      rates.logicalBytesPerSecond * logical +
      rates.brokerCpuUsPerSecond * brokerUsPerSecond +
      rates.producerCpuUsPerSecond * rate * usual.cpuUsPerRecord +
      rates.consumerCpuUsPerSecond *
        rate *
        decodingUs(framedBytes, groups.length, this.#constants, usual.depth, curve) +
      (rates.localBytes + rates.localLogicalBytes * logicalOverWire) * local +
      (rates.remoteBytes + rates.remoteLogicalBytes * logicalOverWire) * remote
    )
  }
}
