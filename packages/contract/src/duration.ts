/**
 * Durations as people write them (`250ms`, `30s`, `5m`, `2h`, `7d`) and as programs keep them (whole milliseconds).
 */
import { z } from 'zod'

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const SHAPE = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/

/** Milliseconds of a duration text, or `undefined` when it is not one. */
export function parseDurationMs(text: string): number | undefined {
  const match = SHAPE.exec(text.trim())
  if (match === null) return undefined
  const durationMs = Math.round(Number(match[1]) * UNIT_MS[match[2]!]!)
  return Number.isSafeInteger(durationMs) ? durationMs : undefined
}

/** The shortest exact text of a duration: `604800000` is `7d`, `90000` is `90s`. */
export function formatDurationMs(durationMs: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = UNIT_MS[unit]!
    if (durationMs >= size && durationMs % size === 0) return `${durationMs / size}${unit}`
  }
  return `${durationMs}ms`
}

/** Accepts `250ms`, `30s`, `5m`, `2h`, `7d` or a whole number of milliseconds; yields milliseconds. */
export const DurationMs: z.ZodType<number, string | number> = z
  .union([z.string(), z.number()])
  .transform((value, context) => {
    const durationMs = typeof value === 'number' ? value : parseDurationMs(value)
    if (durationMs === undefined || !Number.isSafeInteger(durationMs) || durationMs < 0) {
      context.addIssue({ code: 'custom', message: `'${value}' is not a duration: write 250ms, 30s, 5m, 2h or 7d` })
      return z.NEVER
    }
    return durationMs
  })
