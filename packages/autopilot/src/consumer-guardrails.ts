/**
 * What stops a trial of readers at once. Pure. The rules are those of producers (guardrails.ts R1-R3, R5), and:
 *
 * R4. Each group is judged by itself, against its own rest, and where all of it is on trial against the time before: a group that is
 *     slow, small or quiet by its own work neither stops a trial nor hides what it does to another. A process is as many readers as it
 *     reads for groups.
 * R6. A reader is late only where it takes longer than it took before, too: what its clock adds is no fault of the trial.
 */
import type { Guardrail } from '@mq/contract'
import { percent } from './format.ts'
import {
  isTooLate,
  LAG_SECONDS,
  LEAST_LAG,
  lateness,
  share,
  silence as silenceOf,
  throughput as throughputOf,
} from './guardrails.ts'
import type { LoopTimes } from './loop-times.ts'
import { byInstance, rateOf, type Sample, sum, whoOf } from './samples.ts'
import { median } from './statistics.ts'
import { AS_SLOW } from './verdict.ts'

/** A failed handler in a thousand, or twice as many as the rest has. */
const ERROR_SHARE = 0.001
const REDELIVERY_SHARE = 0.001
const LEAST_FAILED = 3
/** Changes of the assignment that a trial may see whatever the rest sees: members come and go. */
const LEAST_REBALANCES = 3
/** Records that ought to have come before a quiet group says anything of its rate. */
const LEAST_EXPECTED = 50
const MINUTE_MS = 60_000

export interface ReaderGuardrailInput {
  readonly onTrial: readonly Sample[]
  readonly rest: readonly Sample[]
  /** The same readers before it began. */
  readonly before: readonly Sample[]
  /** What records of a group may take from send to handler. */
  readonly endToEndLimitMs: (group: string) => number
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
  readonly group: string
  readonly onTrial: readonly Sample[]
  readonly rest: readonly Sample[]
  readonly before: readonly Sample[]
  /** R4. */
  readonly reference: readonly Sample[]
}

function groupsOf({ onTrial, rest, before }: ReaderGuardrailInput): Group[] {
  const [others, past] = [rest, before].map((samples) => Map.groupBy(samples, ({ group }) => group))
  return [...Map.groupBy(onTrial, ({ group }) => group)].map(([group, own]) => {
    const [theirs, earlier] = [others!.get(group) ?? [], past!.get(group) ?? []]
    return {
      group: group ?? '',
      onTrial: own,
      rest: theirs,
      before: earlier,
      reference: theirs.length > 0 ? theirs : earlier,
    }
  })
}

function latency(input: ReaderGuardrailInput): Guardrail {
  const groups = groupsOf(input).map(({ group, onTrial, before, reference }) => {
    const limitMs = input.endToEndLimitMs(group)
    const [seen, usual] = [lateness([excused(onTrial, before, limitMs)], limitMs), lateness([reference], limitMs)]
    return { seen, limitMs, isLate: isTooLate(seen, usual, limitMs) }
  })
  const worst = groups.toSorted(
    (a, b) => Number(b.isLate) - Number(a.isLate) || b.seen.worst / b.limitMs - a.seen.worst / a.limitMs,
  )[0]
  return {
    name: 'latency',
    limit: `p99 from send to handler at most ${Math.round(worst?.limitMs ?? input.endToEndLimitMs(''))} ms, so that the intent holds`,
    seen:
      worst === undefined || worst.seen.of === 0
        ? 'no window with enough records'
        : `worst window ${Math.round(worst.seen.worst)} ms, ${worst.seen.late} of ${worst.seen.of} over`,
    held: groups.every(({ isLate }) => !isLate),
  }
}

/** R6: windows over the limit that are no longer than usual for their reader count as just within it. */
function excused(samples: readonly Sample[], before: readonly Sample[], limitMs: number): Sample[] {
  const usual = new Map(
    [...byInstance(before)].flatMap(([who, past]) => {
      const p99s = past.flatMap(({ p99Ms }) => p99Ms ?? [])
      return p99s.length === 0 ? [] : [[who, median(p99s) * AS_SLOW] as const]
    }),
  )
  return samples.map((one) =>
    one.p99Ms !== null && one.p99Ms > limitMs && one.p99Ms <= (usual.get(whoOf(one)) ?? 0)
      ? { ...one, p99Ms: limitMs }
      : one,
  )
}

/** How far the readers on trial of each group are behind, each by what it last said. */
function lag(input: ReaderGuardrailInput): Guardrail {
  const mostOf = (samples: readonly Sample[]): number => Math.max(0, ...samples.map((one) => one.lagRecords ?? 0))
  const groups = groupsOf(input).map(({ onTrial, before }) => {
    const past = byInstance(before)
    let [seen, limit] = [0, Math.max(LEAST_LAG, sumOfRates(onTrial) * LAG_SECONDS)]
    for (const [who, samples] of byInstance(onTrial)) {
      seen += samples.findLast((one) => one.lagRecords != null)?.lagRecords ?? 0
      // Who has no past of its own is taken for one of its group.
      limit += mostOf(past.get(who) ?? before)
    }
    return { seen, limit }
  })
  const worst = groups.toSorted((a, b) => b.seen / b.limit - a.seen / a.limit)[0] ?? { seen: 0, limit: LEAST_LAG }
  return {
    name: 'lag on trial',
    limit: `readers of a group on trial at most ${Math.round(worst.limit)} records behind`,
    seen: `${Math.round(worst.seen)} records`,
    held: worst.seen <= worst.limit,
  }
}

function throughput(input: ReaderGuardrailInput): Guardrail {
  const groups = groupsOf(input).map((one) => throughputOf(one, LEAST_EXPECTED))
  return groups.find(({ held }) => !held) ?? groups[0] ?? throughputOf({ onTrial: [], rest: [], before: [] })
}

/** R3 for each reader: a process that reads for another group still is silent in this one. */
function silence({ reports, before, instances, ...input }: ReaderGuardrailInput): Guardrail {
  const named = new Set(instances)
  const endOf = (one: Sample): number => one.atMs + one.activeMs
  const lastMs = Math.max(0, ...before.map(endOf))
  // Who left a group before the trial began is not missed in it.
  const current = [...before.filter((one) => endOf(one) >= lastMs - input.times.silentMs), ...reports]
  const readers = current.filter(({ instance }) => named.has(instance))
  const seen = new Set(readers.map(({ instance }) => instance))
  return silenceOf({
    ...input,
    reports: reports.map((one) => ({ ...one, instance: whoOf(one) })),
    instances: [...new Set([...readers.map(whoOf), ...instances.filter((one) => !seen.has(one))])],
  })
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
