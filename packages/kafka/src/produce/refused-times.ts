/**
 * A batch that brokers refused for the times of its records.
 *
 * J1. Records without a time of their own get one that the brokers take, and are sent again where they stood.
 * J2. Those with one keep it; the named ones among them fail, each by itself.
 */
import type { MqError } from '@mq/contract'
import type { RecordError } from '../protocol/produce-request.ts'
import { recordsOf } from '../records/batch-parts.ts'
import { failRecords } from './failed-records.ts'
import type { PendingBatch } from './pending-batch.ts'
import type { SenderShared } from './sender-shared.ts'

/** Brokers whose clocks differ may each ask for another time. */
const MOST_CORRECTIONS = 3

export interface SortedTimes {
  /** Records that failed, by their place in the batch. */
  readonly failed: ReadonlyMap<number, MqError>
  /** Other times for records that have none of their own. */
  readonly times: ReadonlyMap<number, number>
}

/**
 * Tells those that fail.
 * @returns undefined where nothing can be done: no record is named, or nobody says which times the brokers take
 */
export function sortTimes(
  batch: PendingBatch,
  { time, deps, observer }: SenderShared,
  named: ReadonlyMap<number, RecordError>,
  reason: string | null,
): SortedTimes | undefined {
  if (batch.corrections >= MOST_CORRECTIONS) return undefined
  const said = [...named.values()].find(({ message }) => message !== null)?.message ?? reason
  const range = time.refused(said, batch.takenAtMs, deps.clock.monotonicMs())
  const records = recordsOf(batch)
  const failed = new Map<number, MqError>()
  const times = new Map<number, number>()
  let at = 0
  for (const { sent, count } of batch.slices) {
    for (const end = at + count; at < end; at++) {
      const { timestampMs } = records[at]!
      if (sent.hasOwnTime) {
        if (named.has(at)) failed.set(at, time.refusal(timestampMs))
      } else if (range === undefined) {
        if (named.has(at)) return undefined
      } else times.set(at, time.fit(timestampMs, range))
    }
  }
  if (failed.size + times.size === 0) return undefined
  failRecords(batch, failed, (count, error) => observer.onFailure?.(count, error))
  return { failed, times }
}
