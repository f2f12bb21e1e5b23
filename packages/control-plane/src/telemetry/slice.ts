/**
 * What was sent and consumed in one stretch of time: counts and latencies that add up.
 *
 * L1. A stretch of 10 s has no shape: sizes, keys and depths need more records than that to say anything.
 */
import type { ConsumerTelemetry, ProducerTelemetry } from '@mq/contract'
import { addToShape, emptyShape, mergeShape, type ReportedSketches, type Shape } from './shape.ts'
import { Sketch } from './sketch.ts'

/** Groups of one mQ ID that are told apart; more are not counted. */
export const MAX_GROUPS = 200

export interface ProducerCounts {
  records: number
  recordBytes: number
  wireBytes: number
  uncompressedBytes: number
  batches: number
  requests: number
  retries: number
  errors: number
  /** Of encoding and compressing, and how many of the records that covers: older clients do not say. */
  cpuUs: number
  cpuRecords: number
}
export interface GroupCounts {
  records: number
  recordBytes: number
  wireBytes: number
  handlerErrors: number
  redeliveries: number
  rebalances: number
  /** Zero from clients that do not count them. */
  batches: number
  fetchRequests: number
  lagRecords: number | null
}
export interface Slice {
  readonly producer: ProducerCounts
  readonly sendLatency: Sketch
  readonly groups: Map<string, { counts: GroupCounts; endToEnd: Sketch }>
  /** L1 */
  readonly shape: Shape | null
}

export function emptySlice(withShape = false): Slice {
  return {
    producer: noProducerCounts(),
    sendLatency: new Sketch(),
    groups: new Map(),
    shape: withShape ? emptyShape() : null,
  }
}

export function noProducerCounts(): ProducerCounts {
  return {
    records: 0,
    recordBytes: 0,
    wireBytes: 0,
    uncompressedBytes: 0,
    batches: 0,
    requests: 0,
    retries: 0,
    errors: 0,
    cpuUs: 0,
    cpuRecords: 0,
  }
}

/** Adds `factor` times another slice. */
export function mergeSlice(into: Slice, from: Slice, factor = 1): void {
  for (const key of Object.keys(into.producer) as (keyof ProducerCounts)[]) {
    into.producer[key] += from.producer[key] * factor
  }
  into.sendLatency.merge(from.sendLatency, factor)
  for (const [group, { counts, endToEnd }] of from.groups) {
    const target = groupOf(into, group)
    if (target === undefined) continue
    addGroupCounts(target.counts, counts, factor)
    target.endToEnd.merge(endToEnd, factor)
  }
  if (into.shape !== null && from.shape !== null) mergeShape(into.shape, from.shape, factor)
}

/** Adds `share` of a report. */
export function addProducer(slice: Slice, one: ProducerTelemetry, share: number): void {
  const { producer } = slice
  producer.records += one.records * share
  producer.recordBytes += one.recordBytes * share
  producer.wireBytes += one.batchBytesWire * share
  producer.uncompressedBytes += one.batchBytesUncompressed * share
  producer.batches += one.batches * share
  producer.requests += one.requests * share
  producer.retries += one.retries * share
  producer.errors += one.errors * share
  if (one.cpuUs === undefined) return
  producer.cpuUs += one.cpuUs * share
  producer.cpuRecords += one.records * share
}

/** Adds the parts of a report that say how records look. */
export function addShape(slice: Slice, one: ProducerTelemetry, sketches: ReportedSketches, zone?: string): void {
  if (slice.shape !== null) addToShape(slice.shape, one, sketches, zone)
}

export function addConsumer(slice: Slice, one: ConsumerTelemetry, share: number, latency: Sketch | undefined): void {
  const target = groupOf(slice, one.group)
  if (target === undefined) return
  addGroupCounts(target.counts, { ...one, batches: one.batches ?? 0, fetchRequests: one.fetchRequests ?? 0 }, share)
  if (latency !== undefined) target.endToEnd.merge(latency)
}

export function noGroupCounts(): GroupCounts {
  return {
    records: 0,
    recordBytes: 0,
    wireBytes: 0,
    handlerErrors: 0,
    redeliveries: 0,
    rebalances: 0,
    batches: 0,
    fetchRequests: 0,
    lagRecords: null,
  }
}

function addGroupCounts(into: GroupCounts, from: Omit<GroupCounts, 'lagRecords'>, share: number): void {
  into.records += from.records * share
  into.recordBytes += from.recordBytes * share
  into.wireBytes += from.wireBytes * share
  into.handlerErrors += from.handlerErrors * share
  into.redeliveries += from.redeliveries * share
  into.rebalances += from.rebalances * share
  into.batches += from.batches * share
  into.fetchRequests += from.fetchRequests * share
}

function groupOf(slice: Slice, group: string): { counts: GroupCounts; endToEnd: Sketch } | undefined {
  let target = slice.groups.get(group)
  if (target === undefined && slice.groups.size < MAX_GROUPS) {
    target = { counts: noGroupCounts(), endToEnd: new Sketch() }
    slice.groups.set(group, target)
  }
  return target
}
