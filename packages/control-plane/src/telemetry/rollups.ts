/**
 * Roll-ups of traffic in the store: 10 seconds for half an hour, 5 minutes for half a day, 1 hour for a month and a bit.
 *
 * Y1. Windows merge: a restart in the middle of a window adds to the window it left.
 * Y2. Neighbouring windows of an mQ ID share a row, packed: a row for every window would take ten times the room.
 * Y3. 10,000 busy mQ IDs with two groups each stay within 1 GB (`mq measure telemetry-store`).
 * Y4. Several mQ IDs are written in one transaction, and between two transactions requests have their turn.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { WriteTransaction } from '../store/ports/repositories.ts'
import type { TrafficResolution } from '../store/ports/traffic.ts'
import type { Store } from '../store/store.ts'
import { mergeSlice, type Slice } from './slice.ts'
import { ByteReader, ByteWriter, decodeSlice, encodeSlice, NameTable } from './slice-codec.ts'
import { FIVE_MINUTES_MS, type FinishedRollup, WINDOW_MS } from './traffic.ts'

export const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

interface Resolution {
  readonly resolutionMs: number
  readonly name: TrafficResolution
  /** Windows of that time share a row (Y2). */
  readonly chunkMs: number
  readonly keepMs: number
  /** Whether sizes and depths are kept, too. */
  readonly hasShape: boolean
}

const TEN_SECONDS: Resolution = {
  resolutionMs: WINDOW_MS,
  name: '10s',
  chunkMs: FIVE_MINUTES_MS,
  keepMs: HOUR_MS / 2,
  hasShape: false,
}
const FIVE_MINUTES: Resolution = {
  resolutionMs: FIVE_MINUTES_MS,
  name: '5min',
  chunkMs: HOUR_MS,
  keepMs: DAY_MS / 2,
  hasShape: true,
}
const HOUR: Resolution = {
  resolutionMs: HOUR_MS,
  name: '1h',
  chunkMs: DAY_MS,
  keepMs: 32 * DAY_MS,
  hasShape: false,
}
export const RESOLUTIONS: readonly Resolution[] = [TEN_SECONDS, FIVE_MINUTES, HOUR]

/** mQ IDs in one transaction (Y4): each takes a millisecond or two. */
const IDS_PER_WRITE = 20
/** No chunk is longer than this; more is not ours. */
const MAX_CHUNK_BYTES = 4 * 1_048_576
const FORMAT = 1

interface Window {
  readonly startMs: number
  bytes: Uint8Array
}

interface Chunk {
  readonly startMs: number
  readonly table: NameTable
  readonly windows: Window[]
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
    await new Promise((resolve) => setImmediate(resolve))
  }
  if (finished.length === 0) return
  await store.write('old roll-ups', async (tx) => {
    for (const { name, chunkMs, keepMs } of RESOLUTIONS) await tx.traffic.remove(name, nowMs - keepMs - chunkMs)
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
  const { traffic } = store.read
  const finished = await traffic.finishedAfter(resolution.name, mqId, sinceMs - resolution.chunkMs)
  const growing = await traffic.growing(resolution.name, mqId)
  const windows = [...finished, ...(growing === undefined ? [] : [growing])].flatMap((row) => {
    const chunk = unpack(resolution, row.startMs, row.data)
    return chunk.windows
      .filter(({ startMs }) => startMs >= sinceMs)
      .map(({ startMs, bytes }) => ({ windowStartMs: startMs, slice: decodeSlice(bytes, chunk.table) }))
  })
  return windows.sort((a, b) => a.windowStartMs - b.windowStartMs)
}

/** Y2 */
async function add(
  tx: WriteTransaction,
  mqId: string,
  resolution: Resolution,
  windows: readonly { readonly startMs: number; readonly slice: Slice }[],
): Promise<void> {
  const { name, chunkMs, hasShape } = resolution
  if (windows.length === 0) return
  const growing = await tx.traffic.growing(name, mqId)
  let current =
    growing === undefined
      ? undefined
      : { startMs: growing.startMs, ...unpack(resolution, growing.startMs, growing.data) }
  for (const { startMs, slice } of windows) {
    const chunkStartMs = floorTo(startMs, chunkMs)
    if (current !== undefined && current.startMs !== chunkStartMs) {
      await finish(tx, mqId, resolution, current)
      current = undefined
    }
    current ??= { startMs: chunkStartMs, table: new NameTable(), windows: [] }
    addWindow(current, startMs, hasShape ? slice : { ...slice, shape: null })
  }
  if (current === undefined) return
  await tx.traffic.saveGrowing(name, mqId, { startMs: current.startMs, data: pack(resolution, current) })
}

/** A chunk that was finished before, and grew again because a clock went back, is put together. */
async function finish(tx: WriteTransaction, mqId: string, resolution: Resolution, chunk: Chunk): Promise<void> {
  const known = await tx.traffic.finished(resolution.name, mqId, chunk.startMs)
  let whole = chunk
  if (known !== undefined) {
    whole = { startMs: chunk.startMs, ...unpack(resolution, chunk.startMs, known) }
    for (const { startMs, bytes } of chunk.windows) addWindow(whole, startMs, decodeSlice(bytes, chunk.table))
  }
  await tx.traffic.saveFinished(resolution.name, mqId, { startMs: chunk.startMs, data: pack(resolution, whole) })
}

/** Y1 */
function addWindow({ table, windows }: Chunk, startMs: number, slice: Slice): void {
  const same = windows.findLast((window) => window.startMs === startMs)
  if (same === undefined) {
    windows.push({ startMs, bytes: encodeSlice(slice, table) })
    return
  }
  const total = decodeSlice(same.bytes, table)
  mergeSlice(total, slice)
  same.bytes = encodeSlice(total, table)
}

function pack(resolution: Resolution, { startMs: chunkStartMs, table, windows }: Chunk): Uint8Array {
  const writer = new ByteWriter()
  writer.number(table.names.length)
  for (const name of table.names) writer.text(name)
  for (const { startMs, bytes } of [...windows].sort((a, b) => a.startMs - b.startMs)) {
    writer
      .number((startMs - chunkStartMs) / resolution.resolutionMs)
      .number(bytes.length)
      .bytes(bytes)
  }
  return Buffer.concat([Buffer.of(FORMAT), zstdCompressSync(writer.done())])
}

function unpack(resolution: Resolution, chunkStartMs: number, data: Uint8Array): Omit<Chunk, 'startMs'> {
  if (data[0] !== FORMAT) throw new Error(`roll-ups of format ${data[0]}`)
  const reader = new ByteReader(zstdDecompressSync(data.subarray(1), { maxOutputLength: MAX_CHUNK_BYTES }))
  const table = new NameTable(Array.from({ length: reader.number() }, () => reader.text()))
  const windows: Window[] = []
  while (!reader.isAtEnd) {
    const startMs = chunkStartMs + reader.number() * resolution.resolutionMs
    windows.push({ startMs, bytes: reader.bytes(reader.number()) })
  }
  return { table, windows }
}

function floorTo(atMs: number, stepMs: number): number {
  return Math.floor(atMs / stepMs) * stepMs
}
