/**
 * One cluster as the models see it: its prices, its zones, its room and the constants measured on it.
 *
 * X1. What is not known about room (null) constrains nothing, and is not made up.
 * X2. Zones, brokers and shares that cannot be are refused.
 */
import { MqError } from '@mq/contract'
import { DEFAULT_CONSTANTS, type ModelConstants } from './model-constants.ts'
import { figureOf, instanceOf, type PriceBook } from './price-book.ts'

/** What is still free, so that an mQ ID may take it; null: not known (X1). */
export interface Room {
  readonly inBytesPerSecond: number | null
  readonly outBytesPerSecond: number | null
  readonly diskBytes: number | null
  /** Replicas of partitions. */
  readonly replicas: number | null
}

export interface ClusterModel {
  readonly name: string
  readonly book: PriceBook
  readonly zones: number
  readonly brokers: number
  /** Brokers that lead partitions of a topic, where that is not all of them; null: as many as its partitions reach. */
  readonly leadingBrokers: number | null
  readonly instanceType: string | null
  readonly constants: ModelConstants
  /** Tiered storage is switched on. */
  readonly tiered: boolean
  /** Brokers know their racks and let consumers read from the replica beside them. */
  readonly followerFetch: boolean
  /** Producers write to leaders of their own zone only. */
  readonly rackLocalProducing: boolean
  /** Share of a disk that may be used. */
  readonly diskShare: number
  /** Share of a broker's CPU that may be used. */
  readonly cpuCeiling: number
  readonly room: Room
  /** What was assumed about this cluster; shown wherever its figures are. */
  readonly assumptions: readonly string[]
}

export const UNKNOWN_ROOM: Room = { inBytesPerSecond: null, outBytesPerSecond: null, diskBytes: null, replicas: null }

/** A cluster with the usual answers to what is not said (X2). */
export function clusterModel(
  known: Pick<ClusterModel, 'name' | 'book'> & Partial<Omit<ClusterModel, 'name' | 'book'>>,
): ClusterModel {
  const cluster: ClusterModel = {
    zones: 3,
    brokers: 3,
    leadingBrokers: null,
    instanceType: null,
    constants: DEFAULT_CONSTANTS,
    tiered: false,
    followerFetch: false,
    rackLocalProducing: false,
    diskShare: 0.6,
    cpuCeiling: 0.6,
    room: UNKNOWN_ROOM,
    assumptions: [],
    ...known,
  }
  const refuse = (what: string): never => {
    throw new MqError('MQ_PRICE_INVALID', `Cluster '${cluster.name}': ${what}`, { details: { cluster: cluster.name } })
  }
  if (!Number.isInteger(cluster.zones) || cluster.zones < 1) refuse(`it has ${cluster.zones} zones; one or more`)
  if (!Number.isInteger(cluster.brokers) || cluster.brokers < 1)
    refuse(`it has ${cluster.brokers} brokers; one or more`)
  if (!(cluster.diskShare > 0 && cluster.diskShare <= 1))
    refuse(`diskShare is ${cluster.diskShare}; above 0, at most 1`)
  if (!(cluster.cpuCeiling > 0 && cluster.cpuCeiling <= 1)) {
    refuse(`cpuCeiling is ${cluster.cpuCeiling}; above 0, at most 1`)
  }
  return cluster
}

/** What a vCPU of this cluster's brokers costs an hour. */
export function brokerVcpuUsdPerHour(cluster: ClusterModel): number {
  if (cluster.instanceType === null) return figureOf(cluster.book, 'broker-compute').usd
  const instance = instanceOf(cluster.book, cluster.instanceType)
  return instance.usdPerHour / instance.vcpus
}
