/**
 * Which instances try a change. Pure.
 *
 * N1. At most CANARY_SHARE of the instances, and at least one.
 * N2. One instance alone has nobody to be compared with: it takes turns with itself.
 * N3. Those nearest to the usual rate go first: what holds for them holds for most.
 * N4. Of readers each group has its share on trial, at most a tenth of its members and at least one. A process that reads for several
 *     groups is on trial in all of them, so nobody is taken that puts another group over its share. A group that gets nobody so is named:
 *     then there is no trial.
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

/** What is looked at of a window: all of the last windows, so that nobody is passed over. */
export type Recent = Pick<Sample, 'instance' | 'group' | 'activeMs' | 'records'>

/** @param recent windows of instances that send now; undefined when none does */
export function chooseCanary(recent: readonly Recent[]): Canary | undefined {
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

/**
 * N4.
 * @param recent windows of readers that read now; undefined when none does
 * @param except processes that prove nothing
 */
export function chooseReaders(recent: readonly Recent[], except: ReadonlySet<string> = new Set()): Canary | undefined {
  const groups = [...Map.groupBy(recent, ({ group }) => group).values()]
    .map(readersOf)
    .filter(({ rates }) => rates.size > 0)
    .sort((a, b) => a.rates.size - b.rates.size)
  if (groups.length === 0) return undefined
  const chosen = new Set<string>()
  const onTrial = new Map(groups.map((group) => [group, 0]))
  const isFull = (group: Readers): boolean => onTrial.get(group)! >= group.most
  for (const group of groups) {
    const spills = (instance: string): boolean =>
      groups.some((other) => other !== group && isFull(other) && other.rates.has(instance))
    const far = (instance: string): number => Math.abs(Math.log(group.rates.get(instance)! / group.usual))
    while (!isFull(group)) {
      const [best] = [...group.rates.keys()]
        .filter((instance) => !chosen.has(instance) && !except.has(instance) && !spills(instance))
        .filter((instance) => group.rates.get(instance)! >= group.usual * LEAST_RATE_SHARE)
        .sort((a, b) => far(a) - far(b) || (a < b ? -1 : 1))
      if (best === undefined) break
      chosen.add(best)
      for (const one of groups) if (one.rates.has(best)) onTrial.set(one, onTrial.get(one)! + 1)
    }
  }
  if (chosen.size === 0) return undefined
  const all = new Set(groups.flatMap(({ rates }) => [...rates.keys()]))
  // N2: all of them are chosen only where each group has one reader.
  const design = chosen.size === all.size ? 'windows' : 'instances'
  return { design, instances: [...chosen].sort(), ofInstances: all.size }
}

/** N4: those of the groups that have nobody on trial. */
export function untried(groups: Iterable<string>, recent: readonly Recent[], instances: readonly string[]): string[] {
  const named = new Set(instances)
  const tried = new Set(recent.flatMap((one) => (one.records > 0 && named.has(one.instance) ? [one.group] : [])))
  return [...new Set(groups)].filter((group) => !tried.has(group))
}

interface Readers {
  readonly rates: ReadonlyMap<string, number>
  readonly usual: number
  /** On trial at most. */
  readonly most: number
}

function readersOf(samples: readonly Recent[]): Readers {
  const rates = new Map(
    [...byInstance(samples).values()]
      .map((own) => [own[0]!.instance, rateOf(own)] as const)
      .filter(([, rate]) => rate > 0),
  )
  const most = Math.min(MOST_INSTANCES, Math.max(1, Math.floor(rates.size * CANARY_SHARE)))
  return { rates, most, usual: rates.size === 0 ? 0 : median([...rates.values()]) }
}
