/**
 * How long brokers want to be left alone on a connection, for a quota.
 *
 * T1. A broker reads nothing from the connection before that time has passed: what is sent earlier only waits, and its time limit runs.
 * T2. What was said is kept with the connection, so that everybody who shares it knows.
 */
import type { Connection } from '@platformatic/kafka'

/** A quota may be raised meanwhile: a longer time is not waited for in one piece. */
const MAX_THROTTLE_MS = 300_000

const untilMs = new WeakMap<Connection, number>()

/** @param nowMs on the monotonic clock */
export function noteThrottle(connection: Connection, throttleMs: number, nowMs: number): void {
  const until = nowMs + Math.min(throttleMs, MAX_THROTTLE_MS)
  if (until > throttledUntilMs(connection)) untilMs.set(connection, until)
}

/** On the monotonic clock; 0 when nothing was said. */
export function throttledUntilMs(connection: Connection): number {
  return untilMs.get(connection) ?? 0
}
