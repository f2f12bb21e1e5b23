/**
 * Whether smaller brokers would carry a cluster: the saving that no single topic shows.
 *
 * Z1. Only smaller machines of the same family, and as many of them: copies stay where they are, and one may fail.
 * Z2. What they need is the upper end of what was seen, with room for peaks; with metrics of the brokers, what those say as well.
 */
import { type ClusterModel, HOURS_PER_MONTH, instanceOf } from '@mq/economics'
import type { ClusterObservation } from './observation.ts'
import type { ScannedSaving } from './saving.ts'
import type { TopicBill } from './topic-bill.ts'

/** Busy hours are busier than the mean. */
const PEAK = 3
const NETWORK_SHARE = 0.7
const LEAST_VCPUS = 2

export function brokerSaving(
  bills: readonly TopicBill[],
  observation: Pick<ClusterObservation, 'metrics' | 'brokers'>,
  cluster: ClusterModel,
): ScannedSaving | undefined {
  const { instanceType, book, brokers } = cluster
  if (instanceType === null || book.tariff.compute !== 'vcpu') return undefined
  const now = instanceOf(book, instanceType)
  const need = needOf(bills, observation, cluster)
  const family = instanceType.slice(0, instanceType.lastIndexOf('.') + 1)
  // One broker may fail: the others carry all of it.
  const carrying = Math.max(1, brokers - 1)
  const smaller = Object.entries(book.instances)
    .filter(([type, { vcpus, usdPerHour, netBaselineMbps }]) => {
      const network = netBaselineMbps === null ? Number.POSITIVE_INFINITY : (netBaselineMbps * 1e6 * NETWORK_SHARE) / 8
      return (
        type.startsWith(family) &&
        usdPerHour < now.usdPerHour &&
        vcpus >= Math.min(LEAST_VCPUS, now.vcpus) &&
        vcpus * carrying >= need.vcpus &&
        network * carrying >= need.bytesPerSecond
      )
    })
    .toSorted(([, a], [, b]) => a.usdPerHour - b.usdPerHour)
  const [best] = smaller
  if (best === undefined) return undefined
  const [type, { usdPerHour }] = best
  const usdPerMonth = (now.usdPerHour - usdPerHour) * brokers * HOURS_PER_MONTH
  const measured = observation.metrics?.busyVcpus == null ? 'their load is computed from bytes' : 'measured'
  return {
    kind: 'brokers',
    topic: null,
    topics: bills.length,
    change: `${brokers} broker${brokers === 1 ? '' : 's'} of ${type} instead of ${instanceType}`,
    assumption: `${PEAK} times the traffic that was seen needs ${need.vcpus.toFixed(1)} vCPUs of ${now.vcpus * brokers} (${measured}), also with one broker away; disks stay as they are, and the page cache of smaller machines is enough`,
    confidence: 'medium',
    usdPerMonth,
    aloneUsdPerMonth: usdPerMonth,
    computeUsdPerMonth: usdPerMonth,
    after: [],
  }
}

/** Z2 */
function needOf(
  bills: readonly TopicBill[],
  { metrics }: Pick<ClusterObservation, 'metrics'>,
  cluster: ClusterModel,
): { readonly vcpus: number; readonly bytesPerSecond: number } {
  let cpuUs = 0
  let bytesPerSecond = 0
  for (const { state, topic } of bills) {
    const { quantities, shape } = state
    const most =
      topic.rate === null || quantities.recordsPerSecond === 0 ? 1 : topic.rate.to / topic.rate.recordsPerSecond
    cpuUs += quantities.brokerCpuUsPerSecond * most
    bytesPerSecond += quantities.wireBytesPerSecond * most * (shape.replication - 1 + Math.max(1, shape.groups))
  }
  const modelled = cpuUs / 1e6
  const seen = metrics?.busyVcpus ?? 0
  return { vcpus: (Math.max(modelled, seen) * PEAK) / cluster.cpuCeiling, bytesPerSecond: bytesPerSecond * PEAK }
}
