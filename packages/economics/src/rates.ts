/**
 * The bill as rates: what one unit of every metered quantity costs a month under a shape, on a cluster.
 *
 * Q1. Rates come out of `bill` itself, one quantity at a time, so that ranking by rates and billing can never disagree: a bill is
 *     linear (C2), and a test holds that.
 * Q2. They are remembered by cluster and shape: many mQ IDs share them.
 */
import type { ClusterModel } from './cluster-model.ts'
import { bill, type Quantities, type Shape } from './cost.ts'

export type Rates = { readonly [Name in keyof Quantities]: number } & {
  /** Costs that no byte changes: partitions. */
  readonly fixed: number
}

const NOTHING: Quantities = {
  recordsPerSecond: 0,
  wireBytesPerSecond: 0,
  logicalBytesPerSecond: 0,
  brokerCpuUsPerSecond: 0,
  producerCpuUsPerSecond: 0,
  consumerCpuUsPerSecond: 0,
  localBytes: 0,
  localLogicalBytes: 0,
  remoteBytes: 0,
  remoteLogicalBytes: 0,
}
/** Large, so that the fixed part is lost in nothing. */
const UNIT = 1e9
const REMEMBERED = 256

const memory = new WeakMap<ClusterModel, Map<string, Rates>>()

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
  const rates: Record<string, number> = {}
  for (const name of Object.keys(low) as (keyof Rates)[]) rates[name] = low[name] + (high[name] - low[name]) * above
  return rates as unknown as Rates
}

function remembered(known: Map<string, Rates>, shape: Shape, peakMultiple: 1 | 2, cluster: ClusterModel): Rates {
  const key = `${shape.groups}/${shape.partitions}/${shape.replication}/${shape.followerFetch}/${shape.tiered}/${peakMultiple}`
  const before = known.get(key)
  if (before !== undefined) return before
  const of = (quantities: Quantities): number => bill(quantities, { ...shape, peakMultiple }, cluster).usdPerMonth
  const fixed = of(NOTHING)
  const rates: Record<string, number> = { fixed }
  for (const name of Object.keys(NOTHING) as (keyof Quantities)[]) {
    rates[name] = (of({ ...NOTHING, [name]: UNIT }) - fixed) / UNIT
  }
  if (known.size >= REMEMBERED) known.clear()
  known.set(key, rates as unknown as Rates)
  return rates as unknown as Rates
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
