/**
 * The bill as rates: what one unit of every metered quantity costs a month under a shape, on a cluster.
 *
 * Q1. Rates come out of `bill` itself, one quantity at a time, so that ranking by rates and billing can never disagree: a bill is
 *     linear (C2), and a test holds that.
 * Q2. They are remembered by cluster and shape: many mQ IDs share them.
 */
import type { ClusterModel } from './cluster-model.ts'
import { bill, NO_QUANTITIES, type Quantities, type Shape } from './cost.ts'

export type Rates = { readonly [Name in keyof Quantities]: number } & {
  /** Costs that no byte changes: partitions. */
  readonly fixed: number
}

/** Large, so that the fixed part is lost in nothing. */
const UNIT = 1e9
const REMEMBERED = 256

const memory = new WeakMap<ClusterModel, Map<number, Rates>>()

export function ratesOf(shape: Shape, cluster: ClusterModel): Rates {
  let known = memory.get(cluster)
  if (known === undefined) {
    known = new Map()
    memory.set(cluster, known)
  }
  // The peak bends only what is bought for it, in a straight line: two shapes give every other.
  const low = remembered(known, shape, 1, cluster)
  if (shape.peakMultiple === 1) return low
  const high = remembered(known, shape, 2, cluster)
  const above = shape.peakMultiple - 1
  const at = (name: keyof Rates): number => low[name] + (high[name] - low[name]) * above
  return {
    fixed: at('fixed'),
    recordsPerSecond: at('recordsPerSecond'),
    wireBytesPerSecond: at('wireBytesPerSecond'),
    logicalBytesPerSecond: at('logicalBytesPerSecond'),
    brokerCpuUsPerSecond: at('brokerCpuUsPerSecond'),
    producerCpuUsPerSecond: at('producerCpuUsPerSecond'),
    consumerCpuUsPerSecond: at('consumerCpuUsPerSecond'),
    localBytes: at('localBytes'),
    localLogicalBytes: at('localLogicalBytes'),
    remoteBytes: at('remoteBytes'),
    remoteLogicalBytes: at('remoteLogicalBytes'),
  }
}

function remembered(known: Map<number, Rates>, shape: Shape, peakMultiple: 1 | 2, cluster: ClusterModel): Rates {
  // Small whole numbers side by side: cheaper to look up than text.
  const flags = (shape.followerFetch ? 1 : 0) + (shape.tiered ? 2 : 0) + (peakMultiple === 2 ? 4 : 0)
  const key = ((shape.partitions * 64 + shape.replication) * 4_096 + shape.groups) * 8 + flags
  const before = known.get(key)
  if (before !== undefined) return before
  const of = (quantities: Quantities): number => bill(quantities, { ...shape, peakMultiple }, cluster).usdPerMonth
  const fixed = of(NO_QUANTITIES)
  const unit = (name: keyof Quantities): number => (of({ ...NO_QUANTITIES, [name]: UNIT }) - fixed) / UNIT
  const rates: Rates = {
    fixed,
    recordsPerSecond: unit('recordsPerSecond'),
    wireBytesPerSecond: unit('wireBytesPerSecond'),
    logicalBytesPerSecond: unit('logicalBytesPerSecond'),
    brokerCpuUsPerSecond: unit('brokerCpuUsPerSecond'),
    producerCpuUsPerSecond: unit('producerCpuUsPerSecond'),
    consumerCpuUsPerSecond: unit('consumerCpuUsPerSecond'),
    localBytes: unit('localBytes'),
    localLogicalBytes: unit('localLogicalBytes'),
    remoteBytes: unit('remoteBytes'),
    remoteLogicalBytes: unit('remoteLogicalBytes'),
  }
  if (known.size >= REMEMBERED) known.clear()
  known.set(key, rates)
  return rates
}

export function usdPerMonth(rates: Rates, quantities: Quantities): number {
  return (
    rates.fixed +
    rates.wireBytesPerSecond * quantities.wireBytesPerSecond +
    rates.logicalBytesPerSecond * quantities.logicalBytesPerSecond +
    rates.brokerCpuUsPerSecond * quantities.brokerCpuUsPerSecond +
    rates.producerCpuUsPerSecond * quantities.producerCpuUsPerSecond +
    rates.consumerCpuUsPerSecond * quantities.consumerCpuUsPerSecond +
    rates.localBytes * quantities.localBytes +
    rates.localLogicalBytes * quantities.localLogicalBytes +
    rates.remoteBytes * quantities.remoteBytes +
    rates.remoteLogicalBytes * quantities.remoteLogicalBytes
  )
}
