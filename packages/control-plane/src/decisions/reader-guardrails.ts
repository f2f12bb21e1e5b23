/**
 * What stops a trial of readers at once. Pure. The rules are those of producers (guardrails.ts R1-R3), and:
 *
 * R4. Each group is judged by itself, against its own rest, and where all of it is on trial against the time before: a group that is
 *     slow by its own work neither stops a trial nor hides what it does to another.
 */
import type { Guardrail } from '@mq/contract'
import type { LoopTimes } from '../loops/times.ts'
import { isTooLate, LAG_SECONDS, LEAST_LAG, lateness, percent, share, silence, throughput } from './guardrails.ts'
import { byInstance, rateOf, type Sample, sum } from './samples.ts'

/** A failed handler in a thousand, or twice as many as the rest has. */
const ERROR_SHARE = 0.001
const REDELIVERY_SHARE = 0.001
const LEAST_FAILED = 3
/** Changes of the assignment that a trial may see whatever the rest sees: members come and go. */
const LEAST_REBALANCES = 3
const MINUTE_MS = 60_000

export interface ReaderGuardrailInput {
  readonly onTrial: readonly Sample[]
  readonly rest: readonly Sample[]
  /** The same readers before it began. */
  readonly before: readonly Sample[]
  /** What the intent allows from send to handler. */
  readonly endToEndLimitMs: number
  readonly reports: readonly Sample[]
  readonly instances: readonly string[]
  readonly beganAtMs: number
  readonly nowMs: number
  readonly times: Pick<LoopTimes, 'silentMs'>
}

export function readerGuardrails(input: ReaderGuardrailInput): Guardrail[] {
  return [
    latency(input),
    lag(input),
    failing(input, 'handler errors', 'of handlers fail', ERROR_SHARE, (one) => one.errors),
    failing(input, 'redeliveries', 'of records are handed out again', REDELIVERY_SHARE, (one) => one.retries),
    rebalances(input),
    throughput(input),
    silence(input),
  ]
}

interface Group {
  readonly onTrial: readonly Sample[]
  /** R4. */
  readonly reference: readonly Sample[]
}

function groupsOf({ onTrial, rest, before }: ReaderGuardrailInput): Group[] {
  const [others, past] = [rest, before].map((samples) => Map.groupBy(samples, ({ group }) => group))
  return [...Map.groupBy(onTrial, ({ group }) => group)].map(([group, own]) => ({
    onTrial: own,
    reference: others!.get(group) ?? past!.get(group) ?? [],
  }))
}

function latency(input: ReaderGuardrailInput): Guardrail {
  const limitMs = input.endToEndLimitMs
  const groups = groupsOf(input).map(({ onTrial, reference }) => {
    const [seen, usual] = [lateness(onTrial, limitMs), lateness(reference, limitMs)]
    return { seen, isLate: isTooLate(seen, usual, limitMs) }
  })
  const worst = groups.toSorted((a, b) => Number(b.isLate) - Number(a.isLate) || b.seen.worst - a.seen.worst)[0]?.seen
  return {
    name: 'latency',
    limit: `p99 from send to handler at most ${Math.round(limitMs)} ms, so that the intent holds`,
    seen:
      worst === undefined || worst.of === 0
        ? 'no window with enough records'
        : `worst window ${Math.round(worst.worst)} ms, ${worst.late} of ${worst.of} over`,
    held: groups.every(({ isLate }) => !isLate),
  }
}

/** How far the readers on trial themselves are behind, each by what it last said. */
function lag({ onTrial, before }: ReaderGuardrailInput): Guardrail {
  const past = byInstance(before)
  let [seen, limit] = [0, 0]
  for (const [who, samples] of byInstance(onTrial)) {
    seen += samples.findLast((one) => one.lagRecords != null)?.lagRecords ?? 0
    limit += Math.max(0, ...(past.get(who) ?? []).map((one) => one.lagRecords ?? 0))
  }
  limit += Math.max(LEAST_LAG, sumOfRates(onTrial) * LAG_SECONDS)
  return {
    name: 'lag on trial',
    limit: `readers on trial at most ${Math.round(limit)} records behind`,
    seen: `${Math.round(seen)} records`,
    held: seen <= limit,
  }
}

const sumOfRates = (samples: readonly Sample[]): number =>
  [...byInstance(samples).values()].reduce((total, own) => total + rateOf(own), 0)

function failing(
  input: ReaderGuardrailInput,
  name: string,
  what: string,
  least: number,
  of: (sample: Sample) => number,
): Guardrail {
  const rate = (samples: readonly Sample[]): number =>
    share(
      sum(samples, of),
      sum(samples, (one) => one.records),
    )
  const groups = groupsOf(input).map(({ onTrial, reference }) => {
    const [failed, seen, limit] = [sum(onTrial, of), rate(onTrial), Math.max(least, 2 * rate(reference))]
    return { failed, seen, limit, held: failed < LEAST_FAILED || seen <= limit }
  })
  const worst = groups.toSorted((a, b) => Number(a.held) - Number(b.held) || b.seen - a.seen)[0]
  return {
    name,
    limit: `at most ${percent(worst?.limit ?? least)} ${what}`,
    seen: worst === undefined ? 'none' : `${worst.failed} (${percent(worst.seen)})`,
    held: groups.every(({ held }) => held),
  }
}

function rebalances(input: ReaderGuardrailInput): Guardrail {
  const changes = (samples: readonly Sample[]): number => sum(samples, (one) => one.rebalances ?? 0)
  const perMinute = (samples: readonly Sample[]): number => {
    const activeMs = sum(samples, (one) => one.activeMs)
    return activeMs === 0 ? 0 : (changes(samples) * MINUTE_MS) / activeMs
  }
  const groups = groupsOf(input).map(({ onTrial, reference }) => {
    const readers = byInstance(onTrial).size
    const [count, limit] = [changes(onTrial), 3 * perMinute(reference)]
    return { count, held: count < LEAST_REBALANCES * readers || perMinute(onTrial) <= limit }
  })
  return {
    name: 'rebalances',
    limit: `fewer than ${LEAST_REBALANCES} changes of the assignment for each reader on trial, or three times those of the rest`,
    seen: `${groups.reduce((total, { count }) => total + count, 0)} changes`,
    held: groups.every(({ held }) => held),
  }
}
