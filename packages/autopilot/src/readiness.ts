/**
 * Whether an mQ ID may be judged just now. Pure.
 *
 * E1. What is too short, too small, shifting or idle is left alone, and the reason is said.
 * E2. One change at a time per mQ ID; between two of them it rests; the changes of a day are counted.
 * E3. Which came first decides what is said: what has no traffic is idle, however short it was watched.
 */
import type { Outlook } from '@mq/contract'
import { isUnderWay } from '@mq/contract'
import { median } from 'simple-statistics'
import type { PastDecision } from './past-decision.ts'
import type { IdWorld, World } from './world.ts'

const DAY_MS = 86_400_000
/** A stretch that differs by more than this from the others means the workload is shifting. */
export const STEADY_RATE = 0.35
export const STEADY_SIZE = 0.25
const STRETCHES_TO_JUDGE = 3

export type NotReady = Pick<Outlook, 'state' | 'reason'>

export function notReady(world: World, one: IdWorld): NotReady | undefined {
  const { times, nowMs } = world
  if (one.workload === null) return { state: 'idle', reason: 'no client reports traffic' }
  if (one.records === 0 || one.workload.recordsPerSecond === 0) {
    return { state: 'idle', reason: 'clients report, and nothing is sent' }
  }
  const open = one.decisions.find(({ state }) => isUnderWay(state) || state === 'approved')
  if (open !== undefined) return { state: 'busy', reason: `decision ${open.number} is ${open.state}: ${open.status}` }
  if (one.isBusy) return { state: 'busy', reason: 'a migration or another change of it is under way' }
  const rest = restOf(one.decisions, nowMs, times.restMs)
  if (rest !== undefined) return rest
  if (one.observedMs < times.observeMs) {
    return {
      state: 'too-short',
      reason: `watched for ${seconds(one.observedMs)} since its settings were last changed; ${seconds(times.observeMs)} are needed`,
    }
  }
  if (one.records < times.observeRecords) {
    return {
      state: 'too-small',
      reason: `${Math.round(one.records)} records in ${seconds(one.observedMs)}; ${times.observeRecords} are needed to judge`,
    }
  }
  return shifting(one)
}

/** E2. */
function restOf(decisions: readonly PastDecision[], nowMs: number, restMs: number): NotReady | undefined {
  const last = decisions.findLast(({ state }) => state === 'kept' || state === 'undone')
  const endedAtMs = last?.endedAtMs
  if (last === undefined || endedAtMs == null || nowMs - endedAtMs >= restMs) return undefined
  return {
    state: 'resting',
    reason: `decision ${last.number} was ${last.state} ${seconds(nowMs - endedAtMs)} ago; the next proposal comes ${seconds(restMs)} after it at the earliest`,
  }
}

/** Changes begun in the last 24 hours. */
export function changesToday(decisions: readonly PastDecision[], nowMs: number): number {
  return decisions.filter(({ steps }) =>
    steps.some(({ event, atMs }) => (event === 'trial-began' || event === 'apply-began') && atMs > nowMs - DAY_MS),
  ).length
}

function shifting({ stretches }: IdWorld): NotReady | undefined {
  if (stretches.length < STRETCHES_TO_JUDGE) return undefined
  const off = (values: readonly number[], limit: number): number | undefined => {
    const usual = median([...values])
    const worst = Math.max(...values.map((value) => Math.abs(value / usual - 1)))
    return usual > 0 && worst > limit ? worst : undefined
  }
  const rate = off(
    stretches.map((one) => one.recordsPerSecond),
    STEADY_RATE,
  )
  if (rate !== undefined) {
    return {
      state: 'shifting',
      reason: `the rate is moving (${stretches.map((one) => Math.round(one.recordsPerSecond)).join(', ')} records/s): what is measured now would not hold`,
    }
  }
  const sizes = stretches.filter((one) => one.recordBytes > 0).map((one) => one.recordBytes)
  return sizes.length >= STRETCHES_TO_JUDGE && off(sizes, STEADY_SIZE) !== undefined
    ? { state: 'shifting', reason: `the size of records is moving (${sizes.map(Math.round).join(', ')} bytes)` }
    : undefined
}

const seconds = (durationMs: number): string =>
  durationMs >= 7_200_000
    ? `${Math.round(durationMs / 3_600_000)} h`
    : durationMs >= 120_000
      ? `${Math.round(durationMs / 60_000)} min`
      : `${Math.round(durationMs / 1_000)} s`
