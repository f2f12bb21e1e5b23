/**
 * Lines of a byte stream, with their numbers.
 *
 * L1. A line is at most `maxLineBytes` long: an endless line is an error, never endless memory.
 * L2. A line that is not UTF-8 is an error that names it; nothing is replaced in silence.
 */
import { MqError } from '@mq/contract'

export interface TextLine {
  readonly number: number
  readonly text: string
}

const NEWLINE = 0x0a

export async function* readLines(
  source: AsyncIterable<Uint8Array | string>,
  name: string,
  maxLineBytes: number,
): AsyncGenerator<TextLine[]> {
  let rest: Buffer = Buffer.alloc(0)
  let number = 0
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const toLine = (bytes: Uint8Array): TextLine => {
    number += 1
    if (bytes.length > maxLineBytes) throw tooLong(name, number, maxLineBytes)
    try {
      const text = decoder.decode(bytes)
      return { number, text: text.endsWith('\r') ? text.slice(0, -1) : text }
    } catch (error) {
      throw new MqError('MQ_MESSAGE_INVALID', `${name}:${number}: the line is not UTF-8`, { cause: error })
    }
  }
  for await (const chunk of source) {
    const bytes = Buffer.from(chunk)
    const data = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
    const lines: TextLine[] = []
    let from = 0
    for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, from)) {
      lines.push(toLine(data.subarray(from, end)))
      from = end + 1
    }
    rest = data.subarray(from)
    if (lines.length > 0) yield lines
    if (rest.length > maxLineBytes) throw tooLong(name, number + 1, maxLineBytes)
  }
  if (rest.length > 0) yield [toLine(rest)]
}

function tooLong(name: string, number: number, maxLineBytes: number): MqError {
  return new MqError('MQ_MESSAGE_TOO_LARGE', `${name}:${number}: the line is longer than ${maxLineBytes} bytes`)
}
