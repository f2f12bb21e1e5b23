/**
 * What is known about the traffic of one mQ ID: the input of every model.
 *
 * W1. Nothing here is a setting; the same workload under other settings is still the same workload.
 * W2. Impossible numbers (negative rates, shares over 1, NaN) are refused before anything is computed from them.
 */
import { type Intent, MqError } from '@mq/contract'
import type { CodecCurve } from './codec-curve.ts'
import { framedRecordBytes } from './framing.ts'

export interface WorkloadGroup {
  readonly group: string
  readonly members: number
}

export interface Workload {
  readonly recordsPerSecond: number
  /** The rate that must still be carried, over the usual one; 1 when no peak is expected. */
  readonly peakMultiple: number
  /** Key, value and headers of a record, mean. */
  readonly recordBytes: number
  /** What a record takes in an uncompressed batch, mean: its bytes and their framing, without a share of the header. */
  readonly framedBytes: number
  readonly producers: number
  /** Whether a key decides the partition. */
  readonly keyed: boolean
  /** 1 / partitions when even; 1 when all records go to one partition. */
  readonly busiestPartitionShare: number
  /** Variance over mean of the count of arrivals: 1 for independent ones, more for bursts, less for a clock. */
  readonly dispersion: number
  readonly groups: readonly WorkloadGroup[]
  readonly curves: readonly CodecCurve[]
  /** Bytes the log holds now, one copy, when that was seen: the only way to know what compaction leaves. */
  readonly retainedBytes: number | null
  /** How long it was watched, and how many records that was; 0 for what is merely expected. */
  readonly observedMs: number
  readonly records: number
  /** `assumed`: from the intent, because nothing was measured yet. */
  readonly source: 'measured' | 'assumed'
}

/** Where a usual record stands in its batch: a few milliseconds and a few dozen records in. */
const USUAL_PLACE = { timestampDelta: 5, offsetDelta: 50 } as const
const ASSUMED_KEY_BYTES = 16
const ASSUMED_RECORD_BYTES = 1_000
const ASSUMED_RECORDS_PER_SECOND = 100

/** What an intent lets expect before there is any traffic. What it does not say is assumed, and `assumptions` tells. */
export function assumedWorkload(intent: Intent): {
  readonly workload: Workload
  readonly assumptions: readonly string[]
} {
  const assumptions: string[] = [
    'no traffic was measured yet: rate and sizes are expected, codec ratios are those of JSON events',
  ]
  if (intent.expectedMessagesPerSecond === undefined) {
    assumptions.push(`the intent names no expectedMessagesPerSecond: ${ASSUMED_RECORDS_PER_SECOND}/s assumed`)
  }
  if (intent.expectedMessageBytes === undefined) {
    assumptions.push(`the intent names no expectedMessageBytes: ${ASSUMED_RECORD_BYTES} bytes assumed`)
  }
  assumptions.push('one producer and one consumer group of one member assumed')
  const recordBytes = intent.expectedMessageBytes ?? ASSUMED_RECORD_BYTES
  const keyBytes = intent.ordering === 'key' ? Math.min(ASSUMED_KEY_BYTES, recordBytes) : null
  const workload: Workload = {
    recordsPerSecond: intent.expectedMessagesPerSecond ?? ASSUMED_RECORDS_PER_SECOND,
    peakMultiple: Math.max(1, ...intent.peaks.map((peak) => peak.multiple)),
    recordBytes,
    framedBytes: framedRecordBytes({ ...USUAL_PLACE, keyBytes, valueBytes: recordBytes - (keyBytes ?? 0) }),
    producers: 1,
    keyed: intent.ordering === 'key',
    busiestPartitionShare: 0,
    dispersion: 1,
    groups: [{ group: 'expected', members: 1 }],
    curves: [],
    retainedBytes: null,
    observedMs: 0,
    records: 0,
    source: 'assumed',
  }
  return { workload, assumptions }
}

/** W2 */
export function checkWorkload(workload: Workload): void {
  const least: readonly (readonly [string, number, number])[] = [
    ['recordsPerSecond', workload.recordsPerSecond, 0],
    ['peakMultiple', workload.peakMultiple, 1],
    ['recordBytes', workload.recordBytes, 0],
    ['framedBytes', workload.framedBytes, 1],
    ['producers', workload.producers, 1],
    ['busiestPartitionShare', workload.busiestPartitionShare, 0],
    ['dispersion', workload.dispersion, 0],
    ['observedMs', workload.observedMs, 0],
    ['records', workload.records, 0],
    ['retainedBytes', workload.retainedBytes ?? 0, 0],
  ]
  for (const [name, value, from] of least) {
    if (!Number.isFinite(value) || value < from)
      throw refused(`${name} is ${value}; it is a number of at least ${from}`)
  }
  if (workload.busiestPartitionShare > 1) {
    throw refused(`busiestPartitionShare is ${workload.busiestPartitionShare}; a share is at most 1`)
  }
  for (const { group, members } of workload.groups) {
    if (!Number.isFinite(members) || members < 0) throw refused(`group '${group}' has ${members} members`)
  }
}

function refused(what: string): MqError {
  return new MqError('MQ_WORKLOAD_INVALID', `The workload cannot be: ${what}`)
}
