/**
 * Histories of lag in the store: one packed row for each mQ ID.
 *
 * T1. Histories are a convenience: a row that cannot be read is left out, and the store opens all the same.
 * T2. Several mQ IDs are written in one transaction, and between two transactions requests have their turn.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { Store } from '../store/store.ts'
import { LagHistory, type PackedPoint } from './lag-history.ts'
import type { IdLag } from './lag-state.ts'
import { type EndSample, LogEnds } from './log-ends.ts'

const FORMAT = 1
const MAX_BYTES = 64 * 1_048_576
const IDS_PER_WRITE = 20

interface Packed {
  readonly format: number
  readonly ends: Readonly<Record<string, readonly EndSample[]>>
  readonly groups: Readonly<Record<string, readonly (readonly PackedPoint[])[]>>
}

export async function loadLagHistories(store: Store): Promise<Map<string, IdLag>> {
  const rows = await store.read.lagHistories.all()
  return new Map(
    [...rows].flatMap(([mqId, data]) => {
      const found = unpack(data)
      return found === undefined ? [] : [[mqId, found] as const]
    }),
  )
}

/** Writes what changed since it was last written, and removes rows of mQ IDs that are no more. */
export async function saveLagHistories(store: Store, ids: ReadonlyMap<string, IdLag>, nowMs: number): Promise<void> {
  const changed = [...ids].filter(([, { isChanged }]) => isChanged)
  for (let from = 0; from < changed.length; from += IDS_PER_WRITE) {
    const part = changed.slice(from, from + IDS_PER_WRITE)
    await store.write('lag histories', async (tx) => {
      for (const [mqId, lag] of part) await tx.lagHistories.save(mqId, pack(lag), nowMs)
    })
    for (const [, lag] of part) lag.isChanged = false
    await new Promise((resolve) => setImmediate(resolve))
  }
  if (changed.length === 0) return
  const gone = (await store.read.lagHistories.ids()).filter((mqId) => !ids.has(mqId))
  if (gone.length === 0) return
  await store.write('old lag histories', async (tx) => {
    for (const mqId of gone) await tx.lagHistories.remove(mqId)
  })
}

function pack({ ends, groups }: IdLag): Uint8Array {
  const packed: Packed = {
    format: FORMAT,
    ends: Object.fromEntries([...ends].map(([key, one]) => [key, one.samples])),
    groups: Object.fromEntries([...groups].map(([groupId, one]) => [groupId, one.packed()])),
  }
  return zstdCompressSync(Buffer.from(JSON.stringify(packed)))
}

/** T1 */
function unpack(data: Uint8Array): IdLag | undefined {
  try {
    const packed = JSON.parse(zstdDecompressSync(data, { maxOutputLength: MAX_BYTES }).toString('utf8')) as Packed
    if (packed.format !== FORMAT) return undefined
    return {
      ends: new Map(Object.entries(packed.ends).map(([key, samples]) => [key, new LogEnds(samples)])),
      groups: new Map(Object.entries(packed.groups).map(([groupId, tiers]) => [groupId, new LagHistory(tiers)])),
      isChanged: false,
    }
  } catch {
    return undefined
  }
}
