/**
 * What readers reported, as samples, and whether enough of them report to compare anything. Pure.
 *
 * Q1. A window no honest client can report is left out and counted (samples.ts A1). What is handed out in a window may have been fetched
 *     in the one before, so hardly anything in it contradicts itself; what remains is what brokers and clocks do not allow.
 * Q2. Who fetched seldom and yet handed out soon did not tell the truth: a broker answers after the wait that was asked for, with or
 *     without records, so in the rest of the time nobody asked, and what was written then had to wait for the next fetch.
 * Q3. A group of which nobody reports windows can be harmed without anybody seeing it in time: then a person decides.
 */
import { type Latencies, LEAST_RECORDS_IN_WINDOW, p99Of, type Sample } from './samples.ts'

const BATCH_HEADER_BYTES = 61
/** No fetch of a client asks for more; answers to requests of the window before are on their way to every broker. */
const MOST_RESPONSE_BYTES = 64 * 1_024 * 1_024
const MOST_UNDER_WAY = 100
/** Clients poll no longer than this, whatever the settings say. */
const MOST_WAIT_MS = 15_000
/** Between two fetches lie this many waits before it is held against what was handed out. */
const SELDOM = 4
const LEAST_FOR_P99 = 20

/** What one process read for one group under one set of settings in the window of one report. */
export interface ConsumerWindow {
  readonly instance: string
  readonly group: string
  readonly windowStartMs: number
  readonly windowMs: number
  readonly activeMs: number
  readonly trial: number | null
  readonly records: number
  readonly recordBytes: number
  readonly wireBytes: number
  readonly batches: number
  readonly fetchRequests: number
  readonly handlerErrors: number
  readonly redeliveries: number
  readonly rebalances: number
  readonly lagRecords: number | null
  readonly endToEnd: Latencies
  readonly settings: { readonly fetchMinBytes: number; readonly fetchMaxWaitMs: number }
}

export interface Reading {
  readonly group: string
  readonly records: number
  readonly fetchRequests: number
}

/** US dollars for a million records of the mQ ID, when all groups fetch as often of what is usual for them as this reader does. */
export type PriceReading = (reading: Reading) => number | null

/** Whether an honest client can have reported it (Q1, Q2). */
export function isPlausibleReading(window: ConsumerWindow): boolean {
  const { activeMs, records, batches, wireBytes, fetchRequests, rebalances, settings } = window
  if (activeMs <= 0) return false
  if (wireBytes < batches * BATCH_HEADER_BYTES) return false
  if (wireBytes > (fetchRequests + MOST_UNDER_WAY) * MOST_RESPONSE_BYTES) return false
  // Who joined in this window had nothing to ask for in a part of it.
  if (records < LEAST_FOR_P99 || rebalances > 0) return true
  const betweenMs = activeMs / (fetchRequests + 1)
  if (betweenMs <= SELDOM * Math.min(settings.fetchMaxWaitMs, MOST_WAIT_MS)) return true
  const p99Ms = readingP99Of(window)
  return p99Ms === null || p99Ms >= betweenMs / 2
}

export const readingP99Of = (window: ConsumerWindow): number | null => p99Of(window, () => window.endToEnd)

export function readingOf(window: ConsumerWindow, price: PriceReading): Sample {
  const { instance, group, windowStartMs, activeMs, trial, records, recordBytes, wireBytes, batches } = window
  return {
    instance,
    group,
    atMs: windowStartMs,
    activeMs,
    trial,
    records,
    recordBytes,
    wireBytes,
    batches,
    requests: window.fetchRequests,
    // What decoding takes is the same however records are fetched, and nobody measures it.
    cpuUs: null,
    errors: window.handlerErrors,
    retries: window.redeliveries,
    bufferBytesMax: 0,
    rebalances: window.rebalances,
    lagRecords: window.lagRecords,
    p99Ms: readingP99Of(window),
    usdPerMillion: records < LEAST_RECORDS_IN_WINDOW ? null : price(window),
  }
}

/** How many members of a group read now, and how many of them report windows. */
export interface GroupReporting {
  readonly group: string
  readonly members: number
  readonly reporting: number
}

/** Who of the groups that read now can be compared. @param members by group, of processes that reported within the last minute */
export function reportingOf(
  members: readonly { readonly group: string; readonly members: number }[],
  recent: readonly Pick<ConsumerWindow, 'group' | 'instance'>[],
): GroupReporting[] {
  return members
    .filter((one) => one.members > 0)
    .map(({ group, members: count }) => ({
      group,
      members: count,
      reporting: new Set(recent.flatMap((one) => (one.group === group ? [one.instance] : []))).size,
    }))
}

/** Why readers cannot be compared, or null when they can (Q3). */
export function whyNoReaders(groups: readonly GroupReporting[]): string | null {
  if (groups.length === 0) return 'no group reads it now'
  const silent = groups.filter(({ reporting }) => reporting === 0).map(({ group }) => `'${group}'`)
  if (silent.length === 0) return null
  const shown = silent.slice(0, 3).join(', ') + (silent.length > 3 ? `, ${silent.length - 3} more` : '')
  return `no reader of ${silent.length === 1 ? 'group' : 'the groups'} ${shown} reports its windows (older clients), so other ways to fetch cannot be compared`
}
