/**
 * Marks a decision to be rolled back, with the reason and the state it ends in.
 */
import type { DecisionRecord } from '@mq/autopilot'

const MQ = 'mq'

export function markedForRollback(
  record: DecisionRecord,
  nowMs: number,
  outcome: 'undone' | 'failed' | 'superseded',
  reason: string,
  actor = MQ,
): DecisionRecord {
  return {
    ...record,
    trial: record.trial === null ? null : { ...record.trial, endedAtMs: record.trial.endedAtMs ?? nowMs },
    work: { ...record.work, undo: record.work.undo ?? { outcome, reason, actor } },
  }
}
