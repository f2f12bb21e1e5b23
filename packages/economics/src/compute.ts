/**
 * F5: the brokers a cluster needs, as steps, and what binds.
 *
 * F5a. Never fewer than three, nor fewer than copies; one broker more than the load needs, for the one that fails.
 */
import { MqError } from '@mq/contract'

const MIB = 1_024 ** 2

export interface ClusterLoad {
  readonly inBytesPerSecond: number
  readonly groups: number
  readonly replication: number
  /** Replicas of partitions in all. */
  readonly replicas: number
}

export interface BrokerLimits {
  readonly vcpus: number
  readonly netBytesPerSecond: number | null
  readonly diskBytesPerSecond: number | null
  /** Baseline of the attachment of network disks. */
  readonly diskNetBytesPerSecond: number | null
  readonly replicasPerBroker: number | null
}

export interface BrokerCount {
  readonly brokers: number
  /** What the count comes from. */
  readonly bound: 'least' | 'disk' | 'network' | 'disk network' | 'cpu' | 'partitions'
  /** Without the one for a failure. */
  readonly forLoad: number
}

/** Limits that may be used: 80 % of a disk, 70 % of a network card, 60 % of the CPU. */
const DISK_SHARE = 0.8
const NETWORK_SHARE = 0.7
const CPU_SHARE = 0.6

/** vCPUs by the sizing rule: 5 MiB/s in and 15 MiB/s out for each, for every copy. */
export function vcpusFor(load: Pick<ClusterLoad, 'inBytesPerSecond' | 'groups' | 'replication'>): number {
  const inMib = load.inBytesPerSecond / MIB
  return Math.max(inMib / 5, (inMib * load.groups) / 15) * load.replication
}

export function brokersFor(load: ClusterLoad, limits: BrokerLimits): BrokerCount {
  if (!(limits.vcpus > 0)) throw new MqError('MQ_PRICE_INVALID', `A broker with ${limits.vcpus} vCPUs carries nothing`)
  const { inBytesPerSecond: rate, replication, groups } = load
  const over = (need: number, limit: number | null, share: number): number =>
    limit === null ? 0 : need / (limit * share)
  const needs: readonly (readonly [BrokerCount['bound'], number])[] = [
    ['disk', over(rate * replication, limits.diskBytesPerSecond, DISK_SHARE)],
    ['network', over(rate * (groups + replication - 1), limits.netBytesPerSecond, NETWORK_SHARE)],
    ['disk network', over(rate * replication, limits.diskNetBytesPerSecond, 1)],
    ['cpu', over(vcpusFor(load), limits.vcpus, CPU_SHARE)],
    ['partitions', over(load.replicas, limits.replicasPerBroker, 1)],
  ]
  let bound: BrokerCount['bound'] = 'least'
  let forLoad = Math.max(3, replication)
  for (const [name, need] of needs) {
    if (Math.ceil(need) > forLoad) {
      forLoad = Math.ceil(need)
      bound = name
    }
  }
  return { brokers: bound === 'least' ? forLoad : forLoad + 1, bound, forLoad }
}
