/**
 * Roll-ups of traffic in the store: 5 minutes for two days, 1 hour for a year and a bit.
 *
 * Y1. Rows merge: a restart in the middle of a window adds to the row it left.
 */
import type { Transaction } from 'kysely'
import type { Store } from '../store/store.ts'
import type { Tables } from '../store/tables.ts'
import { Sketch } from './sketch.ts'
import { emptySlice, type GroupCounts, mergeSlice, type Slice } from './slice.ts'
import { FIVE_MINUTES_MS, type FinishedRollup } from './traffic.ts'

export const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const KEEP_MS: readonly (readonly [resolutionMs: number, keepMs: number])[] = [
  [FIVE_MINUTES_MS, 2 * DAY_MS],
  [HOUR_MS, 400 * DAY_MS],
]

/** Writes finished windows and removes those past their time, in one transaction. */
export async function saveRollups(store: Store, finished: readonly FinishedRollup[], nowMs: number): Promise<void> {
  if (finished.length === 0) return
  await store.write('telemetry roll-ups', async (tx) => {
    for (const { mqId, windowStartMs, slice } of finished) {
      await addTo(tx, mqId, FIVE_MINUTES_MS, windowStartMs, slice)
      await addTo(tx, mqId, HOUR_MS, Math.floor(windowStartMs / HOUR_MS) * HOUR_MS, slice)
    }
    for (const [resolutionMs, keepMs] of KEEP_MS) {
      await tx
        .deleteFrom('rollups')
        .where('resolution_ms', '=', resolutionMs)
        .where('window_start_ms', '<', nowMs - keepMs)
        .execute()
    }
  })
}

/** Roll-ups of one mQ ID, oldest first. */
export async function readRollups(
  store: Store,
  mqId: string,
  resolutionMs: number,
  sinceMs: number,
): Promise<{ windowStartMs: number; slice: Slice }[]> {
  const rows = await store.db
    .selectFrom('rollups')
    .selectAll()
    .where('mq_id', '=', mqId)
    .where('resolution_ms', '=', resolutionMs)
    .where('window_start_ms', '>=', sinceMs)
    .orderBy('window_start_ms')
    .execute()
  return rows.map((row) => ({ windowStartMs: Number(row.window_start_ms), slice: fromJson(row.data) }))
}

async function addTo(
  tx: Transaction<Tables>,
  mqId: string,
  resolutionMs: number,
  windowStartMs: number,
  slice: Slice,
): Promise<void> {
  const known = await tx
    .selectFrom('rollups')
    .select('data')
    .where('mq_id', '=', mqId)
    .where('resolution_ms', '=', resolutionMs)
    .where('window_start_ms', '=', windowStartMs)
    .executeTakeFirst()
  const total = known === undefined ? emptySlice() : fromJson(known.data)
  mergeSlice(total, slice)
  const data = toJson(total)
  await tx
    .insertInto('rollups')
    .values({ mq_id: mqId, resolution_ms: resolutionMs, window_start_ms: windowStartMs, data })
    .onConflict((conflict) => conflict.columns(['mq_id', 'resolution_ms', 'window_start_ms']).doUpdateSet({ data }))
    .execute()
}

interface StoredSlice {
  producer: Slice['producer']
  sendLatencyUs: string
  groups: { group: string; counts: GroupCounts; endToEndUs: string }[]
}

function toJson(slice: Slice): string {
  const stored: StoredSlice = {
    producer: slice.producer,
    sendLatencyUs: slice.sendLatency.encode(),
    groups: [...slice.groups].map(([group, one]) => ({ group, counts: one.counts, endToEndUs: one.endToEnd.encode() })),
  }
  return JSON.stringify(stored)
}

function fromJson(text: string): Slice {
  const stored = JSON.parse(text) as StoredSlice
  return {
    producer: { ...emptySlice().producer, ...stored.producer },
    sendLatency: Sketch.decode(stored.sendLatencyUs),
    groups: new Map(
      stored.groups.map(({ group, counts, endToEndUs }) => [group, { counts, endToEnd: Sketch.decode(endToEndUs) }]),
    ),
  }
}
