/** What the example applications print, as the demo reads it. */
import { z } from 'zod'

const count = z.number().min(0)
const Latency = z.object({ p50: z.number(), p99: z.number(), max: z.number() })
const Sums = z.record(z.string(), z.array(z.number()))

export const FlightsExpected = z.object({ role: z.literal('expected'), rows: count, delays: Sums, routes: Sums })
export type FlightsExpected = z.output<typeof FlightsExpected>
export const FlightsProduced = z.object({
  role: z.literal('producer'),
  sent: count,
  recordBytes: count,
  durationMs: count,
  longestWaitMs: count,
})
export type FlightsProduced = z.output<typeof FlightsProduced>
export const FlightsFollowed = z.object({
  group: z.string(),
  received: count,
  duplicates: count,
  orderViolations: count,
  durationMs: count,
  longestGapMs: count,
  endToEndMs: Latency,
  sums: Sums,
})
export type FlightsFollowed = z.output<typeof FlightsFollowed>

export const Tracker = z.object({ role: z.literal('tracker'), sent: count, durationMs: count })
export const Board = z.object({
  role: z.literal('board'),
  group: z.string(),
  airports: count,
  received: count,
  duplicates: count,
  orderViolations: count,
  durationMs: count,
  endToEndMs: Latency,
})
export type Board = z.output<typeof Board>

const PerId = z.record(z.string(), count)
export const ShopExpected = z.object({ role: z.literal('expected'), sent: PerId, revenueCents: count, units: count })
export const Shoppers = z.object({
  role: z.literal('shoppers'),
  sent: PerId,
  recordBytes: count,
  revenueCents: count,
  durationMs: count,
  sendMs: Latency,
})
export const Warehouse = z.object({
  role: z.literal('warehouse'),
  group: z.string(),
  received: count,
  orderViolations: count,
  sent: PerId,
  units: count,
  endToEndMs: Latency,
  durationMs: count,
})
export const Insights = z.object({
  role: z.literal('insights'),
  group: z.string(),
  received: PerId,
  revenueCents: count,
  orderViolations: count,
  endToEndMs: Latency,
  durationMs: count,
})
