/**
 * Rolls a decision out to all instances, and rolls it back, whatever kind of change it is.
 *
 * P1. A change of the binding is one new revision, in the transaction of the decision's state.
 * P2. Each step may be repeated (change-kind C1).
 */
import type { DecisionRecord } from '@mq/autopilot'
import type { Context } from './context.ts'
import { markedForRollback } from './rollback-mark.ts'
import { activeOf, kindOf, overtakenBy } from './standing.ts'
import { storedRecords } from './stored-records.ts'

const MQ = 'mq'

/** From `applying` to `watching`. */
export async function rollOut(context: Context, record: DecisionRecord): Promise<void> {
  const { writer } = context
  const { number, title, status } = record
  const active = activeOf(context, record.mqId)
  const gone = overtakenBy(context, record)
  if (gone !== undefined || active === undefined) {
    const note = gone ?? 'it was deleted'
    await writer.transition(number, { event: 'supersede', note, actor: MQ }, (row) =>
      markedForRollback(row, writer.nowMs, 'superseded', note),
    )
    return
  }
  const held = await storedRecords(context, active)
  const progress = await kindOf(context, record).apply(context, record, active)
  const arrived = (row: DecisionRecord, revision?: number): DecisionRecord => ({
    ...row,
    revision: revision ?? row.revision,
    work: {
      ...row.work,
      turn: null,
      appliedAtMs: writer.nowMs,
      epoch: (progress.kind === 'done' ? progress.epoch : undefined) ?? row.work.epoch,
      stored: held === null ? null : { atMs: writer.nowMs, records: String(held) },
    },
  })
  const step = { event: 'applied', note: `rolled out: ${title}`, actor: MQ } as const
  switch (progress.kind) {
    case 'publish':
      await writer.publish(number, 'tune', `decision ${number}: ${title}; ${status}`, progress.spec, step, arrived)
      return
    case 'done':
      await writer.transition(number, { ...step, note: progress.note ?? step.note }, arrived)
      return
    case 'failed': {
      const { why } = progress
      await writer.transition(number, { event: 'fail', note: why, actor: MQ }, (row) =>
        markedForRollback(row, writer.nowMs, 'failed', why),
      )
      return
    }
    case 'pending':
  }
}

/** From `undoing` to the end it was rolled back for. */
export async function rollBack(context: Context, record: DecisionRecord): Promise<void> {
  const { writer } = context
  const { number } = record
  const { outcome, reason, actor } = record.work.undo ?? { outcome: 'undone', reason: 'asked for', actor: MQ }
  const step = { event: `reverted-${outcome}`, note: reason, actor } as const
  const why = `decision ${number} is undone: ${reason}`
  const progress = await kindOf(context, record).revert(context, record, activeOf(context, record.mqId), why)
  switch (progress.kind) {
    case 'publish':
      await writer.publish(number, 'undo-tune', why, progress.spec, step, (row, revision) => ({
        ...row,
        revision: revision ?? row.revision,
      }))
      return
    case 'done':
      await writer.transition(number, step)
      return
    case 'failed':
      await writer.transition(number, { ...step, event: 'reverted-failed', note: progress.why })
      return
    case 'pending':
  }
}
