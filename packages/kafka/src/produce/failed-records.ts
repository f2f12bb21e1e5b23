/**
 * Telling the senders of some records of a batch that those are not stored, or that nobody knows; the batch may go on without them.
 *
 * F1. Only what shares a promise with a record that failed hears of it.
 * F2. `told` is called once for each error, with the number of records it is about.
 */
import type { MqError } from '@mq/contract'
import type { RecordError } from '../protocol/produce-request.ts'
import type { PendingBatch, Slice } from './pending-batch.ts'
import { givenUp, refusal, type SentTo } from './send-errors.ts'

type Told = (count: number, error: MqError) => void

/** Their time is over, or their senders gave them up. */
export function giveUpRecords(
  batch: PendingBatch,
  to: SentTo,
  overdue: readonly Slice[],
  usualLimitMs: number,
  maybeStored: boolean,
  told: Told,
): void {
  const { attempts, lastTrouble } = batch
  for (const slices of Map.groupBy(overdue, ({ sent }) => sent.cancelled?.reason ?? sent.hasOwnLimit).values()) {
    const { cancelled, hasOwnLimit } = slices[0]!.sent
    const isUncertain = maybeStored || slices.some(({ sent }) => sent.isSplit)
    const count = slices.reduce((sum, slice) => sum + slice.count, 0)
    const limitMs = hasOwnLimit ? undefined : usualLimitMs
    const error = givenUp(to, { count, limitMs, cancelled, attempts, lastTrouble, maybeStored: isUncertain })
    for (const { sent } of slices) sent.giveUp(error)
    told(count, error)
  }
  batch.settledSome()
}

/** Those fail, each with its own error, by their places in the batch. Each has a promise of its own. */
export function failRecords(batch: PendingBatch, failed: ReadonlyMap<number, MqError>, told: Told): void {
  let at = 0
  for (const { sent, count } of batch.slices) {
    const error = failed.get(at)
    at += count
    if (error === undefined) continue
    if (!sent.settled) told(1, error)
    sent.refused(1, error, true)
  }
}

/** Kafka refused those, by their places in the batch. */
export function refuseRecords(
  batch: PendingBatch,
  to: SentTo,
  code: number,
  reason: string | null,
  named: ReadonlyMap<number, RecordError>,
  told: Told,
): void {
  let at = 0
  for (const { sent, count } of batch.slices) {
    const bad = [...named.values()].filter(({ index }) => index >= at && index < at + count)
    at += count
    if (bad.length === 0) continue
    const error = refusal(to, bad.length, code, bad[0]!.message ?? reason)
    if (!sent.settled) told(bad.length, error)
    sent.refused(bad.length, error, bad.length === count)
  }
}
