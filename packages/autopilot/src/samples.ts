/**
 * What instances reported, as the numbers a comparison is made of: of those that send, and (readings.ts) of those that read. Pure.
 *
 * A1. A window no honest client can report is left out and counted: it neither helps nor harms a decision.
 * A2. A window with hardly any records says nothing about cost: it counts for guardrails and not for the test.
 * A3. Thousands of instances are judged by a part of their windows, taken evenly: a look never costs more than a bound (windows.ts).
 */
import { z } from 'zod'

/** The header of a record batch: no batch is shorter. */
const BATCH_HEADER_BYTES = 61
/** No codec makes more of text than this, and what does is not text worth a decision. */
const MOST_COMPRESSION = 1_000
const MOST_CORES = 1_024
export const LEAST_RECORDS_IN_WINDOW = 5

/** Whom a change of settings concerns. */
export type Subject = 'producers' | 'readers'

/** A distribution of latencies. */
export interface Latencies {
  quantileMs(share: number): number | null
}

/** What one process sent under one set of settings in the window of one report. */
export interface ProducerWindow {
  readonly instance: string
  readonly windowStartMs: number
  readonly windowMs: number
  /** How long in this window these settings were in force. */
  readonly activeMs: number
  /** The decision whose canary these settings were, null for the settings of the binding. */
  readonly trial: number | null
  readonly records: number
  readonly recordBytes: number
  readonly uncompressedBytes: number
  readonly wireBytes: number
  readonly batches: number
  readonly requests: number
  readonly cpuUs: number | null
  readonly errors: number
  readonly retries: number
  readonly bufferBytesMax: number
  readonly sendLatency: Latencies
}

export const Sample = z.object({
  instance: z.string(),
  atMs: z.number(),
  activeMs: z.number(),
  trial: z.number().int().nullable(),
  records: z.number(),
  recordBytes: z.number(),
  wireBytes: z.number(),
  batches: z.number(),
  requests: z.number(),
  cpuUs: z.number().nullable(),
  errors: z.number(),
  retries: z.number(),
  bufferBytesMax: z.number(),
  p99Ms: z.number().nullable(),
  /** By the price book; null when the window cannot be priced. */
  usdPerMillion: z.number().nullable(),
  /** Of a reader: for whom it reads, how often its partitions changed, and how far behind it was. */
  group: z.string().optional(),
  rebalances: z.number().optional(),
  lagRecords: z.number().nullable().optional(),
})
export type Sample = z.output<typeof Sample>

export interface Quantities {
  readonly records: number
  readonly recordBytes: number
  readonly wireBytes: number
  readonly batches: number
  readonly requests: number
  readonly cpuUs: number | null
}

/** US dollars for a million records of what a window holds, everything the mQ ID is billed for included. */
export type PriceWindow = (quantities: Quantities) => number | null

/** Whether an honest client can have reported it (A1). */
export function isPlausible(window: ProducerWindow): boolean {
  const { records, recordBytes, wireBytes, batches, requests, cpuUs, activeMs, uncompressedBytes } = window
  if (activeMs <= 0) return false
  if (records === 0) return wireBytes === 0 || batches > 0
  if (batches < 1 || batches > records || requests > batches + window.retries + 1) return false
  if (wireBytes < batches * BATCH_HEADER_BYTES) return false
  // Half a header a batch is left for rounding where a report was spread over several windows.
  if (uncompressedBytes < recordBytes * 0.9) return false
  if (wireBytes > uncompressedBytes * 1.1 + batches * 2 * BATCH_HEADER_BYTES) return false
  if (wireBytes * MOST_COMPRESSION < recordBytes) return false
  return cpuUs === null || cpuUs <= activeMs * 1_000 * MOST_CORES
}

/** Windows stay the same objects as long as they are kept, and reading a histogram is the dear part of them. */
const p99s = new WeakMap<object, number | null>()

export function p99Of(window: object, latency: () => Latencies): number | null {
  const known = p99s.get(window)
  if (known !== undefined) return known
  const p99Ms = latency().quantileMs(0.99)
  p99s.set(window, p99Ms)
  return p99Ms
}

export function sampleOf(window: ProducerWindow, price: PriceWindow): Sample {
  const { instance, windowStartMs, activeMs, trial, records, recordBytes, wireBytes, batches, requests } = window
  return {
    instance,
    atMs: windowStartMs,
    activeMs,
    trial,
    records,
    recordBytes,
    wireBytes,
    batches,
    requests,
    cpuUs: window.cpuUs,
    errors: window.errors,
    retries: window.retries,
    bufferBytesMax: window.bufferBytesMax,
    p99Ms: p99Of(window, () => window.sendLatency),
    usdPerMillion: records < LEAST_RECORDS_IN_WINDOW ? null : price(window),
  }
}

export function pricesOf(samples: readonly Sample[]): number[] {
  return samples.flatMap(({ usdPerMillion }) => (usdPerMillion === null ? [] : [usdPerMillion]))
}

/** What a decision is judged by: what it was made for. */
export type Goal = 'cost' | 'latency'

export function valuesOf(goal: Goal, samples: readonly Sample[]): number[] {
  return goal === 'cost'
    ? pricesOf(samples)
    : samples.flatMap(({ p99Ms, records }) =>
        p99Ms === null || p99Ms <= 0 || records < LEAST_RECORDS_IN_WINDOW ? [] : [p99Ms],
      )
}

export function sum<S>(samples: readonly S[], of: (sample: S) => number): number {
  return samples.reduce((total, sample) => total + of(sample), 0)
}

/** Records a second while the settings were in force. */
export function rateOf(samples: readonly Pick<Sample, 'activeMs' | 'records'>[]): number {
  const activeMs = sum(samples, (sample) => sample.activeMs)
  return activeMs === 0 ? 0 : (sum(samples, (sample) => sample.records) * 1_000) / activeMs
}

/** As many of them as may be, evenly over their order. */
export function thinned<T>(all: readonly T[], most: number): readonly T[] {
  if (all.length <= most) return all
  return Array.from({ length: most }, (_, index) => all[Math.floor((index * all.length) / most)]!)
}

/** A process that reads for several groups is several readers. */
export const whoOf = ({ instance, group }: Pick<Sample, 'instance' | 'group'>): string =>
  group === undefined ? instance : `${group} ${instance}`

/** By instance, or by reader, in the order they are met. */
export function byInstance<S extends Pick<Sample, 'instance' | 'group'>>(samples: readonly S[]): Map<string, S[]> {
  const groups = new Map<string, S[]>()
  for (const sample of samples) {
    const who = whoOf(sample)
    const group = groups.get(who)
    if (group === undefined) groups.set(who, [sample])
    else group.push(sample)
  }
  return groups
}
