/**
 * Repairs: what is proposed when the p99 an intent asks for is missed, although it may cost more. Pure.
 *
 * P1. The cheapest that meets the p99 with its margin, by a model corrected by what was seen; where none does the nearest to it.
 * P2. Only what is a good deal faster by the model than what stands: change for the sake of change helps nobody.
 * P3. Settings of the side that alone takes too long cannot be made up for by the other side, so that side's alone are looked at.
 * P4. More than the budget is proposed, said, and left to a person (proposed.ts Q1).
 */
import { formatDurationMs } from '@mq/contract'
import type { Candidate, Grid, Optimum } from '@mq/economics'
import type { Feedback } from '../feedback.ts'
import { percent } from '../format.ts'
import { errorOf, type Missed, rememberedFactor } from '../lateness.ts'
import { type Proposal, usd } from '../proposal.ts'
import type { IdWorld, World } from '../world.ts'
import {
  consumerGrid,
  consumerOf,
  consumerProposal,
  LATENCY_MARGIN,
  type Motive,
  ms,
  producerGrid,
  producerOf,
  producerProposal,
  settingsKey,
  triedLately,
} from './settings.ts'

/** By the model, at the expected peak. */
export const LEAST_FASTER_PREDICTED = 0.1

interface Way {
  readonly side: 'producers' | 'readers'
  readonly optimum: Optimum
  readonly candidate: Candidate
  readonly isWithin: boolean
}

/** @returns a proposal, or in words why there is none */
export function repairing(
  world: World,
  one: IdWorld,
  now: Candidate,
  missed: Missed,
  feedback: Feedback,
  solveWithin: (grid: Grid, limitMs: number) => Optimum,
): Proposal | string {
  const allowed = one.intent.latencyP99Ms
  const shown = errorOf(missed, now)
  const factor = Math.max(shown, feedback.latencyFactor, rememberedFactor(one))
  const limitMs = (allowed * LATENCY_MARGIN) / factor
  const tried = triedLately(world, one)
  const ways = sidesOf(missed, allowed).flatMap((side): Way[] => {
    const optimum = solveWithin(side === 'producers' ? producerGrid(one) : consumerGrid(one), limitMs)
    return faster(optimum, now).flatMap(({ candidate, isWithin }) => {
      const settings = side === 'producers' ? producerOf(one.producer, candidate) : consumerOf(one, candidate)
      return tried.has(settingsKey(settings)) ? [] : [{ side, optimum, candidate, isWithin }]
    })
  })
  const [best] = ways.toSorted(better)
  const over = seenText(missed, allowed)
  if (best === undefined) {
    return `${over}, and no other settings are predicted to be at least ${percent(LEAST_FASTER_PREDICTED)} faster${tried.size > 0 ? ' that were not tried lately' : ''}: what stands is predicted at ${ms(now.peakEndToEndP99Ms)}`
  }
  const motive = motiveOf(one, now, best, missed, { factor: shown, limitMs, decisions: feedback.decisions })
  return best.side === 'producers'
    ? producerProposal(one, best.optimum, best.candidate, motive)
    : consumerProposal(one, best.optimum, best.candidate, motive)
}

/** P3. */
function sidesOf({ sendMs, endToEndMs }: Missed, allowed: number): Way['side'][] {
  const isSendLate = sendMs !== null && sendMs > allowed
  const readingMs = endToEndMs === null || sendMs === null ? 0 : endToEndMs - sendMs
  return [
    ...(readingMs > allowed && !isSendLate ? [] : (['producers'] as const)),
    ...(isSendLate || endToEndMs === null ? [] : (['readers'] as const)),
  ]
}

/** P2; a budget that is too low hides no configuration that is fast enough (P4). */
function faster(optimum: Optimum, now: Candidate): { candidate: Candidate; isWithin: boolean }[] {
  const { outcome, best, runnersUp } = optimum
  const isWithin = outcome.kind !== 'infeasible' || outcome.constraint === 'budget'
  if (!isWithin && outcome.constraint !== 'latency') return []
  const limitMs = now.peakEndToEndP99Ms * (1 - LEAST_FASTER_PREDICTED)
  return (isWithin ? [best, ...runnersUp] : [best])
    .filter(({ peakEndToEndP99Ms }) => peakEndToEndP99Ms <= limitMs)
    .map((candidate) => ({ candidate, isWithin }))
}

/** P1. */
function better(a: Way, b: Way): number {
  if (a.isWithin !== b.isWithin) return a.isWithin ? -1 : 1
  return a.isWithin
    ? a.candidate.cost.usdPerMonth - b.candidate.cost.usdPerMonth
    : a.candidate.peakEndToEndP99Ms - b.candidate.peakEndToEndP99Ms
}

function motiveOf(
  one: IdWorld,
  now: Candidate,
  { candidate, isWithin, optimum }: Way,
  missed: Missed,
  { factor, limitMs, decisions }: { readonly factor: number; readonly limitMs: number; readonly decisions: number },
): Motive {
  const { latencyP99Ms: allowed, budgetUsdPerMonth: budget } = one.intent
  const [was, is] = [now.cost.usdPerMonth, candidate.cost.usdPerMonth]
  const cost =
    is > was
      ? `it costs ${usd(is - was)} a month more (${usd(is)} instead of ${usd(was)})`
      : `it saves ${usd(was - is)} a month (${usd(is)} instead of ${usd(was)})`
  const overBudgetUsd = budget !== undefined && is > budget && is > was ? is - budget : null
  const budgetText =
    overBudgetUsd === null ? '' : `; that is ${usd(overBudgetUsd)} a month over the budget of ${usd(budget!)}`
  const corrected = factor > 1 ? `, by a model that says ${factor.toFixed(1)} times too little of what stands` : ''
  const reach = isWithin
    ? ''
    : `; no configuration is predicted within the ${ms(limitMs)} that leaves a margin, this is the nearest to it`
  return {
    reason: `${isWithin ? 'cheapest' : 'nearest'} of ${optimum.evaluated} configurations for the p99 of ${ms(allowed)}, which is missed`,
    why: `${seenText(missed, allowed)}; predicted at ${ms(candidate.peakEndToEndP99Ms)} instead of ${ms(now.peakEndToEndP99Ms)}${corrected}${reach}; ${cost}${budgetText}`,
    corrections: decisions,
    repair: { what: missed.what, seenMs: missed.seenMs, allowedMs: allowed, factor, overBudgetUsd },
  }
}

function seenText({ what, seenMs, forMs }: Missed, allowed: number): string {
  const time = formatDurationMs(Math.round(forMs / 1_000) * 1_000)
  return `the ${what === 'send' ? 'p99 of a send' : 'end-to-end p99'} is ${ms(seenMs)} for ${time} where ${ms(allowed)} are allowed (${percent(seenMs / allowed - 1)} over)`
}
