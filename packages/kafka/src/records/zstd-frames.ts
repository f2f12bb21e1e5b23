/**
 * zstd frames off the main thread, by compressors that are used again: making one for each batch, and throwing it away, cost half as much
 * as the compression itself, and what was thrown away made the engine collect all garbage.
 *
 * Z1. A frame is what a compressor of its own would have made: whole, with its size in it, and it knows nothing of the one before.
 * Z2. A compressor makes one frame at a time. There are at most `MOST` of them, as many as Node has threads for it; batches beyond that wait,
 *     in their order.
 * Z3. One that is idle gives way when a batch of another level comes and there are `MOST`; one of a level above `HIGHEST_KEPT` goes when it
 *     is done, as it holds megabytes.
 * Z4. A compressor that failed is not used again.
 */
import zlib from 'node:zlib'

export const MOST = 4
const HIGHEST_KEPT = 9
/** Several frames lie in one. Where there is room for the worst case, zstd writes a frame at its place instead of copying it there. */
const OUTPUT_BYTES = 512 * 1024
const NO_LIMIT = 2 ** 30

class Compressor {
  readonly level: number | undefined
  readonly #stream: zlib.ZstdCompress

  constructor(level: number | undefined) {
    const { constants } = zlib
    this.level = level
    this.#stream = zlib.createZstdCompress({
      // Every write is a whole frame.
      flush: constants.ZSTD_e_end,
      chunkSize: OUTPUT_BYTES,
      // A frame is taken out when it is complete, however long it is.
      readableHighWaterMark: NO_LIMIT,
      ...(level === undefined ? {} : { params: { [constants.ZSTD_c_compressionLevel]: level } }),
    } as zlib.ZstdOptions)
    // What went wrong is also told to the write that it happened to.
    this.#stream.on('error', () => {})
  }

  frame(data: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#stream.write(data, (error) => {
        if (error) reject(error)
        else resolve(this.#takeOut())
      })
    })
  }

  /** A read gives one piece of the output at a time; a frame has two where it crosses the end of an output buffer. */
  #takeOut(): Buffer {
    const first = this.#stream.read() as Buffer
    const rest: Buffer[] = []
    for (let next = this.#stream.read(); next !== null; next = this.#stream.read()) rest.push(next as Buffer)
    return rest.length === 0 ? first : Buffer.concat([first, ...rest])
  }

  close(): void {
    this.#stream.destroy()
  }
}

interface Waiting {
  readonly level: number | undefined
  take(compressor: Compressor): void
}

export class ZstdFrames {
  /** The one that was used last stands last. */
  readonly #idle: Compressor[] = []
  #busy = 0
  readonly #waiting: Waiting[] = []

  /** How many compressors there are. */
  get size(): number {
    return this.#idle.length + this.#busy
  }

  async compress(level: number | undefined, data: Buffer): Promise<Buffer> {
    const compressor = this.#busy < MOST ? this.#take(level) : await this.#turn(level)
    try {
      const frame = await compressor.frame(data)
      this.#done(compressor, (compressor.level ?? 0) <= HIGHEST_KEPT)
      return frame
    } catch (error) {
      this.#done(compressor, false)
      throw error
    }
  }

  #turn(level: number | undefined): Promise<Compressor> {
    return new Promise((resolve) => this.#waiting.push({ level, take: resolve }))
  }

  #take(level: number | undefined): Compressor {
    const at = this.#idle.findLastIndex((one) => one.level === level)
    const known = at < 0 ? undefined : this.#idle.splice(at, 1)[0]
    if (known === undefined && this.size === MOST) this.#idle.shift()!.close()
    this.#busy++
    return known ?? new Compressor(level)
  }

  #done(compressor: Compressor, isKept: boolean): void {
    this.#busy--
    if (isKept) this.#idle.push(compressor)
    else compressor.close()
    const next = this.#waiting.shift()
    if (next !== undefined) next.take(this.#take(next.level))
  }
}
