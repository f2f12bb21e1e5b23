/**
 * What stops a trial at once: limits no saving is worth. Pure.
 *
 * R1. A guardrail compares the instances on trial with the rest, and where there is no rest with the time before.
 * R2. Each says its limit and what was seen; `mq decision show` prints them word for word.
 * R3. Silence is a breach: an instance that stopped reporting on new settings may have died of them.
 * R5. Who handles little is judged, too: windows with too few records for a p99 are joined until there are enough.
 */
import type { Guardrail } from '@mq/contract'
import { percent } from './format.ts'
import type { LoopTimes } from './loop-times.ts'
import { byInstance, rateOf, type Sample, sum } from './samples.ts'

/** A failed send in a thousand, or twice as many as the rest has. */
const ERROR_SHARE = 0.001
const LEAST_ERRORS = 3
const RETRY_SHARE = 0.02
const BUFFER_TIMES = 4
const LEAST_BUFFER_BYTES = 16 * 1_024 * 1_024
const THROUGHPUT_SHARE = 0.5
/** What has to be seen before a rate says anything: so many windows, or so long. */
const LEAST_WINDOWS_FOR_RATE = 4
const LEAST_MS_FOR_RATE = 20_000
/** Windows with a p99 over the limit before it counts, unless one is far over. */
const LATE_WINDOWS = 2
const FAR_OVER = 2
/** Records in a window before its p99 says anything. */
const LEAST_FOR_P99 = 20
/** Groups may fall behind by this many seconds of traffic, and by so many records in any case. */
export const LAG_SECONDS = 30
export const LEAST_LAG = 1_000

export interface GuardrailInput {
  readonly onTrial: readonly Sample[]
  readonly rest: readonly Sample[]
  /** The same instances before it began. */
  readonly before: readonly Sample[]
  /** What a send may take so that the promise of the intent holds. */
  readonly sendP99LimitMs: number
  readonly lagBefore: number | null
  readonly lagNow: number | null
  readonly recordsPerSecond: number
  /** What the named instances reported last, on whatever settings. */
  readonly reports: readonly Sample[]
  readonly instances: readonly string[]
  readonly beganAtMs: number
  readonly nowMs: number
  readonly times: Pick<LoopTimes, 'silentMs'>
}

export function guardrails(input: GuardrailInput): Guardrail[] {
  const { onTrial, before } = input
  const reference = input.rest.length > 0 ? input.rest : before
  return [
    errors(onTrial, reference),
    latency(onTrial, reference, input.sendP99LimitMs),
    retries(onTrial, reference),
    buffer(onTrial, reference),
    throughput(input),
    lag(input),
    silence(input),
  ]
}

export const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)

function errors(onTrial: readonly Sample[], reference: readonly Sample[]): Guardrail {
  const failed = sum(onTrial, (one) => one.errors)
  const seen = share(failed, failed + sum(onTrial, (one) => one.records))
  const usual = share(
    sum(reference, (one) => one.errors),
    sum(reference, (one) => one.records + one.errors),
  )
  const limit = Math.max(ERROR_SHARE, 2 * usual)
  return {
    name: 'errors',
    limit: `at most ${percent(limit)} of sends fail`,
    seen: `${failed} failed (${percent(seen)})`,
    held: failed < LEAST_ERRORS || seen <= limit,
  }
}

/** Windows, or small ones joined, with a p99, those of them over a limit, and the worst. */
export interface Lateness {
  readonly of: number
  readonly late: number
  readonly worst: number
}

export function lateness(parts: Iterable<readonly Sample[]>, limitMs: number): Lateness {
  const judged = [...parts].flatMap(p99sOf)
  return { of: judged.length, late: judged.filter((p99Ms) => p99Ms > limitMs).length, worst: Math.max(0, ...judged) }
}

/** R5: of so few records as small windows make together the slowest one is the p99. */
function p99sOf(samples: readonly Sample[]): number[] {
  const judged: number[] = []
  let [records, slowest] = [0, 0]
  for (const one of samples) {
    if (one.p99Ms === null) continue
    if (one.records >= LEAST_FOR_P99) {
      judged.push(one.p99Ms)
      continue
    }
    records += one.records
    slowest = Math.max(slowest, one.p99Ms)
    if (records < LEAST_FOR_P99) continue
    judged.push(slowest)
    ;[records, slowest] = [0, 0]
  }
  return judged
}

/** One slow window is chance, several are not, one that is far over is enough; what everybody suffers is no fault of the trial. */
export function isTooLate(seen: Lateness, usual: Lateness, limitMs: number): boolean {
  const most = Math.max(LATE_WINDOWS, Math.ceil(seen.of * Math.max(0.1, 2 * share(usual.late, usual.of))))
  return seen.late >= most || seen.worst > Math.max(limitMs, usual.worst) * FAR_OVER
}

function latency(onTrial: readonly Sample[], reference: readonly Sample[], limitMs: number): Guardrail {
  const of = (samples: readonly Sample[]): Lateness => lateness(byInstance(samples).values(), limitMs)
  const [seen, usual] = [of(onTrial), of(reference)]
  return {
    name: 'latency',
    limit: `p99 of a send at most ${Math.round(limitMs)} ms, so that the intent holds`,
    seen:
      seen.of === 0
        ? 'no window with enough sends'
        : `worst window ${Math.round(seen.worst)} ms, ${seen.late} of ${seen.of} over`,
    held: !isTooLate(seen, usual, limitMs),
  }
}

function retries(onTrial: readonly Sample[], reference: readonly Sample[]): Guardrail {
  const seen = share(
    sum(onTrial, (one) => one.retries),
    sum(onTrial, (one) => one.batches),
  )
  const usual = share(
    sum(reference, (one) => one.retries),
    sum(reference, (one) => one.batches),
  )
  const limit = Math.max(RETRY_SHARE, 3 * usual)
  const count = sum(onTrial, (one) => one.retries)
  return {
    name: 'retries',
    limit: `at most ${percent(limit)} of batches are sent again`,
    seen: percent(seen),
    held: count < LEAST_ERRORS || seen <= limit,
  }
}

function buffer(onTrial: readonly Sample[], reference: readonly Sample[]): Guardrail {
  const seen = Math.max(0, ...onTrial.map((one) => one.bufferBytesMax))
  const usual = Math.max(0, ...reference.map((one) => one.bufferBytesMax))
  const limit = Math.max(LEAST_BUFFER_BYTES, BUFFER_TIMES * usual)
  const mib = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MiB`
  return { name: 'buffer', limit: `at most ${mib(limit)} waiting`, seen: mib(seen), held: seen <= limit }
}

/** @param leastExpected records that ought to have come before so few say anything */
export function throughput(
  { onTrial, rest, before }: Pick<GuardrailInput, 'onTrial' | 'rest' | 'before'>,
  leastExpected = 0,
): Guardrail {
  const usual = before.length === 0 ? rateOf(rest) : rateOf(before)
  // A slow hour slows the rest, too; a slow setting does not.
  const expected = rest.length === 0 ? usual : Math.min(usual, rateOf(rest))
  const now = rateOf(onTrial)
  const activeMs = sum(onTrial, (one) => one.activeMs)
  const isEnough =
    (onTrial.length >= LEAST_WINDOWS_FOR_RATE || activeMs >= LEAST_MS_FOR_RATE) &&
    (expected * activeMs) / 1_000 >= leastExpected
  return {
    name: 'throughput',
    limit: `at least ${Math.floor(expected * THROUGHPUT_SHARE)} records/s from an instance`,
    seen: `${Math.round(now)} records/s`,
    held: !isEnough || now >= expected * THROUGHPUT_SHARE,
  }
}

export function lag({
  lagBefore,
  lagNow,
  recordsPerSecond,
}: Pick<GuardrailInput, 'lagBefore' | 'lagNow' | 'recordsPerSecond'>): Guardrail {
  const limit = (lagBefore ?? 0) + Math.max(LEAST_LAG, recordsPerSecond * LAG_SECONDS)
  return {
    name: 'lag',
    limit: `consumers at most ${Math.round(limit)} records behind`,
    seen: lagNow === null ? 'nobody reports' : `${lagNow} records`,
    held: lagNow === null || lagNow <= limit,
  }
}

/** End-to-end p99 of the group that is nearest to its limit, or farthest over it; looked at once a change is made for all. */
export function reading({ nowMs, limitMs }: { readonly nowMs: number | null; readonly limitMs: number }): Guardrail {
  return {
    name: 'end to end',
    limit: `p99 from send to handler at most ${Math.round(limitMs)} ms`,
    seen: nowMs === null ? 'nobody reports' : `${Math.round(nowMs)} ms over the last minute`,
    held: nowMs === null || nowMs <= limitMs,
  }
}

/** R3. */
export function silence({
  reports,
  instances,
  beganAtMs,
  nowMs,
  times,
}: Pick<GuardrailInput, 'reports' | 'instances' | 'beganAtMs' | 'nowMs' | 'times'>): Guardrail {
  const last = (instance: string): number =>
    Math.max(beganAtMs, ...reports.filter((one) => one.instance === instance).map((one) => one.atMs + one.activeMs))
  const silent = instances.filter((instance) => nowMs - last(instance) > times.silentMs)
  return {
    name: 'silence',
    limit: `every instance on trial reports within ${times.silentMs / 1_000} s`,
    seen: silent.length === 0 ? 'all report' : `silent: ${silent.slice(0, 3).join(', ')}`,
    held: silent.length === 0,
  }
}
