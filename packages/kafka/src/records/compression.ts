/**
 * Compression codecs of record batches, both ways.
 *
 * C1. What is written is what Java's client writes: gzip, snappy with the Java header, lz4 frames, zstd frames.
 * C2. `decompress` never returns, and never allocates for its result, more than `maxBytes`; a hostile size is MQ_CODEC_FAILED.
 * C3. Whatever the bytes are, the only error is MQ_CODEC_FAILED.
 * C4. `compress` leaves the main thread above `OFF_THREAD_BYTES`; below, handing the work over costs more than doing it.
 */
import { promisify } from 'node:util'
// By its names a Node without zstd could not even load this file, and would say so in its own words.
import zlib from 'node:zlib'
import { type Codec, MqError } from '@mq/contract'
import { decompressLz4Frame } from './lz4-frame.ts'
import { lz4 } from './native-codecs.ts'
import { compressSnappy, decompressSnappy } from './snappy-framing.ts'
import { ZstdFrames } from './zstd-frames.ts'

const { constants, gunzipSync, gzip, gzipSync, zstdCompressSync, zstdDecompressSync } = zlib

/** Codec by the number in a batch's attributes. */
export const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const satisfies readonly Codec[]

export const codecNumber: Readonly<Record<Codec, number>> = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 }

export const OFF_THREAD_BYTES = 32 * 1024

const gzipAsync = promisify<Buffer, ReturnType<typeof gzipOptions>, Buffer>(gzip)
const zstdFrames = new ZstdFrames()

/** Output comes in chunks, each a trip to the thread pool: of 16 KiB each, Node's default, they cost 40 % more than in one. */
const chunkSizeFor = (bytes: number): number => Math.min(1 << 20, Math.max(1_024, bytes >>> 1))

const zstdOptions = (level: number | undefined, bytes: number) => ({
  pledgedSrcSize: bytes,
  chunkSize: chunkSizeFor(bytes),
  ...(level === undefined ? {} : { params: { [constants.ZSTD_c_compressionLevel]: level } }),
})
const gzipOptions = (level: number | undefined, bytes: number) => ({
  level: level ?? constants.Z_DEFAULT_COMPRESSION,
  chunkSize: chunkSizeFor(bytes),
})

export async function compress(codec: Codec, level: number | undefined, data: Buffer): Promise<Buffer> {
  if (data.length < OFF_THREAD_BYTES) return compressSync(codec, level, data)
  try {
    switch (codec) {
      case 'gzip':
        return await gzipAsync(data, gzipOptions(level, data.length))
      case 'lz4':
        return await lz4().compressFrame(data)
      case 'zstd':
        return await zstdFrames.compress(level, data)
      case 'none':
      case 'snappy':
        // Snappy's 32 KiB blocks take some 10 µs each: less than the hand-over.
        return compressSync(codec, level, data)
    }
  } catch (error) {
    throw wrap(error, `${codec} could not compress ${data.length} bytes`)
  }
}

export function compressSync(codec: Codec, level: number | undefined, data: Buffer): Buffer {
  try {
    switch (codec) {
      case 'none':
        return data
      case 'gzip':
        return gzipSync(data, gzipOptions(level, data.length))
      case 'snappy':
        return compressSnappy(data)
      case 'lz4':
        return lz4().compressFrameSync(data)
      case 'zstd':
        return zstdCompressSync(data, zstdOptions(level, data.length))
    }
  } catch (error) {
    throw wrap(error, `${codec} could not compress ${data.length} bytes`)
  }
}

export function decompress(codec: Codec, data: Buffer, maxBytes: number): Buffer {
  try {
    switch (codec) {
      case 'none':
        if (data.length > maxBytes) throw new RangeError(`${data.length} bytes are more than the allowed ${maxBytes}`)
        return data
      case 'gzip':
        return gunzipSync(data, { maxOutputLength: maxBytes, chunkSize: chunkBytes(data, maxBytes) })
      case 'snappy':
        return decompressSnappy(data, maxBytes)
      case 'lz4':
        return decompressLz4Frame(data, maxBytes)
      case 'zstd':
        return zstdDecompressSync(data, { maxOutputLength: maxBytes, chunkSize: chunkBytes(data, maxBytes) })
    }
  } catch (error) {
    throw wrap(error, `${data.length} bytes of ${codec} could not be decompressed to at most ${maxBytes}`)
  }
}

/** One chunk that usually takes the whole result spares the copy that joins several. */
const chunkBytes = (data: Buffer, maxBytes: number): number =>
  Math.max(64, Math.min(Math.max(4_096, data.length * 8), 1_048_576, maxBytes))

function wrap(error: unknown, what: string): MqError {
  if (error instanceof MqError) return error
  const why = error instanceof Error ? error.message : String(error)
  return new MqError('MQ_CODEC_FAILED', `${what}: ${why}`, { cause: error })
}
