/**
 * The line format of `mq tail`, in the way of printf.
 *
 * T1. `%t` mQ ID, `%k` key, `%v` value, `%h` headers, `%o` offset, `%p` partition, `%T` time in milliseconds, `%%` a per cent sign;
 *     `\n`, `\t`, `\r`, `\0` and `\\` as in C. Anything else after `%` or `\` is an error, never printed as it stands.
 * T2. Keys and values leave as the very bytes they are; line breaks between the tokens of JSON become spaces.
 */
import { MqError } from '@mq/contract'
import { base64Of, oneLine, type StoredHeader, type StoredMessage, textOf } from './printed-message.ts'

type Part = string | ((message: StoredMessage) => string | Uint8Array)

const DIRECTIVES: Readonly<Record<string, (message: StoredMessage) => string | Uint8Array>> = {
  t: (message) => message.id,
  k: (message) => message.key ?? '',
  v: storedValue,
  h: (message) => headersText(message.headers),
  o: (message) => message.offset,
  p: (message) => String(message.partition),
  T: (message) => String(message.timestampMs),
  '%': () => '%',
}
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '\0', '\\': '\\' }

export type LineFormat = (message: StoredMessage) => string | Uint8Array

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

/** A null value (a tombstone) is nothing; JSON is the text it was stored as, on one line. */
export function storedValue({ value, format }: StoredMessage): string | Uint8Array {
  if (value === null) return ''
  const text = format === 'json' ? textOf(value) : undefined
  return text === undefined ? value : oneLine(text)
}

function headersText(headers: readonly StoredHeader[]): string {
  return headers.map(({ key, value }) => (value === null ? key : `${key}=${textOrBase64(value)}`)).join(',')
}

/** For people: bytes that are no text are marked. */
export function textOrBase64(bytes: Uint8Array): string {
  return textOf(bytes) ?? `base64:${base64Of(bytes)}`
}
