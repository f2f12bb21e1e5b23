/**
 * Input of `mq send` to messages, each with the place it came from.
 *
 * M1. json: one value a line; text: one message a line; bytes: the whole input is one message. Empty lines are skipped for json only.
 * M2. One rule for every bad line, whatever is wrong with it: the problem names input and line, what stands before it is sent,
 *     nothing after it is.
 * M3. With `envelope` each line is a message as `mq tail -o json` prints one, for every format.
 */
import { type Binding, MqError } from '@mq/contract'
import { keyAt, parseJsonValue } from './json-value.ts'
import { type Envelope, readEnvelope } from './printed-message.ts'
import { readLines, type TextLine } from './text-lines.ts'

export interface OutgoingMessage {
  /** `events.jsonl:12`. */
  readonly place: string
  readonly key: string | Uint8Array | undefined
  readonly value: unknown
  /** Only from an envelope. */
  readonly headers?: Envelope['headers']
  readonly timestampMs?: number
}

export interface KeyChoice {
  readonly envelope?: boolean
  readonly keepTimestamps?: boolean
  readonly key?: string
  readonly keyField?: string
  readonly keyOptional?: boolean
  /** The message stands on the command line, not in lines of an input. */
  readonly value?: string
}

/** JSON written with spaces may be longer than the message that is sent. */
const LINE_SLACK = 4
/** Beside the value there are key, headers and names. */
const ENVELOPE_BYTES = 1_048_576

export async function* messagesOf(
  source: AsyncIterable<Uint8Array | string>,
  name: string,
  choice: KeyChoice,
  binding: Binding,
): AsyncGenerator<OutgoingMessage[]> {
  const { maxMessageBytes } = binding.producer
  if (choice.envelope === true) {
    yield* eachLine(source, name, maxMessageBytes * LINE_SLACK + ENVELOPE_BYTES, (line, place) =>
      envelopeMessage(line, place, choice),
    )
    return
  }
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
  yield* eachLine(source, name, maxMessageBytes * LINE_SLACK, (line, place) => jsonMessage(line, place, choice))
}

/** M2 */
async function* eachLine(
  source: AsyncIterable<Uint8Array | string>,
  name: string,
  maxLineBytes: number,
  toMessage: (line: TextLine, place: string) => OutgoingMessage,
): AsyncGenerator<OutgoingMessage[]> {
  for await (const lines of readLines(source, name, maxLineBytes)) {
    const messages: OutgoingMessage[] = []
    for (const line of lines) {
      if (line.text.trim() === '') continue
      try {
        messages.push(toMessage(line, `${name}:${line.number}`))
      } catch (error) {
        if (messages.length > 0) yield messages
        throw error
      }
    }
    if (messages.length > 0) yield messages
  }
}

function envelopeMessage(line: TextLine, place: string, choice: KeyChoice): OutgoingMessage {
  const { key, value, headers, timestampMs } = readEnvelope(jsonOf(line, place), place)
  return {
    place,
    key: key ?? undefined,
    value,
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    ...(choice.keepTimestamps === true && timestampMs !== undefined ? { timestampMs } : {}),
  }
}

function jsonOf(line: TextLine, place: string): unknown {
  try {
    return parseJsonValue(line.text)
  } catch (error) {
    throw new MqError('MQ_MESSAGE_INVALID', `${place}: not JSON: ${jsonReason(error)}`, { cause: error })
  }
}

function jsonMessage(line: TextLine, place: string, choice: KeyChoice): OutgoingMessage {
  const value = jsonOf(line, place)
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
