/**
 * A cluster as the models of @mq/economics see it: what was said when it was registered, what was observed, and for the rest an
 * assumption that stands beside every figure.
 *
 * D1. A cluster nobody gave prices for is priced like Kafka on EC2 in us-east-1 in three zones, and that is said.
 * D2. What brokers say about their racks is believed before an assumption, and what a person registered before both.
 */
import { type ClusterEconomics, MqError } from '@mq/contract'
import {
  type ClusterModel,
  clusterModel,
  instanceOf,
  type ModelConstants,
  overrideFigures,
  type PriceBook,
  priceBook,
  type Room,
  UNKNOWN_ROOM,
} from '@mq/economics'
import type { ClusterRecord } from '../registry/records.ts'
import type { BrokerMetrics } from './broker-metrics.ts'
import type { ClusterObservation } from './observation.ts'

/** D1 */
export const ASSUMED_BOOK = 'aws-us-east-1'
const ASSUMED_ZONES = 3
const ASSUMED_BROKERS = 3

export type PricedCluster = Pick<ClusterRecord, 'economics'> & { readonly address: { readonly name: string } }

/**
 * @param observation null before the first look at the cluster
 * @param constants measured on this cluster; the usual ones when left out
 */
export function clusterModelOf(
  cluster: PricedCluster,
  observation: ClusterObservation | null,
  constants?: ModelConstants,
): ClusterModel {
  const { economics } = cluster
  const assumptions: string[] = []
  const book = bookOf(economics)
  if (economics === null) {
    assumptions.push(
      `no prices were given for this cluster: price book ${ASSUMED_BOOK} is assumed; name the right one with --prices`,
    )
  }
  const racks = observation?.racks ?? null
  const zones = economics?.zones ?? racks ?? ASSUMED_ZONES
  if (economics?.zones === undefined) {
    assumptions.push(
      racks === null
        ? `${observation === null ? 'the racks of the brokers are not known' : 'brokers name no racks'}: ${ASSUMED_ZONES} zones are assumed`
        : `${racks} zone${racks === 1 ? '' : 's'}, as the racks of the brokers say`,
    )
  }
  const brokers = observation?.brokers.length ?? ASSUMED_BROKERS
  if (observation === null)
    assumptions.push(`the cluster was not looked at yet: ${ASSUMED_BROKERS} brokers are assumed`)
  const instanceType = economics?.instanceType ?? null
  if (instanceType === null && book.tariff.compute === 'vcpu') {
    assumptions.push('no instance type is known: broker CPU is priced by the vCPU, and idle brokers are not counted')
  }
  const followerFetch = observation?.readsNearby === true && racks !== null && racks > 1
  if (followerFetch) {
    assumptions.push(
      'brokers let consumers read from the copy in their zone (replica.selector.class): readers are taken to name theirs (client.rack)',
    )
  }
  const tiered = observation?.topics.some(({ configs }) => configs?.tiered === true) ?? false
  const model = clusterModel({
    name: cluster.address.name,
    book,
    zones,
    brokers: Math.max(1, brokers),
    instanceType,
    tiered,
    followerFetch,
    assumptions,
    ...(constants === undefined ? {} : { constants }),
  })
  const room: Room = {
    ...UNKNOWN_ROOM,
    diskBytes: freeDisk(observation, model.diskShare),
    ...freeTraffic(observation?.metrics, model),
  }
  return { ...model, room }
}

/** @throws MqError MQ_PRICE_BOOK_UNKNOWN, MQ_PRICE_MISSING or MQ_PRICE_INVALID */
export function bookOf(economics: ClusterEconomics | null): PriceBook {
  const book = priceBook(economics?.priceBook ?? ASSUMED_BOOK)
  return economics?.overrides === undefined ? book : overrideFigures(book, economics.overrides)
}

/** Where a cluster stands: as registered, else as the price book says that somebody named; never by the assumed book. */
export function regionOf({ site, economics }: Pick<ClusterRecord, 'site' | 'economics'>): string | null {
  return site.region ?? (economics === null ? null : priceBook(economics.priceBook).region)
}

/** Refuses prices that nothing could be computed from later: an unknown book, meter or instance. */
export function checkEconomics(economics: ClusterEconomics): void {
  const book = bookOf(economics)
  if (economics.instanceType !== undefined) instanceOf(book, economics.instanceType)
  if (book.kind === 'msk-serverless' && economics.instanceType !== undefined) {
    throw new MqError(
      'MQ_PRICE_INVALID',
      `Price book '${book.id}' bills no brokers, so --instance means nothing with it`,
    )
  }
}

/** What brokers could still carry until their CPU is as busy as it may be, at the mix of today. */
function freeTraffic(
  metrics: BrokerMetrics | undefined,
  { book, brokers, instanceType, cpuCeiling }: ClusterModel,
): Partial<Pick<Room, 'inBytesPerSecond' | 'outBytesPerSecond'>> {
  if (metrics === undefined || metrics.busyVcpus === null || metrics.busyVcpus === 0 || instanceType === null) return {}
  const busy = metrics.busyVcpus / (brokers * instanceOf(book, instanceType).vcpus)
  const more = (rate: number | null): number | null =>
    rate === null ? null : rate * Math.max(0, cpuCeiling / busy - 1)
  return { inBytesPerSecond: more(metrics.inBytesPerSecond), outBytesPerSecond: more(metrics.outBytesPerSecond) }
}

/** What may still be filled before disks are as full as they may get; one copy of everything counted as it lies. */
function freeDisk(observation: ClusterObservation | null, diskShare: number): number | null {
  if (observation === null) return null
  let free = 0
  for (const { totalBytes, usableBytes } of observation.brokers) {
    if (totalBytes === null || usableBytes === null) return null
    free += Math.max(0, usableBytes - totalBytes * (1 - diskShare))
  }
  return free
}
