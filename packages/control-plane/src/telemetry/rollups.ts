/**
 * Roll-ups of traffic in the store: 10 seconds for half an hour, 5 minutes for half a day, 1 hour for five weeks.
 *
 * Y1. Windows merge: a restart in the middle of a window adds to the window it left.
 * Y2. Neighbouring windows of an mQ ID share a row, packed: a row for every window would take ten times the room.
 * Y3. 10,000 busy mQ IDs with two groups each stay within 1 GB (bench/rollup-size.ts measures it).
 * Y4. Many mQ IDs are written in one transaction, and no transaction is so long that requests wait for it.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { Transaction } from 'kysely'
import type { Store } from '../store/store.ts'
import type { Tables } from '../store/tables.ts'
import { mergeSlice, type Slice } from './slice.ts'
import { ByteReader, ByteWriter, type Detail, decodeSlice, encodeSlice } from './slice-codec.ts'
import { FIVE_MINUTES_MS, type FinishedRollup, WINDOW_MS } from './traffic.ts'

export const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

interface Resolution {
  readonly resolutionMs: number
  /** Windows of that time share a row (Y2). */
  readonly chunkMs: number
  readonly keepMs: number
  readonly detail: Detail
}

const TEN_SECONDS: Resolution = {
  resolutionMs: WINDOW_MS,
  chunkMs: FIVE_MINUTES_MS,
  keepMs: HOUR_MS / 2,
  detail: 'points',
}
const FIVE_MINUTES: Resolution = {
  resolutionMs: FIVE_MINUTES_MS,
  chunkMs: 3 * HOUR_MS,
  keepMs: DAY_MS / 2,
  detail: 'buckets',
}
const HOUR: Resolution = { resolutionMs: HOUR_MS, chunkMs: 4 * DAY_MS, keepMs: 35 * DAY_MS, detail: 'points' }
export const RESOLUTIONS: readonly Resolution[] = [TEN_SECONDS, FIVE_MINUTES, HOUR]

/** mQ IDs in one transaction (Y4). */
const IDS_PER_WRITE = 200
/** No chunk is longer than this; more is not ours. */
const MAX_CHUNK_BYTES = 4 * 1_048_576
const FORMAT = 1

interface Window {
  readonly startMs: number
  bytes: Uint8Array
}

/** Writes finished windows and removes those past their time. */
export async function saveRollups(store: Store, finished: readonly FinishedRollup[], nowMs: number): Promise<void> {
  for (let from = 0; from < finished.length; from += IDS_PER_WRITE) {
    await store.write('telemetry roll-ups', async (tx) => {
      for (const { mqId, windowStartMs, slice, tens } of finished.slice(from, from + IDS_PER_WRITE)) {
        await add(tx, mqId, TEN_SECONDS, tens)
        if (slice === null) continue
        const own = { startMs: windowStartMs, slice }
        await add(tx, mqId, FIVE_MINUTES, [own])
        await add(tx, mqId, HOUR, [{ ...own, startMs: floorTo(windowStartMs, HOUR_MS) }])
      }
    })
  }
  if (finished.length === 0) return
  await store.write('old roll-ups', async (tx) => {
    for (const { resolutionMs, chunkMs, keepMs } of RESOLUTIONS) {
      await tx
        .deleteFrom('traffic_chunks')
        .where('resolution_ms', '=', resolutionMs)
        .where('chunk_start_ms', '<=', nowMs - keepMs - chunkMs)
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
  const resolution = RESOLUTIONS.find((one) => one.resolutionMs === resolutionMs)
  if (resolution === undefined) return []
  const rows = await store.db
    .selectFrom('traffic_chunks')
    .select(['chunk_start_ms', 'data'])
    .where('mq_id', '=', mqId)
    .where('resolution_ms', '=', resolutionMs)
    .where('chunk_start_ms', '>', sinceMs - resolution.chunkMs)
    .orderBy('chunk_start_ms')
    .execute()
  return rows.flatMap((row) =>
    unpack(resolution, Number(row.chunk_start_ms), row.data)
      .filter(({ startMs }) => startMs >= sinceMs)
      .map(({ startMs, bytes }) => ({ windowStartMs: startMs, slice: decodeSlice(bytes) })),
  )
}

async function add(
  tx: Transaction<Tables>,
  mqId: string,
  resolution: Resolution,
  windows: readonly { readonly startMs: number; readonly slice: Slice }[],
): Promise<void> {
  const byChunk = Map.groupBy(windows, ({ startMs }) => floorTo(startMs, resolution.chunkMs))
  for (const [chunkStartMs, added] of byChunk) {
    const known = await tx
      .selectFrom('traffic_chunks')
      .select('data')
      .where('mq_id', '=', mqId)
      .where('resolution_ms', '=', resolution.resolutionMs)
      .where('chunk_start_ms', '=', chunkStartMs)
      .executeTakeFirst()
    const held = known === undefined ? [] : unpack(resolution, chunkStartMs, known.data)
    for (const { startMs, slice } of added) addWindow(held, startMs, slice, resolution.detail)
    const data = pack(resolution, chunkStartMs, held)
    await tx
      .insertInto('traffic_chunks')
      .values({ mq_id: mqId, resolution_ms: resolution.resolutionMs, chunk_start_ms: chunkStartMs, data })
      .onConflict((conflict) => conflict.columns(['mq_id', 'resolution_ms', 'chunk_start_ms']).doUpdateSet({ data }))
      .execute()
  }
}

/** Y1 */
function addWindow(held: Window[], startMs: number, slice: Slice, detail: Detail): void {
  const same = held.findLast((window) => window.startMs === startMs)
  if (same === undefined) {
    held.push({ startMs, bytes: encodeSlice(slice, detail) })
    return
  }
  const total = decodeSlice(same.bytes)
  mergeSlice(total, slice)
  same.bytes = encodeSlice(total, detail)
}

function pack(resolution: Resolution, chunkStartMs: number, windows: readonly Window[]): Uint8Array {
  const writer = new ByteWriter()
  for (const { startMs, bytes } of [...windows].sort((a, b) => a.startMs - b.startMs)) {
    writer
      .number((startMs - chunkStartMs) / resolution.resolutionMs)
      .number(bytes.length)
      .bytes(bytes)
  }
  return Buffer.concat([Buffer.of(FORMAT), zstdCompressSync(writer.done())])
}

function unpack(resolution: Resolution, chunkStartMs: number, data: Uint8Array): Window[] {
  if (data[0] !== FORMAT) throw new Error(`roll-ups of format ${data[0]}`)
  const reader = new ByteReader(zstdDecompressSync(data.subarray(1), { maxOutputLength: MAX_CHUNK_BYTES }))
  const windows: Window[] = []
  while (!reader.isAtEnd) {
    const startMs = chunkStartMs + reader.number() * resolution.resolutionMs
    windows.push({ startMs, bytes: reader.bytes(reader.number()) })
  }
  return windows
}

function floorTo(atMs: number, stepMs: number): number {
  return Math.floor(atMs / stepMs) * stepMs
}
