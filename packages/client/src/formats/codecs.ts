/**
 * Values to bytes and back, by the format of the mQ ID. No record carries a type header.
 *
 * F1. `null` is a tombstone in every format: stored without a value, handed out as `null`.
 * F2. What cannot be written is refused before anything is sent; what cannot be read is an error, never a guess.
 * F3. No error holds any part of a value.
 */
import { isUtf8 } from 'node:buffer'
import { type Format, MqError } from '@mq/contract'
import { type FetchedRecord, kindOf } from '@mq/kafka'

type StoredValue = Pick<FetchedRecord, 'partition' | 'offset' | 'value' | 'valueString'>

/** What the producer takes: text is written as UTF-8. */
export type Encoded = string | Uint8Array | null

export function encodeValue(mqId: string, format: Format, value: unknown): Encoded {
  if (value === null) return null
  switch (format) {
    case 'json':
      return encodeJson(mqId, value)
    case 'text':
      if (typeof value === 'string') return value
      throw wrongType(mqId, 'text takes a string', value)
    case 'bytes':
      if (value instanceof Uint8Array) return value
      throw wrongType(mqId, 'bytes takes a Uint8Array', value)
  }
}

function encodeJson(mqId: string, value: unknown): string {
  if (value instanceof Uint8Array) throw wrongType(mqId, 'json takes no binary value', value)
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (error) {
    const reason = error instanceof TypeError ? 'it is circular or holds a bigint' : 'its toJSON threw'
    throw new MqError('MQ_MESSAGE_INVALID', `A value for ${mqId} cannot be written as JSON: ${reason}`)
  }
  if (text === undefined) throw wrongType(mqId, 'json takes what JSON can say', value)
  if (text === '{}' && isWrittenEmpty(value)) throw wrongType(mqId, 'json would write it as {}', value)
  return text
}

export function decodeValue(mqId: string, format: Format, record: StoredValue): unknown {
  if (format === 'bytes') return record.value
  const text = record.valueString()
  if (text === null) return null
  // A one-byte string cannot hold U+FFFD, so this costs nothing for most values.
  if (text.includes('\uFFFD') && !isUtf8(record.value!)) throw undecodable(mqId, record, 'UTF-8 text')
  if (format === 'text') return text
  try {
    return JSON.parse(text)
  } catch {
    throw undecodable(mqId, record, 'JSON')
  }
}

/** Objects of which JSON says nothing at all. */
function isWrittenEmpty(value: unknown): boolean {
  return [Map, Set, Promise, RegExp, Error].some((kind) => value instanceof kind)
}

function undecodable(mqId: string, record: StoredValue, wanted: string): MqError {
  const where = `${mqId} partition ${record.partition} offset ${record.offset}`
  return new MqError('MQ_DECODE_FAILED', `The value at ${where} is not ${wanted}`, {
    details: { mqId, partition: record.partition, offset: String(record.offset) },
  })
}

function wrongType(mqId: string, wanted: string, value: unknown): MqError {
  return new MqError('MQ_MESSAGE_INVALID', `A value for ${mqId} is ${kindOf(value)}: ${wanted}`)
}
