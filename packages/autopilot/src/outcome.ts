/**
 * The measured effect of a change, in the terms of a prediction, and the error of the prediction. Pure.
 */
import type { Outcome } from '@mq/contract'
import type { DecisionRecord } from './decision-record.ts'
import { pricesOf, type Sample, sum } from './samples.ts'
import { median } from './statistics.ts'

const MONTH_SECONDS = 730 * 3_600

export function measuredOutcome(
  samples: readonly Sample[],
  p99Ms: number | null,
  recordsPerSecond: number,
  endToEndP99Ms: number | null,
): Outcome {
  const prices = pricesOf(samples)
  const usdPerMillionRecords = prices.length === 0 ? null : median(prices)
  const records = sum(samples, (one) => one.records)
  const batches = sum(samples, (one) => one.batches)
  return {
    usdPerMillionRecords,
    usdPerMonth: usdPerMillionRecords === null ? null : (usdPerMillionRecords * recordsPerSecond * MONTH_SECONDS) / 1e6,
    sendP99Ms: p99Ms,
    endToEndP99Ms,
    wireBytesPerRecord: records === 0 ? null : sum(samples, (one) => one.wireBytes) / records,
    recordsPerBatch: batches === 0 ? null : records / batches,
  }
}

/** Measured over predicted, less one. */
export function errorOf({ predicted }: DecisionRecord, measured: number | null): number | null {
  if (measured === null || predicted.usdPerMillionRecords === null || predicted.usdPerMillionRecords <= 0) return null
  return measured / predicted.usdPerMillionRecords - 1
}
