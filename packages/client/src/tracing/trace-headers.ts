/**
 * The context of a trace in the headers of a message, as W3C Trace Context has it.
 *
 * W1. The propagator of the application goes first, so that baggage and other formats travel, too; `traceparent` and `tracestate` are written
 *     and read in any case.
 * W2. Headers that the application gave are never changed: one that has a `traceparent` keeps it.
 */

import type { Headers } from '@mq/kafka/types'
import type { Context, Span, SpanContext } from '@opentelemetry/api'
import type { OpenTelemetry } from './open-telemetry.ts'

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/

/** The headers with the span in them; as they were when they are no headers, or when there is no trace. */
export function headersWithTrace(
  api: OpenTelemetry,
  context: Context,
  span: Span,
  headers: Headers | undefined,
): Headers | undefined {
  const spanContext = span.spanContext()
  if (!api.isSpanContextValid(spanContext)) return headers
  if (headers !== undefined && (typeof headers !== 'object' || headers === null)) return headers
  const given = headers === undefined ? [] : Symbol.iterator in headers ? [...headers] : Object.entries(headers)
  const names = new Set(given.map((pair) => (Array.isArray(pair) ? String(pair[0]).toLowerCase() : '')))
  if (names.has('traceparent')) return given
  const carrier: Record<string, string> = {}
  api.propagation.inject(context, carrier)
  if (carrier.traceparent === undefined) {
    const flags = spanContext.traceFlags.toString(16).padStart(2, '0')
    carrier.traceparent = `00-${spanContext.traceId}-${spanContext.spanId}-${flags}`
    const state = spanContext.traceState?.serialize()
    if (state !== undefined && state !== '') carrier.tracestate = state
  }
  return [...given, ...Object.entries(carrier).filter(([name]) => !names.has(name.toLowerCase()))]
}

/** The context the sender was in; that of before when the headers say nothing of one. */
export function contextOf(
  api: OpenTelemetry,
  before: Context,
  headers: Readonly<Record<string, string>>,
): { readonly context: Context; readonly sender: SpanContext | undefined } {
  const extracted = api.propagation.extract(before, headers)
  const known = api.trace.getSpanContext(extracted)
  if (known !== undefined && known !== api.trace.getSpanContext(before)) return { context: extracted, sender: known }
  const [, traceId, spanId, flags] = TRACEPARENT.exec(headers.traceparent ?? '') ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined)
    return { context: extracted, sender: undefined }
  const sender: SpanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(headers.tracestate === undefined ? {} : { traceState: api.createTraceState(headers.tracestate) }),
  }
  if (!api.isSpanContextValid(sender)) return { context: extracted, sender: undefined }
  return { context: api.trace.setSpanContext(extracted, sender), sender }
}
