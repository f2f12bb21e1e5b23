/**
 * A connection whose sends and handlers are spans and metrics of OpenTelemetry, by its conventions for messaging.
 *
 * T1. It stands around a connection: one without it runs no line of this.
 * T2. The span of a send ends when the message is durable or has failed; that of a handler, one for each attempt, when it ends. A
 *     handler runs in its span, which is a child of the send and links to it.
 * T3. No key, header or value is in a span: names, places, sizes of groups and codes of errors only.
 */

import type { Receipt } from '@mq/kafka/types'
import type { Attributes, Context, Counter, Histogram, Link, Span, Tracer, UpDownCounter } from '@opentelemetry/api'
import { queueOf } from '../api/queue.ts'
import type {
  CloseOptions,
  ConsumeOptions,
  GroupState,
  Handler,
  LogReading,
  MqConnection,
  OutgoingMessage,
  Queue,
  ReadOptions,
  ReceivedMessage,
  SendOptions,
  Subscription,
} from '../api/types.ts'
import { isThenable } from '../epochs/key-scheduler.ts'
import type { Schema } from '../formats/schema.ts'
import { sendMany } from '../send/send-many.ts'
import { VERSION } from '../version.ts'
import type { OpenTelemetry } from './open-telemetry.ts'
import { contextOf, headersWithTrace } from './trace-headers.ts'

const NAME = '@mq/client'
/** Those the conventions ask for, in seconds. */
const BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

interface Instruments {
  readonly sendDuration: Histogram
  readonly processDuration: Histogram
  readonly sent: Counter
  readonly consumed: Counter
  readonly sending: UpDownCounter
  readonly processing: UpDownCounter
}

export class TracedMq implements MqConnection {
  readonly #inner: MqConnection
  readonly #api: OpenTelemetry
  readonly #app: string
  readonly #nowMs: () => number
  readonly #tracer: Tracer
  readonly #instruments: Instruments

  constructor(inner: MqConnection, api: OpenTelemetry, app: string, nowMs: () => number) {
    this.#inner = inner
    this.#api = api
    this.#app = app
    this.#nowMs = nowMs
    this.#tracer = api.trace.getTracer(NAME, VERSION)
    const meter = api.metrics.getMeter(NAME, VERSION)
    const seconds = { unit: 's', advice: { explicitBucketBoundaries: BUCKETS_S } }
    this.#instruments = {
      sendDuration: meter.createHistogram('messaging.client.operation.duration', seconds),
      processDuration: meter.createHistogram('messaging.process.duration', seconds),
      sent: meter.createCounter('messaging.client.sent.messages', { unit: '{message}' }),
      consumed: meter.createCounter('messaging.client.consumed.messages', { unit: '{message}' }),
      sending: meter.createUpDownCounter('mq.client.sends_in_flight', { unit: '{message}' }),
      processing: meter.createUpDownCounter('mq.client.handlers_running', { unit: '{message}' }),
    }
  }

  send(id: string, value: unknown, options?: SendOptions): Promise<Receipt> {
    const api = this.#api
    const attributes = this.#attributes(id, 'send')
    const before = api.context.active()
    const own = value === null ? { ...attributes, 'messaging.kafka.message.tombstone': true } : attributes
    const span = this.#tracer.startSpan(`send ${id}`, { kind: api.SpanKind.PRODUCER, attributes: own }, before)
    const startedMs = this.#nowMs()
    const { sending, sent, sendDuration } = this.#instruments
    sending.add(1, attributes)
    let promise: Promise<Receipt>
    try {
      promise = this.#inner.send(id, value, this.#traced(before, span, options))
    } catch (error) {
      promise = Promise.reject(error)
      promise.catch(() => {})
    }
    const end = (receipt: Receipt | undefined, error: unknown): void => {
      sending.add(-1, attributes)
      if (receipt !== undefined) span.setAttribute('messaging.destination.partition.id', String(receipt.partition))
      const told = this.#end(span, attributes, receipt === undefined, error)
      sent.add(1, told)
      sendDuration.record((this.#nowMs() - startedMs) / 1_000, told)
    }
    promise.then(
      (receipt) => end(receipt, undefined),
      (error: unknown) => end(undefined, error),
    )
    return promise
  }

  sendMany(id: string, messages: Iterable<OutgoingMessage>): Promise<readonly Receipt[]> {
    return sendMany(id, messages, (value, options) => this.send(id, value, options))
  }

  consume<T = unknown>(
    id: string,
    group: string,
    handler: Handler<T>,
    options?: ConsumeOptions<T>,
  ): Promise<Subscription> {
    if (typeof handler !== 'function') return this.#inner.consume(id, group, handler, options)
    const traced: Handler<T> = (message, handed) => this.#process(message, group, () => handler(message, handed))
    return this.#inner.consume(id, group, traced, options)
  }

  queue<T = unknown>(id: string): Queue<T, T>
  queue<Input, Output>(id: string, schema: Schema<Input, Output>): Queue<Input, Output>
  queue<Input, Output>(id: string, schema?: Schema<Input, Output>): Queue<Input, Output> {
    return queueOf(this, id, schema)
  }

  read(id: string, options?: ReadOptions): Promise<LogReading> {
    return this.#inner.read(id, options)
  }

  groupState(id: string, group: string): Promise<GroupState> {
    return this.#inner.groupState(id, group)
  }

  deadLetters(id: string, group: string): ReturnType<MqConnection['deadLetters']> {
    return this.#inner.deadLetters(id, group)
  }

  flush(): Promise<void> {
    return this.#inner.flush()
  }

  close(options?: CloseOptions): ReturnType<MqConnection['close']> {
    return this.#inner.close(options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** T2 */
  #process(message: ReceivedMessage, group: string, run: () => unknown): unknown {
    const api = this.#api
    const attributes = { ...this.#attributes(message.id, 'process'), 'messaging.consumer.group.name': group }
    const { context: parent, sender } = contextOf(api, api.context.active(), message.headers)
    const links: Link[] = sender === undefined ? [] : [{ context: sender }]
    const place: Attributes = {
      ...attributes,
      'messaging.destination.partition.id': String(message.partition),
      'messaging.kafka.offset': Number(message.offset),
      'mq.message.attempt': message.attempt,
    }
    const span = this.#tracer.startSpan(
      `process ${message.id}`,
      { kind: api.SpanKind.CONSUMER, attributes: place, links },
      parent,
    )
    const startedMs = this.#nowMs()
    const { processing, consumed, processDuration } = this.#instruments
    processing.add(1, attributes)
    const end = (failed: boolean, error: unknown): void => {
      processing.add(-1, attributes)
      const told = this.#end(span, attributes, failed, error)
      consumed.add(1, told)
      processDuration.record((this.#nowMs() - startedMs) / 1_000, told)
    }
    let result: unknown
    try {
      result = api.context.with(api.trace.setSpan(parent, span), run)
    } catch (error) {
      end(true, error)
      throw error
    }
    if (!isThenable(result)) {
      end(false, undefined)
      return result
    }
    return Promise.resolve(result).then(
      (value) => {
        end(false, undefined)
        return value
      },
      (error: unknown) => {
        end(true, error)
        throw error
      },
    )
  }

  #traced(before: Context, span: Span, options: SendOptions | undefined): SendOptions | undefined {
    // What is no object is refused by the connection, in its own words.
    if (options !== undefined && (typeof options !== 'object' || options === null)) return options
    const context = this.#api.trace.setSpan(before, span)
    const headers = headersWithTrace(this.#api, context, span, options?.headers)
    return headers === options?.headers ? options : { ...options, headers: headers! }
  }

  /** @returns the attributes with what went wrong, for metrics */
  #end(span: Span, attributes: Attributes, failed: boolean, error: unknown): Attributes {
    if (!failed) {
      span.end()
      return attributes
    }
    const type = typeOf(error)
    span.setAttribute('error.type', type)
    span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message: type })
    span.end()
    return { ...attributes, 'error.type': type }
  }

  #attributes(id: string, operation: 'send' | 'process'): Attributes {
    return {
      'messaging.system': 'kafka',
      'messaging.operation.name': operation,
      'messaging.operation.type': operation,
      'messaging.destination.name': String(id),
      'messaging.client.id': this.#app,
    }
  }
}

/** The code of an error of mQ, the class of any other; never its text, which may hold anything (T3). */
function typeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown }
  if (typeof code === 'string' && code !== '') return code
  return typeof name === 'string' && name !== '' ? name : '_OTHER'
}
