/**
 * A history: what happened from the outside, one event a line, written by workloads and read by the checker.
 *
 * Y1. A message is named by (producer, n): `n` counts a producer's sends from 0 without gaps.
 * Y2. A producer sends the messages of one key in rising `n`; so the order of a key is the order of `n` per producer.
 * Y3. Events of one process stand in the order they happened; across processes `tUs` (one machine, one clock) orders them.
 */
import { z } from 'zod'

const count = z.number().int().min(0)
const where = { epoch: z.number().int().min(1), partition: count, offset: count }

export const HistoryEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('send'), tUs: count, producer: z.string(), n: count, key: z.string().nullable() }),
  z.object({ type: z.literal('ack'), tUs: count, producer: z.string(), n: count }),
  /** `ambiguous`: the record may still be stored (a deadline passed while a request was under way). */
  z.object({
    type: z.literal('nack'),
    tUs: count,
    producer: z.string(),
    n: count,
    code: z.string(),
    ambiguous: z.boolean(),
  }),
  z.object({
    type: z.literal('handle'),
    tUs: count,
    group: z.string(),
    member: z.string(),
    producer: z.string(),
    n: count,
    key: z.string().nullable(),
    ...where,
  }),
  /** The group's position in a partition, as acknowledged by the broker. */
  z.object({ type: z.literal('commit'), tUs: count, group: z.string(), ...where }),
  /** The final end offset of a partition of a sealed epoch. */
  z.object({ type: z.literal('seal'), tUs: count, ...where }),
  /** A record found in the log by an audit that reads every partition from the start. */
  z.object({ type: z.literal('log'), tUs: count, producer: z.string(), n: count, ...where }),
])
export type HistoryEvent = z.output<typeof HistoryEvent>

/** Parses a JSONL history; a line that is not an event is an error with its number, never skipped. */
export function parseHistory(text: string): HistoryEvent[] {
  return text
    .split('\n')
    .map((line, index) => ({ line, number: index + 1 }))
    .filter(({ line }) => line.trim() !== '')
    .map(({ line, number }) => {
      try {
        return HistoryEvent.parse(JSON.parse(line))
      } catch (cause) {
        throw new Error(`history line ${number} is not an event`, { cause })
      }
    })
}
