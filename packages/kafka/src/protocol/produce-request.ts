/**
 * The Produce request and its answer, by topic name: versions 7 and 8 with lengths of fixed size, 9 to 12 with compact ones.
 *
 * Q1. `acks` is -1 unless somebody says otherwise: a batch counts as sent only when all in-sync replicas hold it.
 * Q2. A batch is put into the request as it lies: its bytes are not copied here.
 * Q3. Every batch asked for is answered exactly once: one that the broker leaves out counts as unanswered.
 */
import type { Connection, Reader } from '@platformatic/kafka'
import { Writer } from '@platformatic/kafka'

const PRODUCE_API = 0
const FLEXIBLE_VERSION = 9
const RECORD_ERRORS_VERSION = 8
const ALL_IN_SYNC = -1

export interface ProduceEntry {
  readonly topic: string
  readonly partition: number
  readonly header: Buffer
  readonly records: Buffer | null
}

/** Why a record made its batch be refused. */
export interface RecordError {
  /** Place in the batch, from 0. */
  readonly index: number
  readonly message: string | null
}

const NO_RECORD_ERRORS: readonly RecordError[] = []

export interface ProduceResult {
  readonly topic: string
  readonly partition: number
  readonly code: number
  readonly baseOffset: bigint
  readonly message: string | null
  readonly recordErrors: readonly RecordError[]
}

export function encodeProduce(
  version: number,
  entries: readonly ProduceEntry[],
  ackTimeoutMs: number,
  acks = ALL_IN_SYNC,
): Writer {
  const isFlexible = version >= FLEXIBLE_VERSION
  const topics = new Map<string, ProduceEntry[]>()
  for (const entry of entries) {
    const same = topics.get(entry.topic)
    if (same === undefined) topics.set(entry.topic, [entry])
    else same.push(entry)
  }
  const writer = Writer.create()
  const count = (value: number): Writer =>
    isFlexible ? writer.appendUnsignedVarInt(value + 1) : writer.appendInt32(value)
  const tags = (): void => {
    if (isFlexible) writer.appendTaggedFields()
  }
  writer.appendString(null, isFlexible).appendInt16(acks).appendInt32(ackTimeoutMs)
  count(topics.size)
  for (const [topic, parts] of topics) {
    writer.appendString(topic, isFlexible)
    count(parts.length)
    for (const { partition, header, records } of parts) {
      writer.appendInt32(partition)
      count(header.length + (records?.length ?? 0)).append(header)
      if (records !== null) writer.append(records)
      tags()
    }
    tags()
  }
  tags()
  return writer
}

export interface ProduceAnswer {
  readonly results: readonly ProduceResult[]
  /** How long the broker held the answer back for a quota. */
  readonly throttledMs: number
}

export function decodeProduce(version: number, reader: Reader): ProduceAnswer {
  const isFlexible = version >= FLEXIBLE_VERSION
  const tellsRecords = version >= RECORD_ERRORS_VERSION
  const tags = (): void => {
    if (isFlexible) reader.readTaggedFields()
  }
  const results: ProduceResult[] = []
  reader.readArray(
    () => {
      const topic = reader.readString(isFlexible)
      reader.readArray(
        () => {
          const partition = reader.readInt32()
          const code = reader.readInt16()
          const baseOffset = reader.readInt64()
          reader.readInt64() // log append time
          reader.readInt64() // log start offset
          let recordErrors: RecordError[] | undefined
          let message: string | null = null
          if (tellsRecords) {
            reader.readArray(
              () => {
                recordErrors ??= []
                recordErrors.push({ index: reader.readInt32(), message: reader.readNullableString(isFlexible) })
                tags()
              },
              isFlexible,
              false,
            )
            message = reader.readNullableString(isFlexible)
          }
          tags()
          results.push({ topic, partition, code, baseOffset, message, recordErrors: recordErrors ?? NO_RECORD_ERRORS })
        },
        isFlexible,
        false,
      )
      tags()
    },
    isFlexible,
    false,
  )
  return { results, throttledMs: reader.readInt32() }
}

/** Sends the batches; `done` is called once, with what went wrong or with the answers. */
export function sendProduce(
  connection: Connection,
  version: number,
  entries: readonly ProduceEntry[],
  ackTimeoutMs: number,
  done: (error: Error | null, answer: ProduceAnswer | undefined) => void,
  acks = ALL_IN_SYNC,
): void {
  const isFlexible = version >= FLEXIBLE_VERSION
  connection.send<ProduceAnswer>(
    PRODUCE_API,
    version,
    () => encodeProduce(version, entries, ackTimeoutMs, acks),
    (_correlationId, _apiKey, _apiVersion, reader) => decodeProduce(version, reader),
    isFlexible,
    isFlexible,
    done,
  )
}
