/**
 * What senders are told when their records were not acknowledged.
 *
 * N1. Certainly not stored (`MQ_SEND_TIMEOUT`, `MQ_SEND_CANCELLED`, `MQ_MESSAGE_REFUSED`) and uncertain (`MQ_SEND_UNCERTAIN`) are told apart by code,
 *     in words, and by `details.maybeStored`.
 * N2. No text names a topic: applications know the mQ ID alone.
 */
import { MqError, type MqErrorCode } from '@mq/contract'
import { KafkaCode, protocolError } from '../protocol/kafka-errors.ts'
import type { WaitingSend } from './send-queue.ts'

/** Of whose records an error speaks. */
export interface SentTo {
  /** What applications call it. */
  readonly label: string
  readonly topic: string
  readonly partition: number
}

export const messages = (count: number, label: string): string =>
  `${count} message${count === 1 ? '' : 's'} for ${label}`

export interface GivenUp {
  readonly count: number
  /** How long they had, where it was the same for all. */
  readonly limitMs: number | undefined
  readonly cancelled: { readonly reason: unknown } | undefined
  readonly attempts: number
  readonly lastTrouble: string
  readonly maybeStored: boolean
}

/** N1 */
export function givenUp({ label, partition }: SentTo, what: GivenUp): MqError {
  const { count, limitMs, cancelled, attempts, lastTrouble, maybeStored } = what
  const when =
    cancelled !== undefined
      ? `before ${count === 1 ? 'it was' : 'they were'} cancelled`
      : limitMs === undefined
        ? 'before their deadline'
        : `within ${limitMs} ms`
  const why = lastTrouble === '' ? '' : `; the last trouble was: ${lastTrouble}`
  const tries = attempts === 1 ? 'sent once' : `sent ${attempts} times`
  const text = maybeStored
    ? `may or may not be stored: ${tries} and not acknowledged ${when}`
    : `not stored: ${count === 1 ? 'it' : 'they'} could not be sent ${when}`
  const code: MqErrorCode = maybeStored
    ? 'MQ_SEND_UNCERTAIN'
    : cancelled === undefined
      ? 'MQ_SEND_TIMEOUT'
      : 'MQ_SEND_CANCELLED'
  return new MqError(code, `${messages(count, label)} ${text}${why}`, {
    ...(cancelled === undefined ? {} : { cause: cancelled.reason }),
    details: { partition, records: count, maybeStored },
  })
}

/** Of a send that waited for memory. */
export function neverSent({ sender, limits }: WaitingSend, label: string | undefined, limitMs: number): MqError {
  const { topic, partition } = sender
  const signal = limits?.signal
  return givenUp(
    { label: label ?? topic, topic, partition },
    {
      count: 1,
      limitMs: limits?.deadlineMs === undefined ? limitMs : undefined,
      cancelled: signal?.aborted === true ? { reason: signal.reason } : undefined,
      attempts: 0,
      lastTrouble: 'there was no room in the buffer',
      maybeStored: false,
    },
  )
}

/** Nobody can find out. */
export function uncertain({ label, partition }: SentTo, count: number, why: string): MqError {
  return new MqError('MQ_SEND_UNCERTAIN', `${messages(count, label)} may or may not be stored: ${why}`, {
    details: { partition, records: count, maybeStored: true },
  })
}

/** Kafka looked at the records and did not want some of them. */
export function refusal(to: SentTo, count: number, code: number, reason: string | null): MqError {
  const { name } = protocolError(code)
  const why = reason === null || reason === '' ? name : `${withoutTopic(to, reason)} (${name})`
  const details = { partition: to.partition, records: count, kafkaError: name, kafkaCode: code, maybeStored: false }
  if (code !== KafkaCode.INVALID_TIMESTAMP) {
    return new MqError('MQ_MESSAGE_REFUSED', `Kafka refused ${messages(count, to.label)}: ${why}`, { details })
  }
  const what = `${messages(count, to.label)} not stored: Kafka refuses ${count === 1 ? 'its time' : 'their times'}`
  return new MqError('MQ_TIMESTAMP_REFUSED', `${what}: ${why}`, { details })
}

/** A topic that takes less than its settings say. */
export function tooLarge({ label }: SentTo, bytes: number, maxMessageBytes: number): MqError {
  return new MqError(
    'MQ_MESSAGE_TOO_LARGE',
    `Kafka takes no batch of ${bytes} bytes for ${label}, although maxMessageBytes is ${maxMessageBytes}`,
    { details: { bytes, maxMessageBytes } },
  )
}

/** A producer had to close before everything was acknowledged. */
export function notClosed(records: number): MqError {
  const what = `${records} ${records === 1 ? 'record was' : 'records were'} not acknowledged before close() had to end`
  return new MqError('MQ_CLOSE_INCOMPLETE', what, { details: { records } })
}

/** N2 */
export function withoutTopic({ label, topic, partition }: SentTo, text: string): string {
  if (!text.includes(topic)) return text
  const name = `(?<![\\w.-])${topic.replaceAll(/[.*+?^$()[\]{}|\\]/g, '\\$&')}`
  return text
    .replaceAll(new RegExp(`${name}-${partition}(?!\\d)`, 'g'), `${label}, partition ${partition}`)
    .replaceAll(new RegExp(`${name}(?!\\w)`, 'g'), label)
}
