/**
 * The Produce request and its answer, versions 9 to 12 (flexible, by topic name).
 *
 * Q1. `acks` is always -1: a batch counts as sent only when all in-sync replicas hold it.
 * Q2. A batch is put into the request as it lies: its bytes are not copied here.
 * Q3. Every batch asked for is answered exactly once: one that the broker leaves out counts as unanswered.
 */
import type { Connection, Reader } from '@platformatic/kafka'
import { Writer } from '@platformatic/kafka'

export const PRODUCE_API = 0

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

export function encodeProduce(entries: readonly ProduceEntry[], ackTimeoutMs: number): Writer {
  const topics = new Map<string, ProduceEntry[]>()
  for (const entry of entries) {
    const same = topics.get(entry.topic)
    if (same === undefined) topics.set(entry.topic, [entry])
    else same.push(entry)
  }
  const writer = Writer.create()
    .appendString(null)
    .appendInt16(-1)
    .appendInt32(ackTimeoutMs)
    .appendUnsignedVarInt(topics.size + 1)
  for (const [topic, parts] of topics) {
    writer.appendString(topic).appendUnsignedVarInt(parts.length + 1)
    for (const { partition, header, records } of parts) {
      writer
        .appendInt32(partition)
        .appendUnsignedVarInt(header.length + (records?.length ?? 0) + 1)
        .append(header)
      if (records !== null) writer.append(records)
      writer.appendTaggedFields()
    }
    writer.appendTaggedFields()
  }
  return writer.appendTaggedFields()
}

export interface ProduceAnswer {
  readonly results: readonly ProduceResult[]
  /** How long the broker held the answer back for a quota. */
  readonly throttledMs: number
}

export function decodeProduce(reader: Reader): ProduceAnswer {
  const results: ProduceResult[] = []
  reader.readArray(
    () => {
      const topic = reader.readString()
      reader.readArray(
        () => {
          const partition = reader.readInt32()
          const code = reader.readInt16()
          const baseOffset = reader.readInt64()
          reader.readInt64() // log append time
          reader.readInt64() // log start offset
          let recordErrors: RecordError[] | undefined
          reader.readArray(
            () => {
              recordErrors ??= []
              recordErrors.push({ index: reader.readInt32(), message: reader.readNullableString() })
              reader.readTaggedFields()
            },
            true,
            false,
          )
          const message = reader.readNullableString()
          reader.readTaggedFields()
          results.push({ topic, partition, code, baseOffset, message, recordErrors: recordErrors ?? NO_RECORD_ERRORS })
        },
        true,
        false,
      )
      reader.readTaggedFields()
    },
    true,
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
): void {
  connection.send<ProduceAnswer>(
    PRODUCE_API,
    version,
    () => encodeProduce(entries, ackTimeoutMs),
    (_correlationId, _apiKey, _apiVersion, reader) => decodeProduce(reader),
    true,
    true,
    done,
  )
}
