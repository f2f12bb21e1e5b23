/**
 * The headers of a record to send: from what an application gives to the bytes that stand in the record.
 *
 * H1. Headers are an object, a `Map`, or any iterable of `[name, value]`. A value is text, bytes, `null`, or a list of these for a
 *     name that occurs several times. Order and repetition are kept. Anything else is refused, never dropped.
 * H2. The encoded bytes are a copy: the caller may change or reuse what was given.
 * H3. Together they take at most `MAX_HEADERS_BYTES`, for which every topic of mQ has room beside the largest message.
 */
import { BATCH_OVERHEAD_BYTES, MqError } from '@mq/contract'
import { sizeOfVarint, writeVarint } from '../protocol/varint.ts'
import { PADDING_HEADER } from './padding-header.ts'

export type HeaderValue = string | Uint8Array | null
export type HeaderValues = HeaderValue | readonly HeaderValue[]
export type Headers = Readonly<Record<string, HeaderValues>> | Iterable<readonly [string, HeaderValues]>

/** The count of headers, then names and values with their lengths: as they stand in a record. */
export type EncodedHeaders = Uint8Array

/** Names, values and their lengths together. */
export const MAX_HEADERS_BYTES = BATCH_OVERHEAD_BYTES - 1_024

/** H1, H2. @param extraBytes room for what mQ adds itself @returns undefined when there are none. Throws MqError. */
export function encodeHeaders(headers: Headers, extraBytes = 0): EncodedHeaders | undefined {
  const list: (string | Uint8Array | null)[] = []
  if (isIterable(headers)) {
    for (const pair of headers as Iterable<unknown>) {
      if (!Array.isArray(pair) || pair.length !== 2) throw refused('headers hold something other than [name, value]')
      add(list, pair[0], pair[1])
    }
  } else {
    if (!isPlain(headers)) throw refused(`headers are ${kindOf(headers)}, not an object, a Map or a list of pairs`)
    for (const name of Object.keys(headers)) add(list, name, (headers as Record<string, unknown>)[name])
  }
  if (list.length === 0) return undefined
  let size = sizeOfVarint(list.length >> 1)
  for (let at = 0; at < list.length; at++) {
    const bytes = bytesOf(list[at]!)
    size += sizeOfVarint(bytes) + Math.max(0, bytes)
  }
  if (size > MAX_HEADERS_BYTES + extraBytes) {
    throw new MqError('MQ_MESSAGE_TOO_LARGE', `headers take ${size} bytes, and ${MAX_HEADERS_BYTES} are the most`, {
      details: { headersBytes: size, maxHeadersBytes: MAX_HEADERS_BYTES },
    })
  }
  const encoded = Buffer.allocUnsafe(size)
  let at = writeVarint(encoded, 0, list.length >> 1)
  for (const part of list) {
    at = writeVarint(encoded, at, bytesOf(part))
    if (part === null) continue
    if (typeof part === 'string') at += encoded.write(part, at)
    else {
      encoded.set(part, at)
      at += part.length
    }
  }
  return encoded
}

function add(list: (string | Uint8Array | null)[], name: unknown, value: unknown): void {
  if (typeof name !== 'string') throw refused(`the name of a header is ${kindOf(name)}, not a string`)
  if (name === PADDING_HEADER) throw refused(`the header '${PADDING_HEADER}' is mQ's own`)
  for (const one of Array.isArray(value) ? value : [value]) {
    if (one !== null && typeof one !== 'string' && !(one instanceof Uint8Array)) {
      throw refused(`the header '${name.slice(0, 100)}' is ${kindOf(one)}, not a string, bytes or null`)
    }
    list.push(name, one)
  }
}

const bytesOf = (part: string | Uint8Array | null): number =>
  part === null ? -1 : typeof part === 'string' ? Buffer.byteLength(part) : part.length

const isIterable = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && Symbol.iterator in value

/** An object of its own, not an instance of a class; also one of another realm. */
function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function refused(problem: string): MqError {
  return new MqError('MQ_MESSAGE_INVALID', problem)
}

/** What a value is, for a message, without showing it. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (value === undefined) return 'undefined'
  if (Array.isArray(value)) return 'an array'
  const name = typeof value === 'object' ? (value.constructor?.name ?? 'object') : typeof value
  return /^[aeio]/i.test(name) ? `an ${name}` : `a ${name}`
}
