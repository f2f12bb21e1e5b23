/**
 * Several messages in one call.
 *
 * M1. They are sent in order. Each is sent or refused by itself: one that cannot be sent holds up none of the others.
 * M2. When some failed, the error says which, by their places from 0: `details.failed` are not stored, of `details.uncertain` nobody knows, and
 *     all others are stored. It has the code of the first failure.
 */
import { MqError } from '@mq/contract'
import type { Receipt } from '@mq/kafka'
import type { OutgoingMessage, SendOptions } from '../api/types.ts'
import { leftAlone, refused } from '../base/refused.ts'

const MOST_ERRORS = 10

export function sendMany<T>(
  mqId: string,
  messages: Iterable<OutgoingMessage<T>>,
  send: (value: T, options: SendOptions) => Promise<Receipt>,
): Promise<readonly Receipt[]> {
  if (typeof messages !== 'object' || messages === null || !(Symbol.iterator in messages)) {
    return refused(
      new MqError(
        'MQ_OPTION_INVALID',
        `sendMany to ${mqId} takes a list of { value, key, ... }, not ${typeof messages}`,
      ),
    )
  }
  const sent: Promise<Receipt>[] = []
  try {
    for (const message of messages) sent.push(one(mqId, message, send))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    sent.push(
      refused(new MqError('MQ_OPTION_INVALID', `The list of messages for ${mqId} threw: ${reason}`, { cause: error })),
    )
  }
  return leftAlone(outcome(mqId, sent))
}

function one<T>(
  mqId: string,
  message: OutgoingMessage<T>,
  send: (value: T, options: SendOptions) => Promise<Receipt>,
): Promise<Receipt> {
  if (typeof message !== 'object' || message === null || !('value' in message)) {
    return refused(
      new MqError('MQ_MESSAGE_INVALID', `A message for ${mqId} has no value: write { value: ..., key: ... }`),
    )
  }
  const { value, ...options } = message
  return send(value, options)
}

async function outcome(mqId: string, sent: readonly Promise<Receipt>[]): Promise<readonly Receipt[]> {
  const results = new Map<Promise<Receipt>, PromiseSettledResult<Receipt>>()
  const distinct = [...new Set(sent)]
  for (const [at, result] of (await Promise.allSettled(distinct)).entries()) results.set(distinct[at]!, result)
  if ([...results.values()].every(({ status }) => status === 'fulfilled')) {
    return [...results.values()].map((result) => (result as PromiseFulfilledResult<Receipt>).value)
  }
  const failed: number[] = []
  const uncertain: number[] = []
  const errors: { readonly index: number; readonly error: MqError }[] = []
  for (const [index, promise] of sent.entries()) {
    const result = results.get(promise)!
    if (result.status === 'fulfilled') continue
    const error = result.reason as MqError
    const { maybeStored, othersStored } = error.details
    ;(maybeStored === true || othersStored === true ? uncertain : failed).push(index)
    if (errors.length < MOST_ERRORS) errors.push({ index, error })
  }
  const { index, error } = errors[0]!
  const known =
    failed.length > 0
      ? [`${failed.length} of ${sent.length} messages for ${mqId} are not stored (${places(failed)})`]
      : []
  const unknown =
    uncertain.length > 0
      ? [`${uncertain.length} of ${sent.length} may or may not be stored (${places(uncertain)})`]
      : []
  throw new MqError(
    error.code,
    `${[...known, ...unknown].join(', ')}; all others are. Message ${index}: ${error.message}`,
    {
      cause: error,
      details: {
        messages: sent.length,
        failed,
        uncertain,
        errors: errors.map((each) => ({ index: each.index, code: each.error.code, message: each.error.message })),
      },
    },
  )
}

function places(indexes: readonly number[]): string {
  const first = indexes.slice(0, 5).join(', ')
  return `${indexes.length === 1 ? 'place' : 'places'} ${first}${indexes.length > 5 ? ', ...' : ''}`
}
