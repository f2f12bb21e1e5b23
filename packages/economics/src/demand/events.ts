/**
 * Expected events, such as a sale: how many times the usual demand, and when.
 *
 * E1. Demand rises evenly over the ramp, stays at `multiple` for the duration, and falls evenly over the tail.
 * E2. Events that overlap do not multiply, unless that is told: the one that changes the most counts. A multiple below 1 (a closed shop) is an
 *     event like any other.
 * E3. What happened in a past event is no habit: its steps are left out of the history, and are fitted by themselves (`fitEvent`).
 */
import { MqError } from '@mq/contract'
import { quantileSorted } from 'simple-statistics'
import type { DemandHistory } from './history.ts'

export interface DemandEvent {
  readonly startMs: number
  /** From the usual demand to the multiple. */
  readonly rampMs: number
  /** At the multiple. */
  readonly durationMs: number
  /** Back to the usual demand. */
  readonly tailMs: number
  /** Times the usual demand. */
  readonly multiple: number
}

/** What a past event was. */
export interface FittedEvent {
  /** The height that nine of ten of its steps stayed below. */
  readonly multiple: number
  /** From the start of the event until demand first reached nine tenths of the height; null when it never did. */
  readonly rampMs: number | null
  /** From the end of the event until demand was back within a tenth of the height; null when it was not within what is known. */
  readonly tailMs: number | null
}

/** @throws MQ_WORKLOAD_INVALID */
export function checkEvent({ startMs, rampMs, durationMs, tailMs, multiple }: DemandEvent): void {
  if (![startMs, rampMs, durationMs, tailMs].every(Number.isFinite) || Math.min(rampMs, durationMs, tailMs) < 0) {
    throw new MqError('MQ_WORKLOAD_INVALID', 'Start, ramp, duration and tail of an event are times of 0 ms or more')
  }
  if (!(Number.isFinite(multiple) && multiple >= 0)) {
    throw new MqError('MQ_WORKLOAD_INVALID', `An event cannot bring ${multiple} times the usual demand`)
  }
}

export function endOf({ startMs, rampMs, durationMs, tailMs }: DemandEvent): number {
  return startMs + rampMs + durationMs + tailMs
}

/** Times the usual demand at a moment (E1, E2); 1 outside all events. */
export function multipleAt(
  events: readonly DemandEvent[],
  atMs: number,
  overlap: 'largest' | 'product' = 'largest',
): number {
  let found = 1
  for (const event of events) {
    const own = multipleOf(event, atMs)
    if (overlap === 'product') found *= own
    else if (Math.abs(Math.log(own || Number.MIN_VALUE)) > Math.abs(Math.log(found || Number.MIN_VALUE))) found = own
  }
  return found
}

function multipleOf(event: DemandEvent, atMs: number): number {
  const { startMs, rampMs, durationMs, tailMs, multiple } = event
  if (atMs < startMs || atMs >= endOf(event)) return 1
  const intoMs = atMs - startMs
  if (intoMs < rampMs) return 1 + (multiple - 1) * (intoMs / rampMs)
  const afterMs = intoMs - rampMs - durationMs
  return afterMs < 0 ? multiple : 1 + (multiple - 1) * (1 - afterMs / tailMs)
}

/** The history without what happened in events (E3). */
export function withoutEvents(history: DemandHistory, events: readonly DemandEvent[]): Float64Array {
  if (events.length === 0) return history.values
  const values = Float64Array.from(history.values)
  for (const event of events) {
    const from = Math.max(0, Math.floor((event.startMs - history.startMs) / history.stepMs))
    const to = Math.min(values.length, Math.ceil((endOf(event) - history.startMs) / history.stepMs))
    if (from < to) values.fill(Number.NaN, from, to)
  }
  return values
}

/**
 * What a past event was, against what would have been usual.
 *
 * @param usual what was usual in each step of the history
 * @returns undefined when nothing is known of its time
 */
export function fitEvent(
  { startMs, stepMs, values }: DemandHistory,
  usual: Float64Array,
  event: DemandEvent,
): FittedEvent | undefined {
  const first = Math.max(0, Math.floor((event.startMs - startMs) / stepMs))
  const end = Math.min(values.length, Math.ceil((event.startMs + event.rampMs + event.durationMs - startMs) / stepMs))
  const ratio = (at: number): number => (usual[at]! > 0 ? values[at]! / usual[at]! : Number.NaN)
  const seen: number[] = []
  for (let at = first; at < end; at++) if (!Number.isNaN(ratio(at))) seen.push(ratio(at))
  if (seen.length === 0) return undefined
  const multiple = quantileSorted(
    seen.toSorted((a, b) => a - b),
    0.9,
  )
  const near = (at: number, share: number): boolean => Math.abs(ratio(at) - 1) >= share * Math.abs(multiple - 1)
  let rampMs: number | null = null
  for (let at = first; at < end && rampMs === null; at++) if (near(at, 0.9)) rampMs = (at - first) * stepMs
  let tailMs: number | null = null
  for (let at = end; at < values.length && tailMs === null; at++) {
    if (!Number.isNaN(ratio(at)) && !near(at, 0.1)) tailMs = (at - end) * stepMs
  }
  return { multiple, rampMs, tailMs }
}
