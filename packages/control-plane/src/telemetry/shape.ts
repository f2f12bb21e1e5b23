/**
 * The shape of what is sent to one mQ ID, merged from many processes: sizes, batch depths, keys, partitions, arrivals, zones.
 *
 * H1. Every part merges by adding, so that processes and stretches of time come together in any order.
 * H2. Memory is bounded, whatever is reported: partitions and zones beyond the bounds are not told apart.
 * H3. Shares of the busiest keys are averaged by rank: processes send the same keys more often than not.
 */
import type { ProducerTelemetry } from '@mq/contract'
import { Sketch } from './sketch.ts'

const MOST_PARTITIONS = 1_024
const MOST_ZONES = 32
const REGISTERS = 256
const HIGHEST_RANK = 33
const TOP = 8

export interface Shape {
  readonly depths: Sketch
  readonly sizes: Sketch
  readonly partitions: Map<number, number>
  /** Most partitions one process saw in one window: together they see at least as many. */
  partitionsSeen: number
  dispersionSum: number
  dispersionBatches: number
  keysSampled: number
  keysKeyed: number
  readonly registers: Uint8Array
  /** By rank, times the keyed samples behind it. */
  readonly topSums: number[]
  readonly zones: Map<string, number>
  zonedRecords: number
}

export function emptyShape(): Shape {
  return {
    depths: new Sketch(),
    sizes: new Sketch(),
    partitions: new Map(),
    partitionsSeen: 0,
    dispersionSum: 0,
    dispersionBatches: 0,
    keysSampled: 0,
    keysKeyed: 0,
    registers: new Uint8Array(REGISTERS),
    topSums: [],
    zones: new Map(),
    zonedRecords: 0,
  }
}

/** The histograms of one report, decoded; undefined where it has none. */
export interface ReportedSketches {
  readonly depths: Sketch | undefined
  readonly sizes: Sketch | undefined
}

export function addToShape(shape: Shape, one: ProducerTelemetry, sketches: ReportedSketches, zone?: string): void {
  if (sketches.depths !== undefined) shape.depths.merge(sketches.depths)
  if (sketches.sizes !== undefined) shape.sizes.merge(sketches.sizes)
  for (const [partition, records] of one.partitionRecords ?? []) addPartition(shape, partition, records)
  shape.partitionsSeen = Math.max(shape.partitionsSeen, one.partitionsSeen ?? 0)
  if (one.dispersion !== undefined && one.batches > 0) {
    // Of what one process can put into a batch no more than its records arrive together.
    shape.dispersionSum += Math.min(one.dispersion, one.records / one.batches) * one.batches
    shape.dispersionBatches += one.batches
  }
  if (one.keys !== undefined && one.keys.keyed <= one.keys.sampled) {
    const { sampled, keyed, registers, topShares } = one.keys
    shape.keysSampled += sampled
    shape.keysKeyed += keyed
    mergeRegisters(shape.registers, Buffer.from(registers, 'base64'))
    for (const [rank, share] of topShares.slice(0, TOP).entries()) {
      shape.topSums[rank] = (shape.topSums[rank] ?? 0) + share * keyed
    }
  }
  if (zone !== undefined) addZone(shape, zone, one.records)
}

/** Adds `factor` times another shape. */
export function mergeShape(into: Shape, from: Shape, factor = 1): void {
  into.depths.merge(from.depths, factor)
  into.sizes.merge(from.sizes, factor)
  for (const [partition, records] of from.partitions) addPartition(into, partition, records * factor)
  into.partitionsSeen = Math.max(into.partitionsSeen, from.partitionsSeen)
  into.dispersionSum += from.dispersionSum * factor
  into.dispersionBatches += from.dispersionBatches * factor
  into.keysSampled += from.keysSampled * factor
  into.keysKeyed += from.keysKeyed * factor
  mergeRegisters(into.registers, from.registers)
  for (const [rank, sum] of from.topSums.entries()) into.topSums[rank] = (into.topSums[rank] ?? 0) + sum * factor
  for (const [zone, records] of from.zones) addZone(into, zone, records * factor)
}

/** How many keys are behind the registers, as HyperLogLog estimates it; null when no key was seen. */
export function distinctKeys({ registers }: Shape): number | null {
  const empty = registers.filter((rank) => rank === 0).length
  if (empty === REGISTERS) return null
  const alpha = 0.7213 / (1 + 1.079 / REGISTERS)
  const raw = (alpha * REGISTERS ** 2) / registers.reduce((sum, rank) => sum + 2 ** -rank, 0)
  return Math.round(raw < 2.5 * REGISTERS && empty > 0 ? REGISTERS * Math.log(REGISTERS / empty) : raw)
}

export function busiestPartitionShare({ partitions }: Shape): number | null {
  let total = 0
  let most = 0
  for (const records of partitions.values()) {
    total += records
    most = Math.max(most, records)
  }
  return total === 0 ? null : most / total
}

function addPartition(shape: Shape, partition: number, records: number): void {
  const known = shape.partitions.get(partition)
  if (known === undefined && shape.partitions.size >= MOST_PARTITIONS) return
  shape.partitions.set(partition, (known ?? 0) + records)
}

function addZone(shape: Shape, zone: string, records: number): void {
  const known = shape.zones.get(zone)
  if (known === undefined && shape.zones.size >= MOST_ZONES) return
  shape.zones.set(zone, (known ?? 0) + records)
  shape.zonedRecords += records
}

/** By the larger; registers of another size are not ours and change nothing. */
export function mergeRegisters(into: Uint8Array, from: Uint8Array): void {
  if (from.length !== REGISTERS) return
  for (let index = 0; index < REGISTERS; index++) {
    const rank = Math.min(from[index]!, HIGHEST_RANK)
    if (rank > into[index]!) into[index] = rank
  }
}
