/**
 * What can be said of a send before it is on its way.
 *
 * Q1. A text that refuses an option names it and its kind, never its value.
 */
import { MqError, type MqErrorCode } from '@mq/contract'
import { type EncodedHeaders, encodeHeaders, kindOf } from '@mq/kafka'
import type { SendOptions } from '../api/types.ts'
import { type OptionNames, unknownOption } from '../base/options.ts'
import { cancelled } from '../epochs/held-sends.ts'

export const SEND_OPTIONS: OptionNames<SendOptions> = {
  key: true,
  headers: true,
  timestampMs: true,
  deadlineMs: true,
  signal: true,
}
const MOST_DEADLINE_MS = 24 * 3_600_000

/** A send whose options are in order. */
export interface CheckedSend {
  readonly key: string | Uint8Array | null
  readonly headers: EncodedHeaders | undefined
  readonly timestampMs: number | undefined
  readonly deadlineMs: number | undefined
  readonly signal: AbortSignal | undefined
}

/** All checks at once, for whoever does not have to be as quick as the sender of an mQ ID. @throws MqError */
export function checkSend(mqId: string, options: SendOptions = {}): CheckedSend {
  if (typeof options !== 'object' || options === null) throw invalidMessage(mqId, notOptions(options))
  const { key = null, timestampMs, deadlineMs, signal } = options
  const unknown = unknownOption('send', options, SEND_OPTIONS)
  if (unknown !== undefined) throw invalidMessage(mqId, unknown, 'MQ_OPTION_INVALID')
  const problem = recordProblem(key, timestampMs)
  if (problem !== undefined) throw invalidMessage(mqId, problem)
  let headers: EncodedHeaders | undefined
  try {
    headers = options.headers === undefined ? undefined : encodeHeaders(options.headers)
  } catch (error) {
    throw invalidMessage(mqId, messageOf(error), codeOf(error))
  }
  const limits = limitsProblem(deadlineMs, signal)
  if (limits !== undefined) throw invalidMessage(mqId, limits, 'MQ_OPTION_INVALID')
  if (signal?.aborted === true) throw cancelled(mqId, signal)
  return { key, headers, timestampMs, deadlineMs, signal }
}

export function invalidMessage(mqId: string, problem: string, code: MqErrorCode = 'MQ_MESSAGE_INVALID'): MqError {
  return new MqError(code, `A message for ${mqId}: ${problem}`)
}

export const notOptions = (options: unknown): string =>
  `options are ${options === null ? 'null' : `of type ${typeof options}`}, not an object`

export function isText(key: unknown): boolean {
  return key === null || typeof key === 'string'
}

export function recordProblem(key: unknown, timestampMs: unknown): string | undefined {
  if (!isText(key) && !(key instanceof Uint8Array)) return `the key is ${kindOf(key)}, not a string or Uint8Array`
  if (timestampMs !== undefined && !(Number.isSafeInteger(timestampMs) && (timestampMs as number) >= 0)) {
    return `timestampMs is ${typeof timestampMs === 'number' ? timestampMs : kindOf(timestampMs)}, not whole milliseconds since 1970`
  }
  return undefined
}

export function keyMissing(mqId: string): MqError {
  const what = `A message for ${mqId} has no key: it keeps the latest message of every key, and Kafka refuses one without`
  return new MqError('MQ_MESSAGE_INVALID', what)
}

export function limitsProblem(deadlineMs: unknown, signal: unknown): string | undefined {
  if (
    deadlineMs !== undefined &&
    !(typeof deadlineMs === 'number' && deadlineMs >= 1 && deadlineMs <= MOST_DEADLINE_MS)
  ) {
    return `deadlineMs is ${typeof deadlineMs === 'number' ? deadlineMs : kindOf(deadlineMs)}, not milliseconds from 1 to ${MOST_DEADLINE_MS}`
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) return `signal is ${kindOf(signal)}, not an AbortSignal`
  return undefined
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
export const codeOf = (error: unknown): MqErrorCode => (error instanceof MqError ? error.code : 'MQ_MESSAGE_INVALID')
