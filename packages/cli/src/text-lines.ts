/**
 * Lines of a byte stream, with their numbers.
 *
 * L1. A line is at most `maxLineBytes` long: an endless line is an error, never endless memory.
 * L2. A line that is not UTF-8 is an error that names it; nothing is replaced in silence.
 * L3. Lines before a bad one are handed out first, whatever is wrong with it.
 * L4. A UTF-8 byte order mark at the start belongs to the file and not to its first line.
 */
import { MqError } from '@mq/contract'

export interface TextLine {
  readonly number: number
  readonly text: string
}

const NEWLINE = 0x0a
const UTF8_MARK = Buffer.from([0xef, 0xbb, 0xbf])

export async function* readLines(
  source: AsyncIterable<Uint8Array | string>,
  name: string,
  maxLineBytes: number,
): AsyncGenerator<TextLine[]> {
  let rest: Buffer = Buffer.alloc(0)
  let number = 0
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const toLine = (raw: Uint8Array): TextLine => {
    number += 1
    const bytes = number === 1 && UTF8_MARK.equals(raw.subarray(0, 3)) ? raw.subarray(3) : raw
    if (bytes.length > maxLineBytes) throw tooLong(name, number, maxLineBytes)
    try {
      const text = decoder.decode(bytes)
      return { number, text: text.endsWith('\r') ? text.slice(0, -1) : text }
    } catch (error) {
      throw new MqError('MQ_MESSAGE_INVALID', `${name}:${number}: ${notUtf8(raw, number)}`, { cause: error })
    }
  }
  for await (const chunk of source) {
    const bytes = Buffer.from(chunk)
    const data = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
    const lines: TextLine[] = []
    let from = 0
    for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, from)) {
      try {
        lines.push(toLine(data.subarray(from, end)))
      } catch (error) {
        if (lines.length > 0) yield lines
        throw error
      }
      from = end + 1
    }
    rest = data.subarray(from)
    if (lines.length > 0) yield lines
    if (rest.length > maxLineBytes + UTF8_MARK.length) throw tooLong(name, number + 1, maxLineBytes)
  }
  if (rest.length > 0) {
    const last = toLine(rest)
    // A file that holds nothing but its mark has no line.
    if (last.text !== '' || number > 1 || rest.length !== UTF8_MARK.length) yield [last]
  }
}

function notUtf8(raw: Uint8Array, number: number): string {
  const isUtf16 = number === 1 && ((raw[0] === 0xff && raw[1] === 0xfe) || (raw[0] === 0xfe && raw[1] === 0xff))
  return isUtf16 ? 'the file is UTF-16: save it as UTF-8' : 'the line is not UTF-8'
}

function tooLong(name: string, number: number, maxLineBytes: number): MqError {
  return new MqError('MQ_MESSAGE_TOO_LARGE', `${name}:${number}: the line is longer than ${maxLineBytes} bytes`)
}
