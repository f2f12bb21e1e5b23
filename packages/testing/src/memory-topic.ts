/**
 * The messages of one mQ ID in memory: partitions, offsets, and records as the SDK reads them.
 *
 * O1. A value is written and read by the SDK's own code for its format: what the SDK refuses is refused here, with the same error.
 * O2. The partition of a key is the one the SDK chooses; messages without a key go round.
 */
import { type CheckedSend, encodeValue, keyMissing } from '@mq/client/parts'
import type { Format } from '@mq/contract'
import { FetchedRecord, partitionOf } from '@mq/kafka'
import type { TopicOptions } from './types.ts'

/** A message that can be stored. */
export interface EncodedSend extends CheckedSend {
  readonly value: string | Uint8Array | null
}

const EMPTY_HEADERS = Buffer.from([0])

export class MemoryTopic {
  readonly id: string
  readonly format: Format
  readonly ordering: 'key' | 'none'
  readonly keyRequired: boolean
  readonly maxMessageBytes: number
  readonly partitions: readonly FetchedRecord[][]
  /** In the order they came. */
  readonly records: FetchedRecord[] = []
  #turn = 0

  constructor(id: string, options: TopicOptions) {
    const {
      format = 'json',
      ordering = 'key',
      keyRequired = false,
      partitions = 4,
      maxMessageBytes = 1_048_576,
    } = options
    this.id = id
    this.format = format
    this.ordering = ordering
    this.keyRequired = keyRequired
    this.maxMessageBytes = maxMessageBytes
    this.partitions = Array.from({ length: partitions }, () => [])
  }

  /** O1. @throws MqError */
  encode(send: CheckedSend, value: unknown): EncodedSend {
    if (send.key === null && this.keyRequired) throw keyMissing(this.id)
    return { ...send, value: encodeValue(this.id, this.format, value) }
  }

  append(send: EncodedSend, timestampMs: number): FetchedRecord {
    const { key, value, headers } = send
    const partition = key === null ? this.#turn++ % this.partitions.length : partitionOf(key, this.partitions.length)
    const log = this.partitions[partition]!
    const keyBytes = key === null ? null : Buffer.from(key)
    const valueBytes = value === null ? null : Buffer.from(value)
    const bytes = Buffer.concat([keyBytes ?? EMPTY, valueBytes ?? EMPTY, headers ?? EMPTY_HEADERS])
    const source = {
      topic: this.id,
      partition,
      baseOffset: log.length,
      baseTimestampMs: timestampMs,
      appendTimestampMs: undefined,
      bytes,
      view: (start: number, length: number) => bytes.subarray(start, start + length),
    }
    const keyLength = keyBytes?.length ?? -1
    const valueStart = Math.max(0, keyLength)
    const record = new FetchedRecord(source, 0, 0, 0, keyLength, valueStart, valueBytes?.length ?? -1)
    log.push(record)
    this.records.push(record)
    return record
  }
}

const EMPTY = Buffer.alloc(0)
