/**
 * Requests and answers on a connection, as the side of a broker reads and writes them: a length, a header, a message.
 *
 * F1. A request header has tagged fields from the first flexible version of its kind on, the header of an answer likewise, but for
 *     ApiVersions: who asks does not know yet what the broker speaks.
 * F2. A frame whose length is negative or above `maxBytes` is MQ_PROTOCOL_VIOLATION before any of it is kept.
 */
import { MqError } from '@mq/contract'
import type { Api } from './api.ts'
import { WireReader } from './wire-reader.ts'
import { WireWriter } from './wire-writer.ts'

const LENGTH_BYTES = 4
const API_VERSIONS_KEY = 18

export interface RequestHeader {
  readonly key: number
  readonly version: number
  readonly correlationId: number
  readonly clientId: string | null
}

export interface RequestFrame extends RequestHeader {
  /** A view; undefined for a kind that is not known, whose header may end later. */
  readonly body: Buffer | undefined
}

/** @throws MqError MQ_PROTOCOL_VIOLATION */
export function readRequestFrame(
  frame: Buffer,
  apiOf: (key: number) => Pick<Api, 'isFlexible'> | undefined,
): RequestFrame {
  const reader = new WireReader(frame)
  const [key, version, correlationId] = [reader.int16(), reader.int16(), reader.int32()]
  const clientId = reader.text(false)
  const api = apiOf(key)
  if (api?.isFlexible(version) === true) reader.tags()
  return {
    key,
    version,
    correlationId,
    clientId,
    body: api === undefined ? undefined : frame.subarray(reader.position),
  }
}

/** @returns what a socket takes, in order: length, header and answer */
export function responseFrame(
  api: Pick<Api, 'key' | 'isFlexible'>,
  version: number,
  correlationId: number,
  body: WireWriter,
): readonly Buffer[] {
  const header = new WireWriter().int32(correlationId)
  if (api.key !== API_VERSIONS_KEY && api.isFlexible(version)) header.unsignedVarint(0)
  const length = new WireWriter().int32(header.size + body.size)
  return [Buffer.concat([length.concat(), header.concat()]), ...body.chunks()]
}

/** Cuts a stream of bytes into frames. */
export class FrameSplitter {
  readonly #maxBytes: number
  #chunks: Buffer[] = []
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** @returns the frames that are complete now, without their lengths @throws MqError MQ_PROTOCOL_VIOLATION (F2) */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    const frames: Buffer[] = []
    for (
      let length = this.#length();
      length !== undefined && this.#bytes >= LENGTH_BYTES + length;
      length = this.#length()
    ) {
      const whole = this.#joined()
      frames.push(whole.subarray(LENGTH_BYTES, LENGTH_BYTES + length))
      const rest = whole.subarray(LENGTH_BYTES + length)
      this.#chunks = rest.length === 0 ? [] : [rest]
      this.#bytes = rest.length
    }
    return frames
  }

  #length(): number | undefined {
    if (this.#bytes < LENGTH_BYTES) return undefined
    const first = this.#chunks[0]!
    const length = (first.length >= LENGTH_BYTES ? first : this.#joined()).readInt32BE(0)
    if (length >= 0 && length <= this.#maxBytes) return length
    throw new MqError(
      'MQ_PROTOCOL_VIOLATION',
      `a request of ${length} bytes is announced, at most ${this.#maxBytes} are read`,
    )
  }

  #joined(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0]!
  }
}
