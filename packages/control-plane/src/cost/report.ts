/**
 * Showback from the history: who caused which part of what was billed.
 *
 * E1. Lines and the unallocated rest add up to the total as it is shown: in whole cents from a dollar on, and in finer steps below it,
 *     so that little is never shown as nothing; what rounding leaves goes to the largest remainders. The same for the month.
 * E3. Every line is what was caused and a share of idle brokers, which are rounded before they are added.
 * E2. An hour that lies partly before the time asked for counts with the part within it.
 */
import type { CostBy, CostLine, CostReport, MeasuredCost } from '@mq/contract'
import { HOURS_PER_MONTH } from '@mq/economics'
import type { CostHour, RecordedLine } from './cost-hour.ts'

const MONTH_MS = HOURS_PER_MONTH * 3_600_000
/** Decimals of an amount: the largest decides for all that are added up. */
const DECIMALS = [
  { fromUsd: 1, decimals: 2 },
  { fromUsd: 0.01, decimals: 4 },
  { fromUsd: 0, decimals: 6 },
] as const

export type Showback = Pick<CostReport, 'watchedMs' | 'totalUsd' | 'usdPerMonth' | 'lines' | 'unallocated' | 'clusters'>

interface Sums {
  usd: number
  usdPerMonth: number
}

interface Parts {
  readonly caused: Sums
  readonly idle: Sums
}

export function reportOf(hours: readonly CostHour[], by: CostBy, fromMs: number, toMs: number): Showback {
  const byCluster = Map.groupBy(hours, ({ cluster }) => cluster)
  const told = new Map<string, Parts>()
  const rest = new Map<string, Parts>()
  const clusters = [...byCluster].map(([cluster, own]) => {
    const watchedMs = own.reduce((sum, hour) => sum + hour.watchedMs * shareOf(hour, fromMs, toMs), 0)
    let modelledUsd = 0
    let billedUsd = 0
    for (const hour of own) {
      const part = shareOf(hour, fromMs, toMs)
      modelledUsd += hour.modelledUsd * part
      billedUsd += hour.billedUsd * part
      for (const line of hour.lines) {
        const isOwned = line.kind === 'own' || line.kind === 'reading' || line.kind === 'idle' || isTeams(line, by)
        const key = isOwned || by === 'cluster' ? keyOf(line, by, cluster) : restText(line)
        const into = isOwned ? told : rest
        const parts = into.get(key) ?? { caused: { usd: 0, usdPerMonth: 0 }, idle: { usd: 0, usdPerMonth: 0 } }
        const sums = isIdle(line) ? parts.idle : parts.caused
        sums.usd += line.usd * part
        sums.usdPerMonth += watchedMs > 0 ? (line.usd * part * MONTH_MS) / watchedMs : 0
        into.set(key, parts)
      }
    }
    return {
      cluster,
      watchedMs: Math.round(watchedMs),
      modelledUsd,
      billedUsd,
      scale: modelledUsd > 0 ? billedUsd / modelledUsd : 1,
      priceBooks: [...new Set(own.map(({ priceBook, priceVersion }) => `${priceBook}@${priceVersion}`))],
    }
  })
  const all = [...told, ...rest]
  // E3
  const spent = addingUp(all.flatMap(([, { caused, idle }]) => [caused.usd, idle.usd]))
  const monthly = addingUp(all.flatMap(([, { caused, idle }]) => [caused.usdPerMonth, idle.usdPerMonth]))
  const lines = all.map(([key], at): CostLine => {
    const [causedUsd, idleUsd] = [spent.parts[2 * at]!, spent.parts[2 * at + 1]!]
    const [causedUsdPerMonth, idleUsdPerMonth] = [monthly.parts[2 * at]!, monthly.parts[2 * at + 1]!]
    const usd = spent.sum(causedUsd, idleUsd)
    return {
      key,
      usd,
      usdPerMonth: monthly.sum(causedUsdPerMonth, idleUsdPerMonth),
      share: spent.total > 0 ? usd / spent.total : 0,
      parts: { causedUsd, idleUsd, causedUsdPerMonth, idleUsdPerMonth },
    }
  })
  const dearestFirst = (a: CostLine, b: CostLine): number => b.usdPerMonth - a.usdPerMonth || (a.key < b.key ? -1 : 1)
  return {
    watchedMs: Math.max(0, ...clusters.map(({ watchedMs }) => watchedMs)),
    totalUsd: spent.total,
    usdPerMonth: monthly.total,
    lines: lines.slice(0, told.size).toSorted(dearestFirst),
    unallocated: lines.slice(told.size).toSorted(dearestFirst),
    clusters: clusters.toSorted((a, b) => (a.cluster < b.cluster ? -1 : 1)),
  }
}

/** What one mQ ID cost, meter by meter; its parts are those of its line in the report by mQ ID, to the cent. */
export function measuredOf(hours: readonly CostHour[], id: string, fromMs: number, toMs: number): MeasuredCost | null {
  const { watchedMs, lines } = reportOf(hours, 'id', fromMs, toMs)
  const told = lines.find(({ key }) => key === id)
  if (told === undefined || watchedMs === 0) return null
  const byMeter = new Map<string, { meter: string; part: 'caused' | 'idle'; usd: number }>()
  for (const hour of hours) {
    for (const line of hour.lines) {
      if (line.id !== id) continue
      const part = isIdle(line) ? 'idle' : 'caused'
      const key = `${part} ${line.meter}`
      const usd = (byMeter.get(key)?.usd ?? 0) + line.usd * shareOf(hour, fromMs, toMs)
      byMeter.set(key, { meter: line.meter, part, usd })
    }
  }
  const { parts } = told
  const of = (part: 'caused' | 'idle', usd: number, usdPerMonth: number): MeasuredCost['lines'] => {
    const own = [...byMeter.values()].filter((line) => line.part === part).toSorted((a, b) => b.usd - a.usd)
    const exact = own.map((line) => line.usd)
    const [spent, monthly] = [fitted(exact, usd), fitted(exact, usdPerMonth)]
    return own.map(({ meter }, at) => ({ meter, part, usd: spent[at]!, usdPerMonth: monthly[at]! }))
  }
  return {
    fromMs,
    toMs,
    watchedMs,
    usd: told.usd,
    usdPerMonth: told.usdPerMonth,
    parts,
    lines: [
      ...of('caused', parts.causedUsd, parts.causedUsdPerMonth),
      ...of('idle', parts.idleUsd, parts.idleUsdPerMonth),
    ],
  }
}

/** Amounts in proportion, as parts of a sum that is rounded already; what rounding leaves goes to the largest. */
function fitted(amounts: readonly number[], total: number): number[] {
  const sum = amounts.reduce((all, amount) => all + amount, 0)
  const steps = 10 ** DECIMALS.find(({ fromUsd }) => Math.abs(total) >= fromUsd || fromUsd === 0)!.decimals
  const whole = amounts.map((amount) => (sum === 0 ? 0 : Math.round((amount / sum) * total * steps)))
  const left = Math.round(total * steps) - whole.reduce((all, amount) => all + amount, 0)
  if (whole.length > 0) whole[0]! += left
  return whole.map((amount) => amount / steps)
}

/** How much of the hour lies in the time asked for (E2). */
export function shareOf({ startMs, resolutionMs }: CostHour, fromMs: number, toMs: number): number {
  const covered = Math.min(startMs + resolutionMs, toMs) - Math.max(startMs, fromMs)
  // The hour under way holds what passed of it, all of which lies before now.
  const whole = Math.min(startMs + resolutionMs, Math.max(toMs, startMs + 1)) - startMs
  return Math.max(0, Math.min(1, covered / whole))
}

/** What mQ does not manage has an owner by the rules, though no mQ ID. */
function isTeams({ kind, team, service }: RecordedLine, by: CostBy): boolean {
  if (kind !== 'foreign' && kind !== 'foreign-idle') return false
  return (by === 'team' && team !== '') || (by === 'service' && service !== '')
}

function isIdle({ kind }: RecordedLine): boolean {
  return kind === 'idle' || kind === 'foreign-idle'
}

function keyOf(line: RecordedLine, by: CostBy, cluster: string): string {
  switch (by) {
    case 'id':
      return line.id || '-'
    case 'team':
      return line.team || '-'
    case 'service':
      return line.service || '-'
    case 'meter':
      return line.meter
    case 'cluster':
      return cluster
  }
}

function restText({ kind, meter }: RecordedLine): string {
  if (kind === 'foreign' || kind === 'foreign-idle') return 'topics mQ does not know'
  return meter === 'cluster-hour'
    ? 'fees of clusters, and what the model does not explain'
    : 'what the model does not explain'
}

/** E1 */
function addingUp(amounts: readonly number[]): {
  readonly parts: readonly number[]
  readonly total: number
  /** Of two parts, without what binary fractions add. */
  readonly sum: (a: number, b: number) => number
} {
  const sum = amounts.reduce((total, usd) => total + usd, 0)
  const steps = 10 ** DECIMALS.find(({ fromUsd }) => sum >= fromUsd || fromUsd === 0)!.decimals
  const exact = amounts.map((usd) => usd * steps)
  const whole = exact.map((amount) => Math.floor(amount + 1e-9))
  const total = Math.round(sum * steps)
  const left = total - whole.reduce((all, amount) => all + amount, 0)
  const byRemainder = exact.map((amount, at) => ({ at, rest: amount - whole[at]! })).toSorted((a, b) => b.rest - a.rest)
  for (const { at } of byRemainder.slice(0, Math.max(0, left))) whole[at]!++
  return {
    parts: whole.map((amount) => amount / steps),
    total: total / steps,
    sum: (a, b) => Math.round((a + b) * steps) / steps,
  }
}
