/**
 * A stored message as `mq tail` prints it and `mq send --envelope` takes it back.
 *
 * E1. Nothing is rounded, replaced or dropped on the way: JSON passes through as the text it is, and what is not text stands
 *     as base64 in a field that says so (`keyBase64`, `valueBase64`, `{"base64": ...}` for a header).
 * E2. One message is one line.
 * E3. Headers of one name stand as a list in the order they were written; a header without a value is null.
 */
import { isUtf8 } from 'node:buffer'
import { type Format, MqError } from '@mq/contract'

export interface StoredHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

/** What was stored, not what a program makes of it. */
export interface StoredMessage {
  readonly id: string
  readonly format: Format
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly StoredHeader[]
  readonly timestampMs: number
  readonly offset: string
  readonly partition: number
}

/** The text of bytes, or undefined when they are no UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  return isUtf8(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8') : undefined
}

export function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/** JSON text on one line: between its tokens a line break is only white space, and inside them there is none (E2). */
export function oneLine(json: string): string {
  return /[\r\n]/.test(json) && isJson(json) ? json.replace(/[\r\n]+/g, ' ') : json
}

/** One JSON object for one line: the stable shape of `mq tail -o json`. */
export function toJsonLine(message: StoredMessage): string {
  const parts = [
    `"id":${JSON.stringify(message.id)}`,
    keyPart(message.key),
    valuePart(message),
    `"headers":${headersPart(message.headers)}`,
    `"timestampMs":${message.timestampMs}`,
    `"partition":${message.partition}`,
    `"offset":${JSON.stringify(message.offset)}`,
  ]
  return `{${parts.join(',')}}`
}

function keyPart(key: Uint8Array | null): string {
  if (key === null) return '"key":null'
  const text = textOf(key)
  return text === undefined ? `"keyBase64":"${base64Of(key)}"` : `"key":${JSON.stringify(text)}`
}

function valuePart({ value, format }: StoredMessage): string {
  if (value === null) return '"value":null'
  const text = format === 'bytes' ? undefined : textOf(value)
  if (text !== undefined && format === 'text') return `"value":${JSON.stringify(text)}`
  if (text !== undefined && isJson(text)) return `"value":${oneLine(text)}`
  return `"valueBase64":"${base64Of(value)}"`
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function headersPart(headers: readonly StoredHeader[]): string {
  const byName = Map.groupBy(headers, ({ key }) => key)
  const parts = [...byName].map(([name, own]) => {
    const values = own.map(({ value }) => headerText(value))
    return `${JSON.stringify(name)}:${values.length === 1 ? values[0] : `[${values.join(',')}]`}`
  })
  return `{${parts.join(',')}}`
}

function headerText(value: Uint8Array | null): string {
  if (value === null) return 'null'
  const text = textOf(value)
  return text === undefined ? `{"base64":"${base64Of(value)}"}` : JSON.stringify(text)
}

export type HeaderValue = string | Uint8Array | null

/** What a line of `mq tail -o json` asks to send. */
export interface Envelope {
  readonly key: string | Uint8Array | null
  readonly value: unknown
  readonly headers: Readonly<Record<string, HeaderValue | readonly HeaderValue[]>>
  readonly timestampMs: number | undefined
}

const KNOWN = new Set([
  'id',
  'key',
  'keyBase64',
  'value',
  'valueBase64',
  'headers',
  'timestampMs',
  'partition',
  'offset',
])

/** Reads a parsed line back. @throws MQ_MESSAGE_INVALID */
export function readEnvelope(parsed: unknown, place: string): Envelope {
  const fail = (why: string): MqError => new MqError('MQ_MESSAGE_INVALID', `${place}: ${why}`)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw fail('the line is no object with key, value and headers, as `mq tail -o json` prints one')
  }
  const fields = new Map(Object.entries(parsed))
  const unknown = [...fields.keys()].find((name) => !KNOWN.has(name))
  if (unknown !== undefined) throw fail(`there is a field '${unknown.slice(0, 100)}' that is not part of a message`)
  if (!fields.has('value') && !fields.has('valueBase64')) throw fail("there is no field 'value' or 'valueBase64'")
  const binary = (name: string): Uint8Array | undefined => {
    if (!fields.has(name)) return undefined
    const bytes = fromBase64(fields.get(name))
    if (bytes === undefined) throw fail(`the field '${name}' is not base64`)
    return bytes
  }
  const key = binary('keyBase64') ?? fields.get('key') ?? null
  if (key !== null && typeof key !== 'string' && !(key instanceof Uint8Array)) throw fail("the field 'key' is not text")
  const timestampMs = fields.get('timestampMs')
  if (timestampMs !== undefined && !Number.isSafeInteger(timestampMs)) {
    throw fail("the field 'timestampMs' is not whole milliseconds since 1970")
  }
  return {
    key,
    value: binary('valueBase64') ?? fields.get('value'),
    headers: readHeaders(fields.get('headers'), fail),
    timestampMs: timestampMs as number | undefined,
  }
}

function readHeaders(headers: unknown, fail: (why: string) => MqError): Envelope['headers'] {
  if (headers === undefined) return {}
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw fail("the field 'headers' is not an object")
  }
  const read = (name: string, value: unknown): HeaderValue => {
    if (value === null || typeof value === 'string') return value
    const bytes = typeof value === 'object' ? fromBase64((value as { base64?: unknown }).base64) : undefined
    if (bytes !== undefined) return bytes
    throw fail(`header '${name.slice(0, 100)}' is not text, null or {"base64": ...}`)
  }
  // fromEntries defines its fields: a header named __proto__ stays a header.
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map((one: unknown) => read(name, one)) : read(name, value),
    ]),
  )
}

function fromBase64(text: unknown): Uint8Array | undefined {
  if (typeof text !== 'string' || !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    return undefined
  }
  return Buffer.from(text, 'base64')
}
