/**
 * Times as people write them on the command line.
 *
 * TA1. A time says its zone: the same command means the same on every machine.
 * TA2. Anything else is refused: what `Date` makes of `latset-1` is a day in 2001.
 */
import { parseDurationMs } from '@mq/contract'
import { InvalidArgumentError } from 'commander'

const TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)$/i

/** Milliseconds since 1970 of a time, or of an age before now. */
export function timeArgument(text: string): number {
  const ageMs = parseDurationMs(text)
  if (ageMs !== undefined) return Math.max(0, Date.now() - ageMs)
  const given = text.trim()
  const timeMs = TIME.test(given) ? Date.parse(given.replace(' ', 'T').toUpperCase()) : Number.NaN
  if (!Number.isNaN(timeMs)) return Math.max(0, timeMs)
  throw new InvalidArgumentError(
    'Write an age such as 15m or 2h, or a time with its zone, such as 2026-01-31T09:00Z or 2026-01-31T10:00+01:00.',
  )
}
