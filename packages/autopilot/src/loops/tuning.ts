/**
 * The tuning loop: cheaper producer and consumer settings for the place an mQ ID has. Pure.
 *
 * T1. (World) => Proposal[] and nothing else: no clock, no store, no broker.
 * T2. The requirements of the intent are hard limits; acks, idempotence and the partitioner are not looked at.
 * T3. At most one proposal for an mQ ID, and none while it is not ready (readiness.ts).
 * T5. While the intent is met, or not known to be missed, nothing dearer is proposed; once it is missed, only what meets it better
 *     is (repair.ts), and what was repaired is not given up for a saving (lateness.ts M2).
 * T4. What was tried and undone is not proposed again before `retryMs`; the next best may be.
 * T6. While clients may still be measuring the first codec nothing is chosen by usual ratios; where they do not in time, it is.
 */
import { formatDurationMs } from '@mq/contract'
import { type Candidate, candidateOf, type Grid, type Optimum, optimise } from '@mq/economics'
import { withExperience } from '../codec-experience.ts'
import { feedbackOf } from '../feedback.ts'
import { percent } from '../format.ts'
import { latenessOf, mayBeSlower, rememberedFactor } from '../lateness.ts'
import { type LoopDefinition, untilSettled } from '../loop-definition.ts'
import { type Assessment, codecText, type Proposal, usd } from '../proposal.ts'
import { notReady } from '../readiness.ts'
import type { IdWorld, World } from '../world.ts'
import { repairing } from './repair.ts'
import {
  consumerGrid,
  consumerOf,
  consumerProposal,
  ms,
  producerGrid,
  producerOf,
  producerProposal,
  promisedMs,
  savingMotive,
  settingsKey,
  triedLately,
} from './settings.ts'

/** Clients measure codecs beside the data path, at 1 % of a core: they get so many times what a workload is watched for anyway. */
const CODECS_TIMES = 2
/** As what stands, but for rounding. */
const AS_FAST = 1 + 1e-6

export const tuning: LoopDefinition = {
  name: 'tuning',
  cadence: untilSettled,
  assess: (world) => world.ids.map((one) => assess(world, one)),
}

function assess(world: World, one: IdWorld): Assessment {
  const say = (state: Assessment['outlook']['state'], reason: string): Assessment => ({
    proposal: undefined,
    outlook: { mqId: one.id, loop: 'tuning', state, reason },
  })
  const waits = notReady(world, one)
  if (waits !== undefined) return say(waits.state, waits.reason)
  const home = world.clusters.find(({ name }) => name === one.configuration.cluster)
  if (home === undefined || one.workload === null)
    return say('no-data', `nothing is known about cluster '${one.configuration.cluster}'`)
  const { leastSavingShare, leastSavingUsdPerMonth } = world.times
  const workload = withExperience(one.workload, one.decisions)
  const feedback = feedbackOf(one.decisions)
  const hysteresis = { minSavingShare: leastSavingShare / feedback.trust, minSavingUsdPerMonth: leastSavingUsdPerMonth }
  const solveWithin = (grid: Grid, limitMs: number): Optimum =>
    optimise({
      workload,
      intent: one.intent,
      current: one.configuration,
      clusters: [home],
      grid,
      hysteresis,
      // readiness.ts has judged that already, by the windows since the settings last changed.
      evidence: { minMs: 0, minRecords: 0 },
      latencyMargin: 1 - limitMs / one.intent.latencyP99Ms,
      // What was tried already is passed over, so the next best have to be known.
      detail: one.decisions.length > 0 ? 'full' : world.detail,
    })
  // As the optimiser reads it: groups nobody reads for cost and delay nothing.
  const read = { ...workload, groups: workload.groups.filter(({ members }) => members > 0) }
  const now = candidateOf(read, one.configuration, home)
  const lateness = latenessOf(world, one)
  if (lateness.kind === 'missed') {
    const answer = repairing(world, one, now, lateness, feedback, solveWithin)
    return typeof answer === 'string' ? say('unmet', answer) : proposed(one, answer)
  }
  const asked = promisedMs(one, now) / Math.max(feedback.latencyFactor, rememberedFactor(one))
  const isHeld = !mayBeSlower(world, one)
  const solve = (grid: Grid): Optimum =>
    solveWithin(grid, isHeld ? Math.min(asked, now.peakEndToEndP99Ms * AS_FAST) : asked)
  const producing = solve(producerGrid(one))
  if (producing.outcome.kind === 'too-little') return say('too-small', producing.outcome.why)
  if (producing.outcome.kind === 'infeasible') return say('unmet', producing.outcome.why)
  const tried = triedLately(world, one)
  const worth = worthwhile(producing, hysteresis)
  const chosen = worth.find((candidate) => !tried.has(settingsKey(producerOf(one.producer, candidate))))
  if (chosen !== undefined) {
    const { configuration, prediction } = chosen
    if (prediction.codecSource === 'assumed' && configuration.codec !== 'none' && isSoonMeasured(world, one)) {
      return say(
        'too-short',
        `${codecText(configuration.codec, configuration.codecLevel)} looks best by usual ratios; clients have ${formatDurationMs(codecsMs(world))} to measure codecs on its own records`,
      )
    }
    const motive = savingMotive(one, producing, chosen, 'configurations', feedback.decisions)
    return proposed(one, producerProposal(one, producing, chosen, motive))
  }
  const consuming = solve(consumerGrid(one))
  const fetch = worthwhile(consuming, hysteresis).find(
    (candidate) => !tried.has(settingsKey(consumerOf(one, candidate))),
  )
  if (fetch !== undefined) {
    const motive = savingMotive(one, consuming, fetch, 'ways to fetch', 0)
    return proposed(one, consumerProposal(one, consuming, fetch, motive))
  }
  // Looked at again soon, and not when what is settled is looked at.
  if (lateness.kind === 'late') {
    return say(
      'too-short',
      `a p99 of ${ms(lateness.seenMs)} was seen where ${ms(one.intent.latencyP99Ms)} are allowed, for ${formatDurationMs(seconds(lateness.forMs))} so far; it counts as missed once it was so in nearly every look of ${formatDurationMs(lateness.neededMs)}`,
    )
  }
  if (worth.length > 0)
    return say(
      'resting',
      `what would save was tried and undone lately; it is tried again after ${formatDurationMs(world.times.retryMs)}`,
    )
  const held = isHeld ? '; nothing slower is looked at, because it missed its p99 lately' : ''
  const { savingUsdPerMonth } = producing.outcome
  const tightened =
    feedback.latencyFactor > 1 || feedback.trust < 1
      ? `; both limits are tightened, because earlier decisions measured ${feedback.latencyFactor.toFixed(1)} times the predicted p99 and ${percent(feedback.trust)} of the predicted saving`
      : ''
  return say(
    'nothing-to-gain',
    savingUsdPerMonth <= 0
      ? `of ${producing.evaluated} configurations none is cheaper than the ${usd(producing.current.cost.usdPerMonth)} a month of what stands${held}`
      : `the cheapest of ${producing.evaluated} configurations saves ${usd(savingUsdPerMonth)} a month (${percent(savingUsdPerMonth / producing.current.cost.usdPerMonth)}); a change is worth it from ${percent(hysteresis.minSavingShare)}${leastSavingUsdPerMonth > 0 ? ` and ${usd(leastSavingUsdPerMonth)}` : ''}${tightened}${held}`,
  )
}

function proposed(one: IdWorld, proposal: Proposal): Assessment {
  return { proposal, outlook: { mqId: one.id, loop: 'tuning', state: 'proposed', reason: proposal.title } }
}

const codecsMs = ({ times }: World): number => CODECS_TIMES * times.observeMs

/** T6. Once one codec was measured the others follow from it well enough. */
function isSoonMeasured(world: World, { workload }: IdWorld): boolean {
  const isMeasured = workload?.curves.some(({ codec, points }) => codec !== 'none' && points.length > 0)
  return isMeasured === false && workload!.observedMs < codecsMs(world)
}

/** Cheapest first, those alone that save enough. */
function worthwhile(
  optimum: Optimum,
  { minSavingShare, minSavingUsdPerMonth }: { minSavingShare: number; minSavingUsdPerMonth: number },
): Candidate[] {
  const now = optimum.current.cost.usdPerMonth
  return [optimum.best, ...optimum.runnersUp].filter(({ cost }) => {
    const saved = now - cost.usdPerMonth
    return saved > 0 && saved >= minSavingUsdPerMonth && saved >= now * minSavingShare
  })
}

const seconds = (durationMs: number): number => Math.round(durationMs / 1_000) * 1_000
