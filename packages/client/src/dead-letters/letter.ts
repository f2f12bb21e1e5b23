/**
 * A dead letter as it is written and read back.
 *
 * D1. Key, value and headers of the message are those of the letter, byte for byte; the facts stand in one more header, the last.
 * D2. Facts hold no part of a value, and nothing of the error but its class, code, a shortened message and a hash of its place. What
 *     looks like a password, a token or a login in a message is taken out.
 */
import {
  DEAD_LETTER_HEADER,
  type DeadLetterFacts,
  type FailureReason,
  factsIn,
  MqError,
  parseDeadLetterFacts,
} from '@mq/contract'
import type { RecordHeader } from '@mq/kafka'
import type { MessageRecord } from '../formats/message.ts'

const MESSAGE_LENGTH = 300
const STACK_LINES = 3

export interface DeadLetter {
  readonly facts: DeadLetterFacts
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** Those of the message, without the facts. */
  readonly headers: readonly RecordHeader[]
}

export interface GivenUp {
  readonly id: string
  readonly group: string
  readonly app: string
  readonly epoch: number
  readonly record: MessageRecord
  readonly attempts: number
  readonly firstFailedAtMs: number
  readonly lastFailedAtMs: number
  readonly error: unknown
  readonly isUndecodable: boolean
}

export function letterFrom(one: GivenUp): DeadLetter {
  const { record, error, isUndecodable, ...rest } = one
  const facts: DeadLetterFacts = {
    v: 1,
    id: rest.id,
    group: rest.group,
    epoch: rest.epoch,
    topic: record.topic,
    partition: record.partition,
    offset: String(record.offset),
    timestampMs: record.timestampMs,
    attempts: rest.attempts,
    firstFailedAtMs: Math.round(rest.firstFailedAtMs),
    lastFailedAtMs: Math.round(rest.lastFailedAtMs),
    reason: reasonOf(error, isUndecodable),
    redrives: record.redrives ?? 0,
    app: rest.app,
  }
  return { facts, key: record.key, value: record.value, headers: record.headers }
}

/** Headers to send, the facts last (D1). */
export function headersWith(
  headers: readonly RecordHeader[],
  name: string,
  facts: unknown,
): [string, Uint8Array | string | null][] {
  return [
    ...headers.map(({ key, value }) => [key, value] as [string, Uint8Array | null]),
    [name, JSON.stringify(facts)],
  ]
}

export function letterOfRecord(record: Pick<MessageRecord, 'key' | 'value' | 'headers'>): DeadLetter | undefined {
  const found = factsIn(record.headers, DEAD_LETTER_HEADER, parseDeadLetterFacts)
  return found === undefined ? undefined : { ...found, key: record.key, value: record.value }
}

/** D2 */
export function reasonOf(error: unknown, isUndecodable: boolean): FailureReason {
  const kind = isUndecodable ? 'undecodable' : 'handler'
  if (!(error instanceof Error)) return { kind, name: typeof error, message: shortened(textOf(error)) }
  const given: unknown = error instanceof MqError ? error.code : (error as { code?: unknown }).code
  const code = typeof given === 'string' || typeof given === 'number' ? String(given).slice(0, 100) : undefined
  const place = placeOf(error.stack)
  return {
    kind,
    name: String(error.name).slice(0, 100),
    ...(code === undefined ? {} : { code }),
    message: shortened(String(error.message)),
    ...(place === undefined ? {} : { stackHash: hashOf(`${error.name}\n${place}`) }),
  }
}

function textOf(error: unknown): string {
  try {
    return String(error)
  } catch {
    return 'something that has no text'
  }
}

function shortened(message: string): string {
  const clean = message
    .slice(0, 2_000)
    .replaceAll(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi, '$1***@')
    .replaceAll(/\beyJ[\w-]{4,}\.[\w-]+\.[\w-]*/g, '***')
    .replaceAll(/\b(bearer|basic)\s+[\w.~+/=-]{6,}/gi, '$1 ***')
    .replaceAll(
      /\b([\w.-]{0,40}?(?:pass(?:word|wd)?|secret|token|api[_-]?key|authorization)(?:[_-]\w{1,40})?)(["']?\s*[:=]\s*)("[^"]*"|'[^']*'|[^\s,;&]+)/gi,
      '$1$2***',
    )
  return clean.length > MESSAGE_LENGTH ? `${clean.slice(0, MESSAGE_LENGTH - 3)}...` : clean
}

/** The innermost lines of the stack, without places in files that a new build moves. */
function placeOf(stack: string | undefined): string | undefined {
  const lines = stack
    ?.split('\n')
    .filter((line) => line.trimStart().startsWith('at '))
    .slice(0, STACK_LINES)
  return lines === undefined || lines.length === 0 ? undefined : lines.join('\n').replaceAll(/:\d+(?::\d+)?\)?/g, '')
}

function hashOf(text: string): string {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}
