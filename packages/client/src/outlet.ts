/**
 * The sending side of one mQ ID.
 *
 * T1. `send` is not async: with a writer at hand it checks, encodes and appends, and returns the promise its batch shares.
 * T2. While there is no writable epoch (no binding yet, or an epoch changing hands) sends wait in order, bounded in bytes and
 *     time, and leave before any later one.
 * T3. A problem of the message itself rejects that send only, and nothing of it is kept.
 * T4. A new open epoch is written to only when everything sent to the one before it is settled.
 */
import { type Binding, MqError, openEpoch } from '@mq/contract'
import type { Deps, Headers, MemoryBudget, ProducerTopic, Receipt } from '@mq/kafka'
import { type Encoded, encodeValue } from './codecs.ts'
import type { EpochWriter } from './epoch-writer.ts'
import { HeldSends, type Outgoing } from './held-sends.ts'

export interface SendOptions {
  /** Records of one key are handled in the order they were sent. */
  readonly key?: string | Uint8Array | null
  readonly headers?: Headers
  /** When it happened, milliseconds since 1970; now when left out. */
  readonly timestampMs?: number
}

export interface OutletOptions {
  readonly mqId: string
  readonly budget: MemoryBudget
  readonly deps: Deps
  readonly deadlineMs: number
  writerFor(binding: Binding): EpochWriter
}

type Phase =
  | { readonly kind: 'waiting'; readonly why: MqError }
  | { readonly kind: 'open'; readonly writer: EpochWriter; readonly topic: ProducerTopic }
  | { readonly kind: 'refused'; readonly error: MqError }

const NO_OPTIONS: SendOptions = {}

export class Outlet {
  readonly #options: OutletOptions
  readonly #held: HeldSends
  #phase: Phase
  #binding: Binding | undefined
  #previous: EpochWriter | undefined
  #switching = false

  constructor(options: OutletOptions) {
    this.#options = options
    const why = new MqError('MQ_CONTROL_PLANE_AWAY', `There is no binding of ${options.mqId} yet, and none is cached`)
    this.#phase = { kind: 'waiting', why }
    this.#held = new HeldSends({
      mqId: options.mqId,
      budget: options.budget,
      deps: options.deps,
      deadlineMs: options.deadlineMs,
      reason: () => (this.#phase.kind === 'waiting' ? this.#phase.why : why),
    })
  }

  send(value: unknown, options: SendOptions = NO_OPTIONS): Promise<Receipt> {
    const phase = this.#phase
    if (typeof options !== 'object' || options === null) {
      return this.#refuseMessage(
        `options are ${options === null ? 'null' : `of type ${typeof options}`}, not an object`,
      )
    }
    const key = options.key ?? null
    const { headers, timestampMs } = options
    if (!isText(key) || headers !== undefined || timestampMs !== undefined) {
      const problem = problemOf(key, headers, timestampMs)
      if (problem !== undefined) return this.#refuseMessage(problem)
    }
    if (phase.kind === 'open') {
      let encoded: Encoded
      try {
        encoded = encodeValue(this.#options.mqId, this.#binding!.format, value)
      } catch (error) {
        return Promise.reject(error)
      }
      return phase.writer.producer.send(phase.topic, key, encoded, headers, timestampMs)
    }
    if (phase.kind === 'refused') return Promise.reject(phase.error)
    return this.#held.hold({ key, value, headers, timestampMs })
  }

  /** A newer binding: settings apply between batches, a new epoch after the old one is settled. */
  apply(binding: Binding): void {
    this.#binding = binding
    if (binding.deleted) {
      this.refuse(new MqError('MQ_ID_DELETED', `${this.#options.mqId} was deleted`))
      return
    }
    if (this.#switching) return
    const open = openEpoch(binding)
    const writer = this.#phase.kind === 'open' ? this.#phase.writer : this.#previous
    if (open !== undefined && writer?.writes(open) === true) {
      writer.update(binding.producer)
      if (this.#phase.kind !== 'open') this.#open(binding, writer)
      return
    }
    this.#hold(`${this.#options.mqId} is changing its epoch`)
    if (writer === undefined) {
      if (open !== undefined) this.#open(binding, this.#options.writerFor(binding))
      return
    }
    this.#previous = writer
    if (open !== undefined) void this.#switch(writer)
  }

  /** Nothing can be sent any more, until a newer binding says otherwise. */
  refuse(error: MqError): void {
    const writer = this.#writer
    if (writer !== undefined) this.#previous = writer
    this.#phase = { kind: 'refused', error }
    this.#held.refuse(error)
  }

  async flush(): Promise<void> {
    await Promise.all([this.#held.idle(), this.#writer?.producer.flush()])
  }

  /** Flushes within the time, then refuses everything. @returns how many sends were not settled */
  async close(
    deadlineMs: number,
    wait: (limitMs: number, promise: Promise<unknown>) => Promise<unknown>,
  ): Promise<number> {
    await wait(deadlineMs, this.#held.idle())
    const writer = this.#writer
    const unsettled = this.#held.size
    this.refuse(new MqError('MQ_CLOSED', `The connection that sends to ${this.#options.mqId} was closed`))
    try {
      await writer?.close(deadlineMs)
      return unsettled
    } catch (error) {
      if (!(error instanceof MqError) || error.code !== 'MQ_CLOSE_INCOMPLETE') throw error
      return unsettled + Number(error.details.records ?? 1)
    }
  }

  get #writer(): EpochWriter | undefined {
    return this.#phase.kind === 'open' ? this.#phase.writer : this.#previous
  }

  #refuseMessage(problem: string): Promise<never> {
    return Promise.reject(new MqError('MQ_MESSAGE_INVALID', `A message for ${this.#options.mqId}: ${problem}`))
  }

  #hold(what: string): void {
    const why = new MqError('MQ_SEND_TIMEOUT', `${what}, and no epoch became writable in time`)
    this.#phase = { kind: 'waiting', why }
  }

  #open(binding: Binding, writer: EpochWriter): void {
    this.#previous = undefined
    const { producer, topic } = writer
    this.#held.drain(binding.format, (outgoing: Outgoing, encoded) =>
      producer.send(topic, outgoing.key, encoded, outgoing.headers, outgoing.timestampMs),
    )
    this.#phase = { kind: 'open', writer, topic }
  }

  /** From one epoch to the next (T4); bindings that come meanwhile are looked at afterwards. */
  async #switch(from: EpochWriter): Promise<void> {
    this.#switching = true
    try {
      await from.producer.flush()
      await from.close()
    } catch {
      // Each send that failed has said so to its caller.
    } finally {
      this.#switching = false
    }
    this.#previous = undefined
    if (this.#phase.kind === 'waiting' && this.#binding !== undefined) this.apply(this.#binding)
  }
}

function isText(key: unknown): boolean {
  return key === null || typeof key === 'string'
}

function problemOf(key: unknown, headers: unknown, timestampMs: unknown): string | undefined {
  if (!isText(key) && !(key instanceof Uint8Array)) return `the key is of type ${typeof key}, not string or Uint8Array`
  if (timestampMs !== undefined && !(Number.isSafeInteger(timestampMs) && (timestampMs as number) >= 0)) {
    return `timestampMs is ${typeof timestampMs === 'number' ? timestampMs : `of type ${typeof timestampMs}`}, not whole milliseconds since 1970`
  }
  if (headers === undefined) return undefined
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) return 'headers are not an object'
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
      return `header '${name.slice(0, 100)}' is of type ${typeof value}, not string or Uint8Array`
    }
  }
  return undefined
}
