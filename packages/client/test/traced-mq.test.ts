import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { TestMq } from '@mq/testing'
import * as api from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  AggregationTemporality,
  type DataPoint,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import type { MqConnection, MqError } from '../src/index.ts'
import { chosenOpenTelemetry, hasSdk } from '../src/tracing/open-telemetry.ts'
import { TracedMq } from '../src/tracing/traced-mq.ts'

const ID = 'orders.placed'

describe('without an SDK of OpenTelemetry', () => {
  it('the API alone is taken for absent, unless it is asked for (O2)', async () => {
    assert.equal(hasSdk(api), false)
    assert.equal(await chosenOpenTelemetry(undefined), undefined)
    assert.equal(await chosenOpenTelemetry(false), undefined)
    assert.equal((await chosenOpenTelemetry(true))?.trace, api.trace)
    await assert.rejects(chosenOpenTelemetry('yes'), { code: 'MQ_OPTION_INVALID' })
  })

  it('sends and handlers go on as without, and no header is added', async () => {
    const inner = new TestMq()
    const mq = new TracedMq(inner as unknown as MqConnection, api, 'checkout', () => inner.time.nowMs)
    await mq.send(ID, 1, { key: 'k', headers: { own: '1' } })
    assert.deepEqual(inner.sent(ID)[0]!.headers, { own: '1' })
  })
})

describe('TracedMq', () => {
  const spans = new InMemorySpanExporter()
  const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter: metrics, exportIntervalMillis: 3_600_000 })
  let tracerProvider: TracerProvider
  let inner: TestMq
  let mq: TracedMq

  const named = (name: string): ReadableSpan[] => spans.getFinishedSpans().filter((span) => span.name === name)

  before(() => {
    api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] })
    api.trace.setGlobalTracerProvider(tracerProvider)
    api.metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
  })
  beforeEach(() => {
    spans.reset()
    inner = new TestMq()
    mq = new TracedMq(inner as unknown as MqConnection, api, 'checkout', () => inner.time.nowMs)
  })
  after(async () => {
    await tracerProvider.shutdown()
    await reader.shutdown()
    api.trace.disable()
    api.metrics.disable()
    api.context.disable()
    api.propagation.disable()
  })

  it('is chosen by connect once an SDK is registered', async () => {
    assert.equal(hasSdk(api), true)
    assert.notEqual(await chosenOpenTelemetry(undefined), undefined)
    assert.equal(await chosenOpenTelemetry(false), undefined)
  })

  it('makes a span of a send, in the trace of the caller, and writes traceparent into the headers', async () => {
    const tracer = api.trace.getTracer('test')
    await tracer.startActiveSpan('checkout', async (span) => {
      await mq.send(ID, { secret: 'hunter2' }, { key: 'k-1', headers: { own: '1' } })
      span.end()
    })
    const [send] = named(`send ${ID}`)
    const [parent] = named('checkout')
    assert.equal(send!.kind, api.SpanKind.PRODUCER)
    assert.equal(send!.spanContext().traceId, parent!.spanContext().traceId)
    assert.equal(send!.parentSpanContext?.spanId, parent!.spanContext().spanId)
    assert.deepEqual(send!.attributes, {
      'messaging.system': 'kafka',
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.destination.name': ID,
      'messaging.client.id': 'checkout',
      'messaging.destination.partition.id': String(inner.sent(ID)[0]!.partition),
    })
    const { traceId, spanId } = send!.spanContext()
    assert.deepEqual(inner.sent(ID)[0]!.headers, { own: '1', traceparent: `00-${traceId}-${spanId}-01` })
    assert.doesNotMatch(JSON.stringify([send!.name, send!.attributes, send!.status]), /hunter2|k-1/)
  })

  it('runs a handler in a span that is a child of the send and links to it, one for each attempt', async () => {
    const inside: (string | undefined)[] = []
    await mq.consume(ID, 'billing', async (message) => {
      inside.push(api.trace.getActiveSpan()?.spanContext().spanId)
      if (message.attempt === 1) throw new TypeError('not yet: hunter2')
    })
    await mq.send(ID, null, { key: 'k' })
    await inner.settled()
    const [send] = named(`send ${ID}`)
    assert.equal(send!.attributes['messaging.kafka.message.tombstone'], true)
    const handled = named(`process ${ID}`)
    assert.equal(handled.length, 2)
    for (const [at, span] of handled.entries()) {
      assert.equal(span.kind, api.SpanKind.CONSUMER)
      assert.equal(span.parentSpanContext?.spanId, send!.spanContext().spanId)
      assert.deepEqual(
        span.links.map(({ context }) => context.spanId),
        [send!.spanContext().spanId],
      )
      assert.equal(span.spanContext().spanId, inside[at])
      assert.deepEqual(
        [
          span.attributes['messaging.consumer.group.name'],
          span.attributes['messaging.kafka.offset'],
          span.attributes['mq.message.attempt'],
        ],
        ['billing', 0, at + 1],
      )
    }
    const [failed, fine] = handled
    assert.deepEqual([failed!.status.code, failed!.attributes['error.type']], [api.SpanStatusCode.ERROR, 'TypeError'])
    assert.equal(fine!.status.code, api.SpanStatusCode.UNSET)
    assert.doesNotMatch(JSON.stringify([failed!.attributes, failed!.status, failed!.events]), /hunter2/)
  })

  it('goes on with the trace of another library, tracestate and all, and starts one of its own where there is none', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    await mq.consume(ID, 'billing', () => {})
    await inner.deliver(ID, 1, { headers: { traceparent, tracestate: 'vendor=x' } })
    await inner.deliver(ID, 2, { headers: { traceparent: 'ff-broken' } })
    const [known, unknown] = named(`process ${ID}`)
    assert.equal(known!.spanContext().traceId, '4bf92f3577b34da6a3ce929d0e0e4736')
    assert.equal(known!.spanContext().traceState?.serialize(), 'vendor=x')
    assert.equal(known!.parentSpanContext?.spanId, '00f067aa0ba902b7')
    assert.deepEqual([unknown!.parentSpanContext, unknown!.links.length], [undefined, 0])
  })

  it('leaves headers of the application as they are, in every form they may have', async () => {
    const own = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    await mq.send(ID, 1, { headers: { traceparent: own } })
    await mq.send(ID, 2, { headers: new Map([['a', ['1', '2']]]) })
    await mq.send(ID, 3, { headers: [['b', null]] })
    const [first, second, third] = inner.sent(ID)
    assert.equal(first!.headers.traceparent, own)
    assert.deepEqual(
      second!.rawHeaders.map(({ key, value }) => (key === 'a' ? String(value) : key)),
      ['1', '2', 'traceparent'],
    )
    assert.deepEqual(
      third!.rawHeaders.map(({ key }) => key),
      ['b', 'traceparent'],
    )
    const refused = await mq.send(ID, 4, { headers: 'wrong' as never }).catch((error: MqError) => error)
    assert.equal((refused as MqError).code, 'MQ_MESSAGE_INVALID')
  })

  it('uses the propagator of the application first', async () => {
    api.propagation.setGlobalPropagator(new W3CTraceContextPropagator())
    await mq.send(ID, 1)
    api.propagation.disable()
    const { traceId, spanId } = named(`send ${ID}`)[0]!.spanContext()
    assert.equal(inner.sent(ID)[0]!.headers.traceparent, `00-${traceId}-${spanId}-01`)
  })

  it('keeps order, schemas and lists as they are without it, and tells failures by their codes', async () => {
    const seen: unknown[] = []
    const queue = mq.queue<number>(ID)
    await queue.consume('billing', ({ value }) => void seen.push(value))
    await queue.sendMany([
      { value: 1, key: 'k' },
      { value: 2, key: 'k' },
    ])
    await inner.idle()
    assert.deepEqual(seen, [1, 2])
    inner.failSends(ID, { code: 'MQ_SEND_TIMEOUT' })
    await assert.rejects(queue.send(3), { code: 'MQ_SEND_TIMEOUT' })
    await assert.rejects(mq.send('Not An Id', 3), { code: 'MQ_ID_INVALID' })
    await assert.rejects(mq.consume(ID, 'billing', 'no function' as never), { code: 'MQ_OPTION_INVALID' })
    await mq.close()
    await assert.rejects(mq.send(ID, 4), { code: 'MQ_CLOSED' })
    assert.deepEqual(
      named(`send ${ID}`).map(({ attributes }) => attributes['error.type']),
      [undefined, undefined, 'MQ_SEND_TIMEOUT', 'MQ_CLOSED'],
    )
  })

  it('counts and times sends and handlers with the meter of the application; nothing is left in flight', async () => {
    const id = 'orders.counted'
    await mq.consume(id, 'billing', ({ attempt }) => {
      if (attempt === 1) throw new Error('once')
    })
    await mq.send(id, 1)
    inner.failSends(id)
    await mq.send(id, 2).catch(() => {})
    await inner.settled()
    await reader.forceFlush()
    const points = (name: string) =>
      metrics
        .getMetrics()
        .at(-1)!
        .scopeMetrics.flatMap((scope) => scope.metrics)
        .filter(({ descriptor }) => descriptor.name === name)
        .flatMap(({ dataPoints }) => dataPoints as DataPoint<unknown>[])
        .filter(({ attributes }) => attributes['messaging.destination.name'] === id)
        .map(({ attributes, value }) => [
          attributes['error.type'],
          typeof value === 'number' ? value : (value as { count: number }).count,
        ])
    assert.deepEqual(
      points('messaging.client.sent.messages').toSorted(),
      [
        ['MQ_SEND_TIMEOUT', 1],
        [undefined, 1],
      ].toSorted(),
    )
    assert.deepEqual(points('messaging.client.operation.duration').length, 2)
    assert.deepEqual(
      points('messaging.client.consumed.messages').toSorted(),
      [
        ['Error', 1],
        [undefined, 1],
      ].toSorted(),
    )
    assert.deepEqual(points('messaging.process.duration').length, 2)
    assert.deepEqual(points('mq.client.sends_in_flight'), [[undefined, 0]])
    assert.deepEqual(points('mq.client.handlers_running'), [[undefined, 0]])
  })
})
