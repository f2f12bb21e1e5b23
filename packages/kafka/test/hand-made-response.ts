/** Fetch responses written byte by byte. */

import { writeUnsignedVarint } from '../src/protocol/varint.ts'
import type { AbortedTransaction } from '../src/records/batch-decoder.ts'

export interface HandPartition {
  readonly partition: number
  readonly errorCode?: number
  readonly highWatermark?: number
  readonly aborted?: readonly AbortedTransaction[]
  readonly records?: Buffer
}

export interface HandTopic {
  readonly topic: string
  readonly partitions: readonly HandPartition[]
}

const scratch = Buffer.alloc(16)
const uvarint = (value: number): Buffer => Buffer.from(scratch.subarray(0, writeUnsignedVarint(scratch, 0, value)))
const int = (bytes: 2 | 4 | 8, value: number | bigint): Buffer => {
  const buffer = Buffer.alloc(bytes)
  if (bytes === 8) buffer.writeBigInt64BE(BigInt(value))
  else buffer.writeIntBE(Number(value), 0, bytes)
  return buffer
}
const array = (parts: readonly Buffer[]): Buffer => Buffer.concat([uvarint(parts.length + 1), ...parts])
const NO_TAGS = Buffer.from([0])

export function encodeFetchResponse(version: number, topics: readonly HandTopic[]): Buffer {
  const partition = (one: HandPartition): Buffer =>
    Buffer.concat([
      int(4, one.partition),
      int(2, one.errorCode ?? 0),
      int(8, one.highWatermark ?? -1),
      int(8, -1),
      int(8, -1),
      array(
        (one.aborted ?? []).map((part) => Buffer.concat([int(8, part.producerId), int(8, part.firstOffset), NO_TAGS])),
      ),
      int(4, -1),
      uvarint((one.records?.length ?? 0) + 1),
      one.records ?? Buffer.alloc(0),
      // A leader hint, as brokers add it: to be passed over.
      Buffer.from([1, 1, 9, 0, 0, 0, 2, 0, 0, 0, 5, 0]),
    ])
  const topic = (one: HandTopic): Buffer =>
    Buffer.concat([
      version >= 13
        ? Buffer.from(one.topic.replaceAll('-', ''), 'hex')
        : Buffer.concat([uvarint(Buffer.byteLength(one.topic) + 1), Buffer.from(one.topic)]),
      array(one.partitions.map(partition)),
      NO_TAGS,
    ])
  return Buffer.concat([int(4, 0), int(2, 0), int(4, 0), array(topics.map(topic)), NO_TAGS])
}
