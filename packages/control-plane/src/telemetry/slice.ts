/**
 * What was sent and consumed in one stretch of time: counts and latencies that add up.
 */
import type { ConsumerTelemetry, ProducerTelemetry } from '@mq/contract'
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
}
export interface GroupCounts {
  records: number
  recordBytes: number
  wireBytes: number
  handlerErrors: number
  redeliveries: number
  rebalances: number
  lagRecords: number | null
}
export interface Slice {
  readonly producer: ProducerCounts
  readonly sendLatency: Sketch
  readonly groups: Map<string, { counts: GroupCounts; endToEnd: Sketch }>
}

export function emptySlice(): Slice {
  return {
    producer: {
      records: 0,
      recordBytes: 0,
      wireBytes: 0,
      uncompressedBytes: 0,
      batches: 0,
      requests: 0,
      retries: 0,
      errors: 0,
    },
    sendLatency: new Sketch(),
    groups: new Map(),
  }
}

export function mergeSlice(into: Slice, from: Slice): void {
  for (const key of Object.keys(into.producer) as (keyof ProducerCounts)[]) into.producer[key] += from.producer[key]
  into.sendLatency.merge(from.sendLatency)
  for (const [group, { counts, endToEnd }] of from.groups) {
    const target = groupOf(into, group)
    if (target === undefined) continue
    addGroupCounts(target.counts, counts, 1)
    target.endToEnd.merge(endToEnd)
  }
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
}

export function addConsumer(slice: Slice, one: ConsumerTelemetry, share: number, latency: Sketch | undefined): void {
  const target = groupOf(slice, one.group)
  if (target === undefined) return
  addGroupCounts(target.counts, one, share)
  if (latency !== undefined) target.endToEnd.merge(latency)
}

function addGroupCounts(into: GroupCounts, from: Omit<GroupCounts, 'lagRecords'>, share: number): void {
  into.records += from.records * share
  into.recordBytes += from.recordBytes * share
  into.wireBytes += from.wireBytes * share
  into.handlerErrors += from.handlerErrors * share
  into.redeliveries += from.redeliveries * share
  into.rebalances += from.rebalances * share
}

function groupOf(slice: Slice, group: string): { counts: GroupCounts; endToEnd: Sketch } | undefined {
  let target = slice.groups.get(group)
  if (target === undefined && slice.groups.size < MAX_GROUPS) {
    target = {
      counts: {
        records: 0,
        recordBytes: 0,
        wireBytes: 0,
        handlerErrors: 0,
        redeliveries: 0,
        rebalances: 0,
        lagRecords: null,
      },
      endToEnd: new Sketch(),
    }
    slice.groups.set(group, target)
  }
  return target
}
