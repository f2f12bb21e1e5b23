/**
 * Prints one message after the other, and ends after so many.
 *
 * P1. What was not printed is not confirmed: its handler waits for the end and then fails, so that a later reader of the
 *     group gets the message.
 */
import { type Format, MqError } from '@mq/contract'
import type { LineFormat } from './format-directives.ts'
import { type Io, write } from './io.ts'
import type { StoredHeader } from './printed-message.ts'

/** What the SDK hands out, as it was stored. */
export interface ReadMessage {
  readonly keyBytes: Uint8Array | null
  readonly valueBytes: Uint8Array | null
  readonly rawHeaders: readonly StoredHeader[]
  readonly timestampMs: number
  readonly offset: string
  readonly partition: number
}

export interface TailPrinterOptions {
  readonly id: string
  readonly format: Format
  readonly line: LineFormat
  readonly limit: number | undefined
  onLimit(): void
}

export class TailPrinter {
  readonly #io: Io
  readonly #options: TailPrinterOptions
  readonly #limit: number
  readonly #end = Promise.withResolvers<void>()
  #count = 0
  #stopped = false

  constructor(io: Io, options: TailPrinterOptions) {
    this.#io = io
    this.#options = options
    this.#limit = options.limit ?? Number.POSITIVE_INFINITY
  }

  get count(): number {
    return this.#count
  }

  get stopped(): boolean {
    return this.#stopped
  }

  stop(): void {
    this.#stopped = true
    this.#end.resolve()
  }

  async print(message: ReadMessage): Promise<void> {
    if (this.#stopped || this.#count >= this.#limit || this.#io.interrupt.aborted) {
      await this.#end.promise
      throw new MqError('MQ_CLOSED', 'tail has ended')
    }
    const { id, format, line } = this.#options
    const { timestampMs, offset, partition } = message
    const text = line({
      id,
      format,
      key: message.keyBytes,
      value: message.valueBytes,
      headers: message.rawHeaders,
      timestampMs,
      offset,
      partition,
    })
    this.#count += 1
    if (this.#count >= this.#limit) this.#options.onLimit()
    await write(this.#io.stdout, text, this.#io.interrupt)
  }
}
