/**
 * What mQ IDs cost, as it was: showback from recorded history, and budgets over it.
 *
 * Y1. The lines and the unallocated rest add up to the total, to the cent.
 * Y2. What was recorded keeps the prices it was computed with; a report names every version that is in it.
 * Y3. Money is in US dollars. A time that nobody watched is not guessed: `watchedMs` says how much there is.
 */
import { z } from 'zod'
import { DurationMs } from './duration.ts'
import { PolicyScope } from './policy.ts'

const usd = z.number()

export const CostBy = z.enum(['id', 'team', 'service', 'meter', 'cluster'])
export type CostBy = z.output<typeof CostBy>

/** What every amount is made of; the same parts, by the same rules, in `mq cost`, `mq scan` and `mq explain`. */
export const CostParts = z.object({
  causedUsd: usd.describe('Its bytes that move, its bytes on disks, and the broker CPU both need'),
  idleUsd: usd.describe('Its share of what brokers cost beyond the CPU that all topics need'),
  causedUsdPerMonth: usd,
  idleUsdPerMonth: usd,
})
export type CostParts = z.output<typeof CostParts>

export const CostLine = z.object({
  key: z.string().describe('The mQ ID, team, service, meter or cluster; - where nobody said'),
  usd: usd.describe('In the time asked for'),
  usdPerMonth: usd.describe('What goes on at this rate in a month of 730 hours'),
  share: z.number().describe('Of the total'),
  parts: CostParts,
})
export type CostLine = z.output<typeof CostLine>

export const BudgetState = z.enum(['ok', 'forecast-over', 'over', 'no-data'])

/** A budget and how the calendar month (UTC) goes. */
export const Budget = z.object({
  scope: PolicyScope,
  usdPerMonth: z.number().describe('For what it causes and its share of idle brokers, together'),
  setAtMs: z.number().int(),
  setBy: z.string(),
  state: BudgetState,
  spentUsd: usd.describe('This month: caused, and the share of idle brokers'),
  spentCausedUsd: usd.describe('The part of it that is caused'),
  forecastUsd: usd.nullable().describe('At the end of the month; null before anything was recorded'),
  forecastFromUsd: usd.nullable(),
  forecastToUsd: usd.nullable(),
  warning: z.string().nullable(),
})
export type Budget = z.output<typeof Budget>

export const BudgetRequest = z.strictObject({ usdPerMonth: z.number().positive().max(1e12) })

export const CostReport = z.object({
  by: CostBy,
  fromMs: z.number().int(),
  toMs: z.number().int(),
  watchedSinceMs: z.number().int().nullable().describe('The oldest record there is; null before the first one'),
  watchedMs: z.number().int().describe('How much of the time asked for was watched, of the cluster watched most'),
  totalUsd: usd,
  usdPerMonth: usd,
  lines: z.array(CostLine),
  unallocated: z
    .array(CostLine)
    .describe('What no mQ ID caused: topics mQ does not know, fees of a cluster, a bill beyond the model'),
  clusters: z.array(
    z.object({
      cluster: z.string(),
      watchedMs: z.number().int(),
      modelledUsd: usd,
      billedUsd: usd.describe('The model, or the actual bill where one was given'),
      scale: z.number().describe('Billed over modelled'),
      priceBooks: z.array(z.string()).describe('id@version of every price book in it'),
    }),
  ),
  assumptions: z.array(z.string()),
  problems: z.array(z.string()).describe('Clusters that cannot be watched now, and why'),
  budgets: z.array(Budget),
})
export type CostReport = z.output<typeof CostReport>

export const CostQuery = z.object({
  by: CostBy.default('id'),
  since: DurationMs.pipe(
    z
      .number()
      .int()
      .min(60_000)
      .max(400 * 86_400_000),
  )
    .prefault('7d')
    .describe('How far back, such as 12h or 7d'),
})
