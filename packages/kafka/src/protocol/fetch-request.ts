/**
 * The Fetch request and response, written and read without the library's object trees: versions 11 and 12 (topics by name) to 17
 * (topics by id); 11 has lengths of fixed size.
 *
 * Q1. Requests are full and sessionless: they stay small, and a lost response can never leave a session out of step.
 * Q2. A response is read in one contiguous buffer, and records stay where they are: only their positions are taken.
 * Q3. Whatever a broker sends, reading it ends in a response or in MQ_PROTOCOL_VIOLATION; work is bounded by the bytes received.
 * Q4. Offsets are numbers; one outside -1 to 2^53 - 1 is MQ_PROTOCOL_VIOLATION.
 */
import { MqError } from '@mq/contract'
import { type Connection, type Reader, Writer } from '@platformatic/kafka'
import type { AbortedTransaction } from '../records/batch-decoder.ts'
import { ByteCursor, writeUnsignedVarint } from './varint.ts'

export const FETCH_API_KEY = 1
/** From this version on topics travel by id. */
export const FETCH_BY_ID_VERSION = 13
const NO_REPLICA_ID_VERSION = 15
const FLEXIBLE_VERSION = 12
const READ_COMMITTED = 1
const SESSIONLESS_EPOCH = -1
const NO_REPLICA = -1
const MAX_TOPIC_BYTES = 249

export interface FetchPartition {
  readonly partition: number
  readonly leaderEpoch: number
  readonly offset: number
  readonly maxBytes: number
}

export interface FetchTopic {
  readonly name: string
  /** As text with dashes; used from version 13 on. */
  readonly id: string
  readonly partitions: readonly FetchPartition[]
}

export interface FetchRequest {
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly isolation: 'read_committed' | 'read_uncommitted'
  readonly topics: readonly FetchTopic[]
}

export interface FetchedPartition {
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
  readonly aborted: readonly AbortedTransaction[]
  /** Where its records stand in the buffer of the response. */
  readonly start: number
  readonly end: number
}

export interface FetchedTopic {
  /** The name up to version 12, the id from version 13 on. */
  readonly topic: string
  readonly partitions: readonly FetchedPartition[]
}

export interface FetchResponse {
  /** Whether the broker answered for the very ids that were asked for: only then does it notice a topic that was re-created. */
  readonly byId: boolean
  readonly throttleMs: number
  readonly errorCode: number
  readonly topics: readonly FetchedTopic[]
  readonly buffer: Buffer
}

export function encodeFetchRequest(version: number, request: FetchRequest): Buffer {
  const isFlexible = version >= FLEXIBLE_VERSION
  let partitionCount = 0
  for (const topic of request.topics) partitionCount += topic.partitions.length
  const room = 64 + request.topics.length * (MAX_TOPIC_BYTES * 3 + 16) + partitionCount * 33
  const buffer = Buffer.allocUnsafe(room)
  let at = 0
  const count = (value: number): void => {
    at = isFlexible ? writeUnsignedVarint(buffer, at, value + 1) : buffer.writeInt32BE(value, at)
  }
  const tags = (): void => {
    if (isFlexible) at = buffer.writeUInt8(0, at)
  }
  if (version < NO_REPLICA_ID_VERSION) at = buffer.writeInt32BE(NO_REPLICA, at)
  at = buffer.writeInt32BE(request.maxWaitMs, at)
  at = buffer.writeInt32BE(request.minBytes, at)
  at = buffer.writeInt32BE(request.maxBytes, at)
  at = buffer.writeInt8(request.isolation === 'read_committed' ? READ_COMMITTED : 0, at)
  at = buffer.writeInt32BE(0, at)
  at = buffer.writeInt32BE(SESSIONLESS_EPOCH, at)
  count(request.topics.length)
  for (const topic of request.topics) {
    if (version >= FETCH_BY_ID_VERSION) {
      at += buffer.write(topic.id.replaceAll('-', ''), at, 'hex')
    } else {
      const bytes = Buffer.byteLength(topic.name)
      at = isFlexible ? writeUnsignedVarint(buffer, at, bytes + 1) : buffer.writeInt16BE(bytes, at)
      at += buffer.write(topic.name, at)
    }
    count(topic.partitions.length)
    for (const partition of topic.partitions) {
      at = buffer.writeInt32BE(partition.partition, at)
      at = buffer.writeInt32BE(partition.leaderEpoch, at)
      at = writeOffset(buffer, at, partition.offset)
      if (isFlexible) at = buffer.writeInt32BE(-1, at)
      at = writeOffset(buffer, at, -1)
      at = buffer.writeInt32BE(partition.maxBytes, at)
      tags()
    }
    tags()
  }
  // No forgotten topics and an empty rack.
  count(0)
  at = isFlexible ? buffer.writeUInt8(1, at) : buffer.writeInt16BE(0, at)
  tags()
  return buffer.subarray(0, at)
}

export function parseFetchResponse(version: number, buffer: Buffer): FetchResponse {
  try {
    return new ResponseReader(buffer, version).response()
  } catch (error) {
    if (error instanceof MqError && error.code === 'MQ_PROTOCOL_VIOLATION') throw error
    throw violation(error instanceof Error ? error.message : String(error), error)
  }
}

/** Sends one fetch; the answer's records are views into one buffer (Q2). */
export function sendFetch(connection: Connection, version: number, request: FetchRequest): Promise<FetchResponse> {
  return new Promise((resolve, reject) => {
    connection.send<FetchResponse>(
      FETCH_API_KEY,
      version,
      () => Writer.create().append(encodeFetchRequest(version, request)),
      (_correlationId: number, _apiKey: number, _apiVersion: number, reader: Reader) => {
        return parseFetchResponse(version, reader.buffer.slice(reader.position))
      },
      version >= FLEXIBLE_VERSION,
      version >= FLEXIBLE_VERSION,
      (error, response) => {
        if (error) reject(error)
        else resolve(response as FetchResponse)
      },
    )
  })
}

const violation = (what: string, cause?: unknown): MqError =>
  new MqError('MQ_PROTOCOL_VIOLATION', `a fetch response cannot be read: ${what}`, { cause })

function writeOffset(buffer: Buffer, at: number, offset: number): number {
  const next = buffer.writeInt32BE(Math.floor(offset / 4_294_967_296), at)
  return buffer.writeUInt32BE(offset < 0 ? 0xffffffff : offset % 4_294_967_296, next)
}

/** Reads front to back. Running out of bytes throws a RangeError of Node's, which `parseFetchResponse` puts into our words. */
class ResponseReader {
  readonly #buffer: Buffer
  readonly #cursor: ByteCursor
  readonly #version: number

  constructor(buffer: Buffer, version: number) {
    this.#buffer = buffer
    this.#cursor = new ByteCursor(buffer)
    this.#version = version
  }

  response(): FetchResponse {
    const throttleMs = this.#int32()
    const errorCode = this.#int16()
    this.#int32()
    const topics = this.#array(() => this.#topic())
    this.#tags()
    const byId = this.#version >= FETCH_BY_ID_VERSION
    return { byId, throttleMs, errorCode, topics, buffer: this.#buffer }
  }

  #topic(): FetchedTopic {
    const topic = this.#version >= FETCH_BY_ID_VERSION ? this.#uuid() : this.#text()
    const partitions = this.#array(() => this.#partition())
    this.#tags()
    return { topic, partitions }
  }

  #partition(): FetchedPartition {
    const partition = this.#int32()
    const errorCode = this.#int16()
    const highWatermark = this.#offset()
    const lastStableOffset = this.#offset()
    const logStartOffset = this.#offset()
    const aborted = this.#array(() => {
      const producerId = this.#buffer.readBigInt64BE(this.#advance(8))
      const firstOffset = this.#offset()
      this.#tags()
      return { producerId, firstOffset }
    })
    this.#int32()
    const bytes = Math.max(0, this.#count())
    const start = this.#advance(bytes)
    this.#tags()
    return { partition, errorCode, highWatermark, lastStableOffset, logStartOffset, aborted, start, end: start + bytes }
  }

  get #isFlexible(): boolean {
    return this.#version >= FLEXIBLE_VERSION
  }

  /** Of elements or bytes; -1 for null. */
  #count(): number {
    return this.#isFlexible ? this.#cursor.readUnsignedVarint() - 1 : this.#int32()
  }

  /** A null array reads as an empty one. */
  #array<T>(element: () => T): T[] {
    const count = this.#count()
    const elements: T[] = []
    for (let index = 0; index < count; index += 1) elements.push(element())
    return elements
  }

  #tags(): void {
    if (!this.#isFlexible) return
    const count = this.#cursor.readUnsignedVarint()
    for (let index = 0; index < count; index += 1) {
      this.#cursor.readUnsignedVarint()
      this.#advance(this.#cursor.readUnsignedVarint())
    }
  }

  /** Moves over the bytes and returns where they start. */
  #advance(bytes: number): number {
    const start = this.#cursor.position
    if (bytes > this.#cursor.end - start) {
      throw violation(`${bytes} bytes are announced at byte ${start} of ${this.#cursor.end}`)
    }
    this.#cursor.position = start + bytes
    return start
  }

  #int16(): number {
    return this.#buffer.readInt16BE(this.#advance(2))
  }

  #int32(): number {
    return this.#buffer.readInt32BE(this.#advance(4))
  }

  #offset(): number {
    const offset = this.#buffer.readBigInt64BE(this.#advance(8))
    if (offset < -1n || offset > BigInt(Number.MAX_SAFE_INTEGER)) throw violation(`${offset} stands for an offset`)
    return Number(offset)
  }

  #uuid(): string {
    const start = this.#advance(16)
    const hex = this.#buffer.toString('hex', start, start + 16)
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  }

  #text(): string {
    const bytes = this.#isFlexible ? this.#cursor.readUnsignedVarint() - 1 : this.#int16()
    if (bytes < 0) throw violation('a topic has no name')
    const start = this.#advance(bytes)
    return this.#buffer.toString('utf8', start, start + bytes)
  }
}
