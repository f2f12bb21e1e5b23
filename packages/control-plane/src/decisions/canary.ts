/**
 * Which instances try a change. Pure.
 *
 * N1. At most CANARY_SHARE of the instances, and at least one.
 * N2. One instance alone has nobody to be compared with: it takes turns with itself.
 * N3. Those nearest to the usual rate go first: what holds for them holds for most.
 */
import { byInstance, rateOf, type Sample } from './samples.ts'
import { median } from './statistics.ts'

export const CANARY_SHARE = 0.1
const MOST_INSTANCES = 50
/** Instances that send less than this share of the usual rate prove nothing. */
const LEAST_RATE_SHARE = 0.25

export interface Canary {
  readonly design: 'instances' | 'windows'
  readonly instances: string[]
  readonly ofInstances: number
}

/** @param recent windows of instances that send now; undefined when none does */
export function chooseCanary(recent: readonly Sample[]): Canary | undefined {
  const rates = [...byInstance(recent)]
    .map(([instance, samples]) => ({ instance, rate: rateOf(samples) }))
    .filter(({ rate }) => rate > 0)
  const [only] = rates
  if (only === undefined) return undefined
  if (rates.length === 1) return { design: 'windows', instances: [only.instance], ofInstances: 1 }
  const usual = median(rates.map(({ rate }) => rate))
  const far = (rate: number): number => Math.abs(Math.log(rate / usual))
  const instances = rates
    .filter(({ rate }) => rate >= usual * LEAST_RATE_SHARE)
    .sort((a, b) => far(a.rate) - far(b.rate) || (a.instance < b.instance ? -1 : 1))
    .slice(0, Math.min(MOST_INSTANCES, Math.max(1, Math.floor(rates.length * CANARY_SHARE))))
    .map(({ instance }) => instance)
    .sort()
  return { design: 'instances', instances, ofInstances: rates.length }
}
