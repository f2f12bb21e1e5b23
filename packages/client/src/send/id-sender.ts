/**
 * `send` of one mQ ID: from a value and its options to a record of bytes, which the sender of its epochs takes on.
 *
 * T1. `send` is not async: with a writer at hand it checks, encodes and appends, and returns the promise its batch shares.
 * T3. A problem of the message itself rejects that send only, and nothing of it is kept.
 */
import { type Binding, MqError, type MqErrorCode } from '@mq/contract'
import { type EncodedHeaders, encodeHeaders, type Receipt, type SendLimits } from '@mq/kafka'
import type { SendOptions } from '../api/types.ts'
import { unknownOption } from '../base/options.ts'
import { refused } from '../base/refused.ts'
import { EpochSender, type EpochSenderOptions } from '../epochs/epoch-sender.ts'
import { cancelled } from '../epochs/held-sends.ts'
import type { EpochWriter } from '../epochs/writer.ts'
import { type Encoded, encodeValue } from '../formats/codecs.ts'
import {
  codeOf,
  invalidMessage,
  isText,
  keyMissing,
  limitsProblem,
  messageOf,
  notOptions,
  recordProblem,
  SEND_OPTIONS,
} from './checks.ts'
import { unsent } from './unsent.ts'

export interface IdSenderOptions extends EpochSenderOptions {
  /** Headers may take so much more than those of an application. */
  readonly extraHeaderBytes?: number
}

const NO_OPTIONS: SendOptions = {}

export class IdSender {
  readonly #options: IdSenderOptions
  readonly #epochs: EpochSender

  constructor(options: IdSenderOptions) {
    this.#options = options
    this.#epochs = new EpochSender(options)
  }

  /** Hot: without options nothing of them is looked at. */
  send(value: unknown, options?: SendOptions): Promise<Receipt> {
    const phase = this.#epochs.phase
    if (options !== undefined || phase.kind !== 'open') return this.#sendWith(value, options)
    const { format, keyRequired } = phase.binding
    if (keyRequired === true) return this.#refuse(keyMissing(this.#options.mqId))
    let encoded: Encoded
    try {
      encoded = encodeValue(this.#options.mqId, format, value)
    } catch (error) {
      return this.#refuse(error)
    }
    return phase.writer.producer.send(phase.topic, null, encoded)
  }

  #sendWith(value: unknown, options: SendOptions = NO_OPTIONS): Promise<Receipt> {
    const phase = this.#epochs.phase
    if (typeof options !== 'object' || options === null) {
      return this.#refuseMessage(notOptions(options))
    }
    const key = options.key ?? null
    const { timestampMs, deadlineMs, signal } = options
    if (options !== NO_OPTIONS) {
      const unknown = unknownOption('send', options, SEND_OPTIONS)
      if (unknown !== undefined) return this.#refuseMessage(unknown, 'MQ_OPTION_INVALID')
    }
    if (!isText(key) || timestampMs !== undefined) {
      const problem = recordProblem(key, timestampMs)
      if (problem !== undefined) return this.#refuseMessage(problem)
    }
    let headers: EncodedHeaders | undefined
    if (options.headers !== undefined) {
      try {
        headers = encodeHeaders(options.headers, this.#options.extraHeaderBytes)
      } catch (error) {
        return this.#refuseMessage(messageOf(error), codeOf(error))
      }
    }
    let limits: SendLimits | undefined
    if (timestampMs !== undefined || deadlineMs !== undefined || signal !== undefined) {
      const problem = limitsProblem(deadlineMs, signal)
      if (problem !== undefined) return this.#refuseMessage(problem, 'MQ_OPTION_INVALID')
      if (signal?.aborted === true) return this.#refuse(cancelled(this.#options.mqId, signal))
      const nowMs = this.#options.deps.clock.monotonicMs()
      // A time of its own is the usual reason why Kafka refuses one record.
      limits = { deadlineMs: deadlineMs === undefined ? undefined : nowMs + deadlineMs, signal, isAlone: true }
    }
    if (phase.kind === 'open') {
      if (key === null && phase.binding.keyRequired === true) return this.#refuse(keyMissing(this.#options.mqId))
      let encoded: Encoded
      try {
        encoded = encodeValue(this.#options.mqId, phase.binding.format, value)
      } catch (error) {
        return this.#refuse(error)
      }
      return phase.writer.producer.send(phase.topic, key, encoded, headers, timestampMs, limits)
    }
    if (phase.kind === 'refused') return this.#refuse(phase.error)
    try {
      return this.#epochs.hold(unsent(this.#options.mqId, value, { key, headers, timestampMs, limits }))
    } catch (error) {
      return this.#refuse(error)
    }
  }

  /** A newer binding: settings apply between batches, a new epoch after the old one is settled. */
  apply(binding: Binding): void {
    this.#epochs.apply(binding)
  }

  /** The topic of the writer refuses what only a sealed one refuses (epochs/epoch-sender.ts, T5). */
  sealed(writer: EpochWriter): Promise<void> {
    return this.#epochs.sealed(writer)
  }

  /** What waits for the next epoch now, and for how long that has been so. */
  holding(): ReturnType<EpochSender['holding']> {
    return this.#epochs.holding()
  }

  /** Nothing can be sent any more, until a newer binding says otherwise. */
  refuse(error: MqError): void {
    this.#epochs.refuse(error)
  }

  flush(): Promise<void> {
    return this.#epochs.flush()
  }

  /** Flushes within the time, then refuses everything. @returns how many sends were not settled */
  close(deadlineMs: number, wait: (limitMs: number, promise: Promise<unknown>) => Promise<unknown>): Promise<number> {
    return this.#epochs.close(deadlineMs, wait)
  }

  #refuse(error: unknown): Promise<never> {
    if (error instanceof MqError) this.#options.onRefused?.(error)
    return refused(error)
  }

  #refuseMessage(problem: string, code: MqErrorCode = 'MQ_MESSAGE_INVALID'): Promise<never> {
    return this.#refuse(invalidMessage(this.#options.mqId, problem, code))
  }
}
