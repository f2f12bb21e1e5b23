/**
 * The client settings that are tried: few enough to look at every one.
 *
 * G1. What is swept on a real broker is this grid or a stated part of it, so that model and measurement choose from the same.
 */
import type { Codec } from '@mq/contract'

export interface CodecChoice {
  readonly codec: Codec
  readonly codecLevel: number | null
}

export interface FetchChoice {
  readonly fetchMinBytes: number
  readonly fetchMaxWaitMs: number
}

export interface Grid {
  readonly codecs: readonly CodecChoice[]
  readonly lingerMs: readonly number[]
  readonly batchBytes: readonly number[]
  readonly fetches: readonly FetchChoice[]
}

const KIB = 1_024

export const GRID: Grid = {
  codecs: [
    { codec: 'none', codecLevel: null },
    { codec: 'gzip', codecLevel: 1 },
    { codec: 'snappy', codecLevel: null },
    { codec: 'lz4', codecLevel: null },
    { codec: 'zstd', codecLevel: 1 },
    { codec: 'zstd', codecLevel: 3 },
    { codec: 'zstd', codecLevel: 6 },
  ],
  lingerMs: [0, 1, 2, 5, 10, 20, 50, 100, 200, 500],
  batchBytes: [16 * KIB, 64 * KIB, 256 * KIB, 1_024 * KIB],
  fetches: [
    { fetchMinBytes: 1, fetchMaxWaitMs: 500 },
    { fetchMinBytes: 16 * KIB, fetchMaxWaitMs: 50 },
    { fetchMinBytes: 64 * KIB, fetchMaxWaitMs: 200 },
    { fetchMinBytes: 1_024 * KIB, fetchMaxWaitMs: 500 },
  ],
}
