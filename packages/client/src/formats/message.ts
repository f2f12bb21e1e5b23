/**
 * What a handler gets: one record, decoded when it is looked at.
 *
 * G1. A message costs one small object; key, value and headers are made on first access and kept.
 * G2. Reading `value` of a record that is not in the format of its mQ ID throws MQ_DECODE_FAILED, each time.
 * G3. A value of format bytes is a view into the fetched batch: copy it to keep it for long.
 */
import { type Format, MqError } from '@mq/contract'
import type { FetchedRecord, RecordHeader } from '@mq/kafka'
import type { ReceivedMessage } from '../api/types.ts'
import { decodeValue } from './codecs.ts'

/** What all messages of one epoch of an mQ ID have in common. */
export interface MessageOrigin {
  readonly id: string
  readonly epoch: number
  readonly format: Format
}

/** What a message is made of. */
export type MessageRecord = Pick<
  FetchedRecord,
  'topic' | 'partition' | 'offset' | 'timestampMs' | 'key' | 'value' | 'headers' | 'keyString' | 'valueString'
> & {
  /** How often it came back as a dead letter. */
  readonly redrives?: number
}

export class RecordMessage<T = unknown> implements ReceivedMessage<T> {
  readonly #origin: MessageOrigin
  readonly #record: MessageRecord
  #value: unknown
  #key: string | null = null
  #state = 0
  #poison: MqError | undefined
  readonly attempt: number

  constructor(origin: MessageOrigin, record: MessageRecord, attempt: number) {
    this.#origin = origin
    this.#record = record
    this.attempt = attempt
  }

  get id(): string {
    return this.#origin.id
  }

  get epoch(): number {
    return this.#origin.epoch
  }

  get partition(): number {
    return this.#record.partition
  }

  get offset(): string {
    return String(this.#record.offset)
  }

  get timestampMs(): number {
    return this.#record.timestampMs
  }

  get key(): string | null {
    if ((this.#state & KEY_READ) === 0) {
      this.#key = this.#record.keyString()
      this.#state |= KEY_READ
    }
    return this.#key
  }

  get keyBytes(): Uint8Array | null {
    return this.#record.key
  }

  get valueBytes(): Uint8Array | null {
    return this.#record.value
  }

  get value(): T {
    if ((this.#state & VALUE_READ) === 0) this.#readValue()
    return this.#value as T
  }

  get headers(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#record.headers.map(({ key, value }) => [key, value?.toString('utf8') ?? '']))
  }

  get rawHeaders(): readonly RecordHeader[] {
    return this.#record.headers
  }

  toJSON(): Record<string, unknown> {
    const { id, epoch, partition, offset, timestampMs, key, headers, attempt } = this
    return { id, epoch, partition, offset, timestampMs, key, headers, attempt, value: this.value }
  }

  #readValue(): void {
    if (this.#origin.format === 'bytes') {
      this.#value = this.#record.value
      this.#state |= VALUE_READ
      return
    }
    try {
      this.#value = decodeValue(this.#origin.id, this.#origin.format, this.#record)
      this.#state |= VALUE_READ
    } catch (error) {
      this.#poison = error as MqError
      throw error
    }
  }

  /** Puts the schema's output in place of what was decoded. */
  static setValue(message: ReceivedMessage, value: unknown): void {
    const own = ownOf(message)
    own.#value = value
    own.#state |= VALUE_READ
  }

  static setPoison(message: ReceivedMessage, error: MqError): void {
    ownOf(message).#poison = error
  }

  static recordOf(message: ReceivedMessage): MessageRecord {
    return ownOf(message).#record
  }

  /** Why its value cannot be used, once somebody tried. */
  static poisonOf(message: ReceivedMessage): MqError | undefined {
    return ownOf(message).#poison
  }
}

/** Handlers of this package are given messages of this package only. */
function ownOf(message: ReceivedMessage): RecordMessage {
  if (message instanceof RecordMessage) return message
  throw new MqError('MQ_INTERNAL', 'A message did not come from a record')
}

const KEY_READ = 1
const VALUE_READ = 2
