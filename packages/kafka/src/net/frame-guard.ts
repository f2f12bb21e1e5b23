/**
 * Stands before the library's reader on a socket and lets through only what can be a Kafka response stream.
 *
 * The library keeps what it is sent until a frame is complete, whatever length the frame claims, and reads a negative length as data.
 *
 * G1. A frame length below 4 (a correlation id) or above `maxFrameBytes` destroys the socket before the library sees it.
 * G2. Lengths are read across chunk borders; nothing is copied.
 * G3. An exception out of the library's reader destroys the socket too; it never becomes an uncaught exception.
 */
import type { Socket } from 'node:net'
import { MqError } from '@mq/contract'

const MIN_FRAME_BYTES = 4

/** Follows the frame lengths of a byte stream. */
export class FrameGuard {
  readonly #maxFrameBytes: number
  /** Bytes of the present frame still to come. */
  #remaining = 0
  /** Bytes of a length that a chunk border cut. */
  #lengthBytes = 0
  #length = 0

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes
  }

  /** @returns the offending length, or undefined when all is well */
  accept(chunk: Uint8Array): number | undefined {
    let at = 0
    while (at < chunk.length) {
      if (this.#remaining > 0) {
        const step = Math.min(this.#remaining, chunk.length - at)
        this.#remaining -= step
        at += step
        continue
      }
      this.#length = (this.#length << 8) | chunk[at]!
      at += 1
      this.#lengthBytes += 1
      if (this.#lengthBytes < 4) continue
      const length = this.#length
      if (length < MIN_FRAME_BYTES || length > this.#maxFrameBytes) return length
      this.#remaining = length
      this.#lengthBytes = 0
      this.#length = 0
    }
    return undefined
  }
}

/**
 * Puts a guard between a connected socket and the reader that is already attached to it.
 * @param peer named in the error
 */
export function guardSocket(socket: Socket, maxFrameBytes: number, peer: string): void {
  const guard = new FrameGuard(maxFrameBytes)
  const readers = socket.listeners('data') as ((chunk: Buffer) => void)[]
  socket.removeAllListeners('data')
  socket.on('data', (chunk: Buffer) => {
    if (socket.destroyed) return
    const length = guard.accept(chunk)
    if (length !== undefined) {
      socket.destroy(
        new MqError(
          'MQ_PROTOCOL_VIOLATION',
          `${peer} sent a frame of ${length} bytes; at most ${maxFrameBytes} are read`,
        ),
      )
      return
    }
    try {
      for (const reader of readers) reader(chunk)
    } catch (error) {
      socket.destroy(
        new MqError('MQ_PROTOCOL_VIOLATION', `${peer}: reading a response failed: ${(error as Error).message}`, {
          cause: error,
        }),
      )
    }
  })
}
