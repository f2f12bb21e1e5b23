/**
 * F4: the bytes a topic holds on disks and in tiered storage.
 *
 * F4a. Only closed segments go: a topic keeps up to its retention and one segment more.
 * F4b. With tiering the disks hold the local part and the open segment, and tiered storage holds one copy of everything.
 */

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
/** Kafka's segment.bytes. */
export const SEGMENT_BYTES = 1_024 ** 3
/** Kafka's segment.ms. */
export const SEGMENT_MS = 7 * DAY_MS
/** What is kept for ever is shown as it will be after a year. */
export const FOREVER_MS = 365 * DAY_MS

/** segment.ms of the topics mQ makes. */
export function segmentMs(retentionMs: number | null): number {
  return retentionMs === null ? 7 * DAY_MS : Math.min(7 * DAY_MS, Math.max(10 * MINUTE_MS, Math.floor(retentionMs / 4)))
}

export interface StoredInput {
  readonly wireBytesPerSecond: number
  readonly partitions: number
  readonly retentionMs: number | null
  readonly localRetentionMs: number | null
  /** One copy, as seen on disk; used where retention has no limit in time. */
  readonly retainedBytes: number | null
  /** When a segment closes; those of the topics mQ makes when left out. */
  readonly segment?: { readonly ms: number; readonly bytes: number }
}

export interface Stored {
  /** One copy, on disks. */
  readonly localBytes: number
  /** In tiered storage. */
  readonly remoteBytes: number
  readonly remoteBytesPerSecond: number
}

export function storedBytes(input: StoredInput): Stored {
  const { wireBytesPerSecond, localRetentionMs } = input
  return {
    localBytes: localBytesOf(input, wireBytesPerSecond),
    remoteBytes: remoteBytesOf(input, wireBytesPerSecond),
    remoteBytesPerSecond: localRetentionMs === null ? 0 : wireBytesPerSecond,
  }
}

type Kept = Omit<StoredInput, 'wireBytesPerSecond'>

/** F4a */
export function localBytesOf(kept: Kept, wireBytesPerSecond: number): number {
  const { partitions, retentionMs, localRetentionMs, retainedBytes, segment } = kept
  if (retentionMs === null && localRetentionMs === null && retainedBytes !== null) return retainedBytes
  const perMs = wireBytesPerSecond / 1_000
  const roll = Math.min(perMs * (segment?.ms ?? segmentMs(retentionMs)), partitions * (segment?.bytes ?? SEGMENT_BYTES))
  return perMs * (localRetentionMs ?? retentionMs ?? FOREVER_MS) + roll
}

/** F4b */
export function remoteBytesOf({ retentionMs, localRetentionMs }: Kept, wireBytesPerSecond: number): number {
  return localRetentionMs === null ? 0 : (wireBytesPerSecond / 1_000) * (retentionMs ?? FOREVER_MS)
}
