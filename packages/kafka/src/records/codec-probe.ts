/**
 * What codecs make of real records, at several batch depths: sizes and CPU, measured with the encoder and the codecs that send.
 *
 * C1. A batch is built by the encoder and compressed by the codec under the same rules as one that is sent, so that sizes are
 *     those of the wire to the byte.
 * C2. What comes out are numbers; no byte of a record is part of it.
 * C3. Records are taken in the order of their partitions, so that a batch is made of neighbours where there are enough.
 * C4. The first use of a codec loads and warms it and is not measured.
 */
import type { Codec, ShadowSample } from '@mq/contract'
import { isCompressed, isKeptCompressed } from '../produce/pending-batch.ts'
import { BatchEncoder, HEADER_BYTES, soloBatchBytes } from './batch-encoder.ts'
import { type HeldRecord, readRecords } from './batch-parts.ts'
import { compressSync, decompress } from './compression.ts'

/** The uncompressed records of one batch, as `EncodedRecords.records` gives them. */
export interface ProbeBatch {
  readonly partition: number
  readonly count: number
  readonly baseTimestampMs: number
  readonly records: Uint8Array
}

export interface ProbeCandidate {
  readonly codec: Codec
  readonly codecLevel: number | null
}

export const PROBE_CANDIDATES: readonly ProbeCandidate[] = [
  { codec: 'none', codecLevel: null },
  { codec: 'zstd', codecLevel: 1 },
  { codec: 'lz4', codecLevel: null },
  { codec: 'zstd', codecLevel: 3 },
  { codec: 'snappy', codecLevel: null },
  { codec: 'gzip', codecLevel: 1 },
  { codec: 'gzip', codecLevel: 6 },
  { codec: 'zstd', codecLevel: 6 },
]
export const PROBE_DEPTHS: readonly number[] = [1, 4, 16, 64, 256, 1_024, 4_096]

/** Batches measured at a depth: many of the small ones, whose sizes differ most and whose times are shortest. */
const MOST_SLICES = 32
const SLICED_RECORDS = 256
/** No batch on the wire is longer. */
const MAX_BATCH_BYTES = 16 * 1_048_576

export class CodecProbe {
  readonly #records: readonly HeldRecord[]
  readonly #cpuUs: () => number
  readonly #encoded = new Map<number, readonly Buffer[]>()
  readonly #warm = new Set<Codec>()

  /** @param cpuUs CPU time of this thread in microseconds; the records stay in use until the probe is dropped */
  constructor(batches: readonly ProbeBatch[], cpuUs: () => number) {
    this.#records = [...batches]
      .sort((a, b) => a.partition - b.partition)
      .flatMap((batch) => readRecords(bufferOf(batch.records), batch))
    this.#cpuUs = cpuUs
  }

  get records(): number {
    return this.#records.length
  }

  /** Null when there are fewer records than that. */
  measure({ codec, codecLevel }: ProbeCandidate, depth: number): ShadowSample | null {
    const batches = this.#batchesOf(depth)
    if (batches.length === 0) return null
    const level = codecLevel ?? undefined
    if (!this.#warm.has(codec)) {
      this.#warm.add(codec)
      decompress(codec, compressSync(codec, level, batches[0]!), MAX_BATCH_BYTES)
    }
    const isTried = (records: Buffer): boolean => isCompressed(codec, HEADER_BYTES + records.length)
    const startedUs = this.#cpuUs()
    const compressed = batches.map((records) => (isTried(records) ? compressSync(codec, level, records) : records))
    const compressedUs = this.#cpuUs()
    let uncompressedBytes = 0
    let compressedBytes = 0
    for (const [index, out] of compressed.entries()) {
      const before = HEADER_BYTES + batches[index]!.length
      const after = HEADER_BYTES + out.length
      uncompressedBytes += before
      if (isTried(batches[index]!) && isKeptCompressed(after, before)) {
        compressedBytes += after
        decompress(codec, out, batches[index]!.length)
      } else compressedBytes += before
    }
    const decompressedUs = this.#cpuUs()
    const each = batches.length
    return {
      codec,
      codecLevel,
      depth,
      batches: each,
      uncompressedBytes: uncompressedBytes / each,
      compressedBytes: compressedBytes / each,
      compressUs: codec === 'none' ? 0 : (compressedUs - startedUs) / each,
      decompressUs: codec === 'none' ? 0 : (decompressedUs - compressedUs) / each,
    }
  }

  /** Records of batches of that depth, spread over everything there is (C3). */
  #batchesOf(depth: number): readonly Buffer[] {
    let encoded = this.#encoded.get(depth)
    if (encoded === undefined) {
      const possible = Math.floor(this.#records.length / depth)
      const wanted = Math.min(possible, Math.max(1, Math.min(MOST_SLICES, Math.ceil(SLICED_RECORDS / depth))))
      encoded = Array.from({ length: wanted }, (_, index) => {
        const start = Math.floor((index * possible) / wanted) * depth
        return encode(this.#records.slice(start, start + depth))
      }).filter((records) => records.length <= MAX_BATCH_BYTES)
      this.#encoded.set(depth, encoded)
    }
    return encoded
  }
}

/** Every candidate at every depth there are records for. */
export function measureCodecs(
  batches: readonly ProbeBatch[],
  cpuUs: () => number,
  candidates: readonly ProbeCandidate[] = PROBE_CANDIDATES,
  depths: readonly number[] = PROBE_DEPTHS,
): ShadowSample[] {
  const probe = new CodecProbe(batches, cpuUs)
  return candidates.flatMap((candidate) => depths.flatMap((depth) => probe.measure(candidate, depth) ?? []))
}

/** Records as one batch holds them. */
export function probeBatchOf(records: readonly HeldRecord[], partition = 0): ProbeBatch {
  return {
    partition,
    count: records.length,
    baseTimestampMs: records[0]?.timestampMs ?? 0,
    records: encode(records),
  }
}

function encode(records: readonly HeldRecord[]): Buffer {
  // A record alone has the shortest offset and time; ten bytes more hold the longest.
  const room = records.reduce((sum, { key, value, headers }) => sum + soloBatchBytes(key, value, headers) + 10, 0)
  const encoder = new BatchEncoder(Buffer.allocUnsafe(BatchEncoder.bytesFor(HEADER_BYTES + room)))
  for (const { key, value, headers, timestampMs } of records) {
    encoder.tryAppend(key, value, headers, timestampMs, Number.MAX_SAFE_INTEGER)
  }
  if (records.length > 0) encoder.seal()
  return Buffer.from(encoder.records())
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
