/**
 * The line format of `mq tail`, in the way of printf.
 *
 * T1. `%t` mQ ID, `%k` key, `%v` value, `%h` headers, `%o` offset, `%p` partition, `%T` time in milliseconds, `%%` a per cent sign;
 *     `\n`, `\t`, `\r`, `\0` and `\\` as in C. Anything else after `%` or `\` is an error, never printed as it stands.
 * T2. Values of format bytes leave as the very bytes they are.
 */
import { MqError } from '@mq/contract'

/** What a message offers to a line; structurally what the client hands to a handler. */
export interface PrintableMessage {
  readonly id: string
  readonly key: string | null
  readonly value: unknown
  readonly headers: Readonly<Record<string, unknown>>
  readonly timestampMs: number
  readonly offset: string
  readonly partition: number
}

type Part = string | ((message: PrintableMessage) => string | Uint8Array)

const DIRECTIVES: Readonly<Record<string, (message: PrintableMessage) => string | Uint8Array>> = {
  t: (message) => message.id,
  k: (message) => message.key ?? '',
  v: (message) => valueText(message.value),
  h: (message) => headersText(message.headers),
  o: (message) => message.offset,
  p: (message) => String(message.partition),
  T: (message) => String(message.timestampMs),
  '%': () => '%',
}
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '\0', '\\': '\\' }

export type LineFormat = (message: PrintableMessage) => string | Uint8Array

export function compileFormat(format: string): LineFormat {
  const parts: Part[] = []
  for (let index = 0; index < format.length; index++) {
    const mark = format[index]!
    if (mark !== '%' && mark !== '\\') {
      parts.push(mark)
      continue
    }
    index += 1
    parts.push(special(format, mark, index))
  }
  return (message) => joined(parts.map((part) => (typeof part === 'string' ? part : part(message))))
}

function special(format: string, mark: string, index: number): Part {
  const letter = format[index]
  const found = letter === undefined ? undefined : mark === '%' ? DIRECTIVES[letter] : ESCAPES[letter]
  if (found !== undefined) return found
  const known = mark === '%' ? '%t %k %v %h %o %p %T %%' : '\\n \\t \\r \\0 \\\\'
  throw new MqError(
    'MQ_OPTION_INVALID',
    `--format has '${mark}${letter ?? ''}' at position ${index}; known are ${known}`,
  )
}

function joined(pieces: readonly (string | Uint8Array)[]): string | Uint8Array {
  if (pieces.every((piece) => typeof piece === 'string')) return pieces.join('')
  return Buffer.concat(pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)))
}

/** A null value (a tombstone) is nothing. */
export function valueText(value: unknown): string | Uint8Array {
  if (value === null || value === undefined) return ''
  if (typeof value === 'string' || value instanceof Uint8Array) return value
  return JSON.stringify(value)
}

function headersText(headers: PrintableMessage['headers']): string {
  return Object.entries(headers)
    .map(
      ([name, value]) => `${name}=${value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : String(value)}`,
    )
    .join(',')
}

/** One JSON object for one line: the stable shape of `mq tail -o json`. */
export function toJsonLine(message: PrintableMessage): Record<string, unknown> {
  const { value } = message
  const binary = value instanceof Uint8Array
  const headers = Object.fromEntries(
    Object.entries(message.headers).map(([name, header]) => [
      name,
      header instanceof Uint8Array ? Buffer.from(header).toString('utf8') : header,
    ]),
  )
  return {
    id: message.id,
    key: message.key,
    ...(binary ? { valueBase64: Buffer.from(value).toString('base64') } : { value: value ?? null }),
    headers,
    timestampMs: message.timestampMs,
    partition: message.partition,
    offset: message.offset,
  }
}
