/**
 * What the API says about costs: showback, budgets and their warnings.
 *
 * W1. Until something was recorded every answer says so, and since when clusters are watched.
 * W2. A budget of an mQ ID is the one set for it, else the `budgetUsdPerMonth` of its intent.
 */
import type { Budget, CostBy, CostReport, MeasuredCost } from '@mq/contract'
import { type ClusterModel, forecastMonthEnd, type SpentDay } from '@mq/economics'
import type { Deps } from '@mq/kafka'
import type { ClusterObservation } from '../observe/observation.ts'
import type { Registry } from '../registry/registry.ts'
import type { Budgets } from './budgets.ts'
import type { CostHistory } from './cost-history.ts'
import { type CostHour, DAY_MS, HOUR_MS, type RecordedLine, startOf } from './cost-hour.ts'
import { intervalOf } from './interval.ts'
import type { Owners } from './owners.ts'
import { measuredOf, reportOf } from './report.ts'

export interface CostsOptions {
  readonly registry: Registry
  readonly history: CostHistory
  readonly budgets: Budgets
  readonly owners: Owners
  readonly deps: Deps
  readonly modelOf: (cluster: string, look: ClusterObservation) => ClusterModel | null
  /** Clusters that cannot be watched now. */
  readonly problems: () => string[]
}

const SCALED_DAYS = 28
/** Warnings are asked for with every list: they are worked out at most that often. */
const WARNINGS_KEPT_MS = 30_000

export class Costs {
  readonly #options: CostsOptions
  readonly #assumptions = new Map<string, readonly string[]>()
  /** What a scope spent on days that are over: they never change. */
  readonly #pastDays = new Map<string, BudgetDay | null>()
  #warnings: { readonly atMs: number; readonly budgets: Promise<Budget[]> } | undefined

  constructor(options: CostsOptions) {
    this.#options = options
  }

  /** Records what passed since the look before. */
  async take(cluster: string, look: ClusterObservation, before: ClusterObservation | null): Promise<void> {
    const { registry, history, owners, modelOf } = this.#options
    const model = modelOf(cluster, look)
    if (model === null) return
    this.#assumptions.set(cluster, model.assumptions)
    if (before === null) return
    const monthlyBillUsd = registry.cluster(cluster)?.economics?.monthlyBillUsd ?? null
    const interval = intervalOf({
      look,
      before,
      model,
      records: registry.all(),
      rules: owners.rules,
      monthlyBillUsd,
    })
    if (interval === null) return
    await history.add(cluster, interval)
    // A look just after midnight still adds to the day before.
    const dayMs = startOf(interval.toMs, DAY_MS)
    for (const key of this.#pastDays.keys()) if (key.startsWith(`${dayMs} `)) this.#pastDays.delete(key)
  }

  async report(by: CostBy, sinceMs: number): Promise<CostReport> {
    const { history, deps, problems } = this.#options
    const toMs = deps.clock.nowMs()
    const fromMs = toMs - sinceMs
    const hours = await history.between(fromMs, toMs)
    const watchedSinceMs = await history.sinceMs()
    return {
      by,
      fromMs,
      toMs,
      watchedSinceMs,
      ...reportOf(hours, by, fromMs, toMs),
      assumptions: [...new Set([...this.#assumptions.values()].flat())],
      problems: problems(),
      budgets: await this.budgets(),
    }
  }

  /** What an mQ ID cost in the last hour; null before anything of it was recorded. */
  async lastHour(id: string): Promise<MeasuredCost | null> {
    const toMs = this.#options.deps.clock.nowMs()
    const fromMs = toMs - HOUR_MS
    return measuredOf(await this.#options.history.between(fromMs, toMs), id, fromMs, toMs)
  }

  async budgets(): Promise<Budget[]> {
    const { history, deps } = this.#options
    const records = this.#all()
    if (records.length === 0) return []
    const nowMs = deps.clock.nowMs()
    const now = new Date(nowMs)
    const monthStartMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1)
    const monthEndMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1)
    const todayMs = startOf(nowMs, DAY_MS)
    const scopes = records.map(({ scope }) => scope)
    await this.#learnPastDays(monthStartMs - SCALED_DAYS * DAY_MS, todayMs, scopes)
    const today = await history.between(todayMs, nowMs)
    return records.map((record) => {
      const days = [
        ...this.#past(record.scope, monthStartMs - SCALED_DAYS * DAY_MS, todayMs),
        ...daysOf(today, record.scope, nowMs),
      ]
      const forecast = forecastMonthEnd({ monthStartMs, monthEndMs, nowMs, days })
      // Less tells nothing about a month.
      const isWatched = days.some(({ coveredMs }) => coveredMs >= HOUR_MS)
      const state =
        forecast.spentUsd > record.usdPerMonth
          ? 'over'
          : !isWatched
            ? 'no-data'
            : forecast.monthEndUsd > record.usdPerMonth
              ? 'forecast-over'
              : 'ok'
      return {
        ...record,
        state,
        spentUsd: forecast.spentUsd,
        spentCausedUsd: forecast.spentUsd * causedShare(days.filter(({ startMs }) => startMs >= monthStartMs)),
        forecastUsd: isWatched ? forecast.monthEndUsd : null,
        forecastFromUsd: isWatched ? forecast.range.fromUsd : null,
        forecastToUsd: isWatched ? forecast.range.toUsd : null,
        warning: this.#warning(record.scope, record.usdPerMonth, state, forecast.spentUsd, forecast.monthEndUsd),
      }
    })
  }

  /** Budgets that are over or will be, for the lists; a little old at most. */
  async warnings(): Promise<Budget[]> {
    const atMs = this.#options.deps.clock.monotonicMs()
    if (this.#warnings === undefined || atMs - this.#warnings.atMs > WARNINGS_KEPT_MS) {
      this.#warnings = { atMs, budgets: this.budgets() }
      this.#warnings.budgets.catch(() => {
        this.#warnings = undefined
      })
    }
    return (await this.#warnings.budgets).filter(({ state }) => state === 'over' || state === 'forecast-over')
  }

  /** After a change of budgets or owners. */
  forgetWarnings(): void {
    this.#warnings = undefined
  }

  /** Whether any mQ ID is of the team or is the one a scope names. */
  isKnown(scope: string): boolean {
    const active = this.#options.registry.all().filter(({ state }) => state === 'active')
    if (scope === 'global') return true
    if (scope.startsWith('id=')) return active.some(({ id }) => id === scope.slice(3))
    const team = scope.slice(5)
    return (
      active.some((record) => record.spec?.intent.owner?.team === team) ||
      this.#options.owners.rules.some((rule) => rule.team === team)
    )
  }

  /** One day after the other, so that a large fleet is never in memory for a whole month. */
  async #learnPastDays(fromMs: number, todayMs: number, scopes: readonly string[]): Promise<void> {
    for (const key of this.#pastDays.keys())
      if (Number(key.slice(0, key.indexOf(' '))) < fromMs) this.#pastDays.delete(key)
    for (let dayMs = fromMs; dayMs < todayMs; dayMs += DAY_MS) {
      const unknown = scopes.filter((scope) => !this.#pastDays.has(`${dayMs} ${scope}`))
      if (unknown.length === 0) continue
      const hours = (await this.#options.history.between(dayMs, dayMs + DAY_MS)).filter(
        ({ startMs }) => startMs >= dayMs,
      )
      for (const scope of unknown) this.#pastDays.set(`${dayMs} ${scope}`, daysOf(hours, scope, todayMs)[0] ?? null)
    }
  }

  #past(scope: string, fromMs: number, todayMs: number): BudgetDay[] {
    const days: BudgetDay[] = []
    for (let dayMs = fromMs; dayMs < todayMs; dayMs += DAY_MS) {
      const day = this.#pastDays.get(`${dayMs} ${scope}`)
      if (day != null) days.push(day)
    }
    return days
  }

  /** W2 */
  #all(): { scope: string; usdPerMonth: number; setBy: string; setAtMs: number }[] {
    const { budgets, registry } = this.#options
    const set = budgets.all()
    const asked = registry.all().flatMap((record) => {
      if (record.state !== 'active') return []
      const usdPerMonth = record.spec.intent.budgetUsdPerMonth
      const scope = `id=${record.id}`
      if (usdPerMonth === undefined || budgets.get(scope) !== undefined) return []
      return [{ scope, usdPerMonth, setBy: 'intent', setAtMs: record.updatedAtMs }]
    })
    return [...set, ...asked].sort((a, b) => (a.scope < b.scope ? -1 : 1))
  }

  #warning(scope: string, usdPerMonth: number, state: Budget['state'], spent: number, forecast: number): string | null {
    const budget = `budget of ${scope}, $${usdPerMonth.toFixed(2)} a month for what it causes and its share of idle brokers`
    if (state === 'over') return `over the ${budget}: $${spent.toFixed(2)} are spent`
    if (state === 'no-data' && this.isKnown(scope)) return `${budget}: watched for less than an hour, too short to tell`
    if (state === 'forecast-over') return `the month will end at $${forecast.toFixed(2)}, over the ${budget}`
    return this.isKnown(scope) ? null : `${budget}: no mQ ID is of it now`
  }
}

interface BudgetDay extends SpentDay {
  /** Without the share of idle brokers. */
  readonly causedUsd: number
}

function causedShare(days: readonly BudgetDay[]): number {
  const usd = days.reduce((sum, day) => sum + day.usd, 0)
  return usd === 0 ? 1 : days.reduce((sum, day) => sum + day.causedUsd, 0) / usd
}

function daysOf(hours: readonly CostHour[], scope: string, nowMs: number): BudgetDay[] {
  const days = new Map<number, { usd: number; causedUsd: number; coveredMs: number }>()
  const matches = matcherOf(scope)
  const perDay = Map.groupBy(hours, ({ startMs }) => startOf(startMs, DAY_MS))
  for (const [startMs, own] of perDay) {
    let usd = 0
    let causedUsd = 0
    const watched = new Map<string, number>()
    for (const hour of own) {
      watched.set(hour.cluster, (watched.get(hour.cluster) ?? 0) + hour.watchedMs)
      for (const line of hour.lines) {
        if (!matches(line)) continue
        usd += line.usd
        if (line.kind !== 'idle' && line.kind !== 'foreign-idle') causedUsd += line.usd
      }
    }
    const coveredMs = Math.min(DAY_MS, Math.max(0, ...watched.values()), nowMs - startMs)
    if (coveredMs > 0) days.set(startMs, { usd, causedUsd, coveredMs })
  }
  return [...days].map(([startMs, day]) => ({ startMs, ...day }))
}

function matcherOf(scope: string): (line: RecordedLine) => boolean {
  if (scope === 'global') return () => true
  if (scope.startsWith('id=')) return (line) => line.id === scope.slice(3)
  return (line) => line.team !== '' && line.team === scope.slice(5)
}
