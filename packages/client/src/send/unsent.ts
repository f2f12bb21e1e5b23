/**
 * A send that has to wait, as a record of bytes to come.
 *
 * N1. It is a snapshot: the caller may change its objects afterwards.
 * N2. The format is known when it leaves, and what that cannot say is refused then; what no format can say is refused at once.
 */
import type { Binding, Format } from '@mq/contract'
import type { UnsentRecord } from '../epochs/held-sends.ts'
import { type Encoded, encodeValue } from '../formats/codecs.ts'
import { keyMissing } from './checks.ts'

/** JSON made at the time of the send (N1). */
class JsonText {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

type Snapshot = null | string | Uint8Array | JsonText
type Facts = Pick<UnsentRecord, 'key' | 'headers' | 'timestampMs' | 'limits'>

const RECORD_OVERHEAD_BYTES = 256

/** @throws MqError MQ_MESSAGE_INVALID (N2) */
export function unsent(mqId: string, value: unknown, facts: Facts): UnsentRecord {
  const key = facts.key instanceof Uint8Array ? Uint8Array.from(facts.key) : facts.key
  const kept = snapshotOf(mqId, value)
  return {
    ...facts,
    key,
    sizeBytes:
      RECORD_OVERHEAD_BYTES +
      (key?.length ?? 0) +
      (facts.headers?.length ?? 0) +
      ((kept instanceof JsonText ? kept.text : kept)?.length ?? 0),
    encode: ({ format, keyRequired }: Binding) => {
      if (key === null && keyRequired === true) throw keyMissing(mqId)
      return encoded(mqId, format, kept)
    },
  }
}

function snapshotOf(mqId: string, value: unknown): Snapshot {
  if (value === null || typeof value === 'string') return value
  if (value instanceof Uint8Array) return Uint8Array.from(value)
  return new JsonText(encodeValue(mqId, 'json', value) as string)
}

function encoded(mqId: string, format: Format, kept: Snapshot): Encoded {
  if (!(kept instanceof JsonText)) return encodeValue(mqId, format, kept)
  if (format === 'json') return kept.text
  return encodeValue(mqId, format, JSON.parse(kept.text))
}
