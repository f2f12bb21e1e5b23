/**
 * Input of `mq send` to messages, each with the place it came from.
 *
 * M1. json: one value a line; text: one message a line; bytes: the whole input is one message. Empty lines are skipped for json only.
 * M2. Every problem names input and line; nothing after it is sent.
 */
import { type Binding, MqError } from '@mq/contract'
import { keyAt, parseJsonValue } from './json-value.ts'
import { readLines, type TextLine } from './text-lines.ts'

export interface OutgoingMessage {
  /** `events.jsonl:12`. */
  readonly place: string
  readonly key: string | undefined
  readonly value: unknown
}

export interface KeyChoice {
  readonly key?: string
  readonly keyField?: string
  readonly keyOptional?: boolean
  /** The message stands on the command line, not in lines of an input. */
  readonly value?: string
}

/** JSON written with spaces may be longer than the message that is sent. */
const LINE_SLACK = 4

export async function* messagesOf(
  source: AsyncIterable<Uint8Array | string>,
  name: string,
  choice: KeyChoice,
  binding: Binding,
): AsyncGenerator<OutgoingMessage[]> {
  const { maxMessageBytes } = binding.producer
  if (binding.format === 'bytes' || (binding.format === 'text' && choice.value !== undefined)) {
    const bytes = await readWhole(source, name, maxMessageBytes)
    const value = binding.format === 'bytes' ? bytes : bytes.toString('utf8')
    yield [{ place: name, key: choice.key, value }]
    return
  }
  if (binding.format === 'text') {
    for await (const lines of readLines(source, name, maxMessageBytes)) {
      yield lines.map((line) => ({ place: `${name}:${line.number}`, key: choice.key, value: line.text }))
    }
    return
  }
  if (choice.value !== undefined) {
    yield [jsonMessage({ number: 0, text: choice.value }, '--value', choice)]
    return
  }
  for await (const lines of readLines(source, name, maxMessageBytes * LINE_SLACK)) {
    const messages: OutgoingMessage[] = []
    for (const line of lines) {
      if (line.text.trim() === '') continue
      try {
        messages.push(jsonMessage(line, `${name}:${line.number}`, choice))
      } catch (error) {
        if (messages.length > 0) yield messages
        throw error
      }
    }
    if (messages.length > 0) yield messages
  }
}

function jsonMessage(line: TextLine, place: string, choice: KeyChoice): OutgoingMessage {
  let value: unknown
  try {
    value = parseJsonValue(line.text)
  } catch (error) {
    throw new MqError('MQ_MESSAGE_INVALID', `${place}: not JSON: ${jsonReason(error)}`, { cause: error })
  }
  if (choice.keyField === undefined) return { place, key: choice.key, value }
  const found = keyAt(value, choice.keyField.split('.'))
  if ('key' in found) return { place, key: found.key, value }
  if (choice.keyOptional === true && found.problem.startsWith('there is no field'))
    return { place, key: undefined, value }
  throw new MqError('MQ_MESSAGE_INVALID', `${place}: ${found.problem}`)
}

/** The parser's words without the payload they quote. */
function jsonReason(error: unknown): string {
  const message = (error as Error).message
  return message
    .replace(/,? ?(\.\.\.)?"[\s\S]*"(\.\.\.)? is not valid JSON/, '')
    .replace(/ \(line 1 column (\d+)\)/, ' (column $1)')
}

async function readWhole(source: AsyncIterable<Uint8Array | string>, name: string, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of source) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > maxBytes)
      throw new MqError('MQ_MESSAGE_TOO_LARGE', `${name}: more than ${maxBytes} bytes in one message`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}
