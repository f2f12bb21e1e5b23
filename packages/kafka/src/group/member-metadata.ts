/**
 * What members of a classic group tell each other through the broker: subscriptions and assignments, as Java's consumers write
 * and read them (ConsumerProtocol, versions 0 to 3).
 *
 * U1. Written is version 3; read is every version: fields a newer one adds at the end are passed over.
 * U2. Bytes come from other programs: whatever does not decode is refused with MQ_PROTOCOL_VIOLATION, never read beyond its end.
 */
import { MqError } from '@mq/contract'
import type { TopicPartition } from './types.ts'

const VERSION = 3
/** A member that never had a share. */
export const NO_GENERATION = -1

export interface Subscription {
  readonly topics: readonly string[]
  readonly owned: readonly TopicPartition[]
  /** The generation in which `owned` was held; `NO_GENERATION` when not said. */
  readonly generation: number
  readonly rackId: string | null
}

export function encodeSubscription({ topics, owned, generation, rackId }: Subscription): Buffer {
  const parts = [int16(VERSION), int32(topics.length), ...topics.map(text), int32(-1), ...byTopic(owned)]
  return Buffer.concat([...parts, int32(generation), rackId === null ? int16(-1) : text(rackId)])
}

export function decodeSubscription(bytes: Uint8Array): Subscription {
  const cursor = new Cursor(bytes, 'subscription')
  const version = cursor.int16()
  const topics = cursor.array(() => cursor.text())
  cursor.skipBytes()
  const owned = version >= 1 ? cursor.partitions() : []
  const generation = version >= 2 ? cursor.int32() : NO_GENERATION
  const rackId = version >= 3 ? cursor.nullableText() : null
  return { topics, owned, generation, rackId }
}

export function encodeAssignment(partitions: readonly TopicPartition[]): Buffer {
  return Buffer.concat([int16(VERSION), ...byTopic(partitions), int32(-1)])
}

export function decodeAssignment(bytes: Uint8Array): TopicPartition[] {
  // Sent to a member that the leader gave nothing at all.
  if (bytes.length === 0) return []
  const cursor = new Cursor(bytes, 'assignment')
  cursor.int16()
  return cursor.partitions()
}

function byTopic(partitions: readonly TopicPartition[]): Buffer[] {
  const topics = [...Map.groupBy(partitions, ({ topic }) => topic)]
  return [
    int32(topics.length),
    ...topics.flatMap(([topic, some]) => [
      text(topic),
      int32(some.length),
      ...some.map(({ partition }) => int32(partition)),
    ]),
  ]
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([int16(bytes.length), bytes])
}

class Cursor {
  readonly #bytes: Buffer
  readonly #what: string
  #at = 0

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#what = what
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2))
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4))
  }

  nullableText(): string | null {
    const length = this.int16()
    if (length < 0) return null
    const start = this.#take(length)
    return this.#bytes.toString('utf8', start, start + length)
  }

  text(): string {
    return this.nullableText() ?? this.#refuse('a name is missing')
  }

  skipBytes(): void {
    const length = this.int32()
    if (length > 0) this.#take(length)
  }

  array<T>(read: () => T): T[] {
    const length = this.int32()
    // An element takes two bytes at least: a longer array cannot be there.
    if (length > (this.#bytes.length - this.#at) / 2) this.#refuse(`it claims ${length} elements`)
    return Array.from({ length: Math.max(0, length) }, read)
  }

  partitions(): TopicPartition[] {
    return this.array(() => {
      const topic = this.text()
      return this.array(() => ({ topic, partition: this.int32() }))
    }).flat()
  }

  #take(length: number): number {
    const start = this.#at
    if (start + length > this.#bytes.length) this.#refuse(`it ends at byte ${this.#bytes.length}`)
    this.#at += length
    return start
  }

  #refuse(why: string): never {
    throw new MqError('MQ_PROTOCOL_VIOLATION', `The ${this.#what} of a group member cannot be read: ${why}`)
  }
}
