/**
 * What is done in each state. The table is total: a state without an answer does not compile.
 *
 * X1. Every step may be repeated: a killed control plane goes on, or undoes, from what stands in the row.
 * X2. What failed for good is undone; what may pass is tried again at the next step.
 * X3. A decision that another version made of a kind that this one does not know stays as it is.
 */

import type { DecisionRecord } from '@mq/autopilot'
import { type DecisionState, MqError } from '@mq/contract'
import { look } from './canary-check.ts'
import type { Context } from './context.ts'
import { watch } from './post-rollout-check.ts'
import { markedForRollback } from './rollback-mark.ts'
import { rollBack, rollOut } from './rollout.ts'
import { activeOf, kindOf, overtakenBy, stands } from './standing.ts'
import { start } from './start-rollout.ts'

const MQ = 'mq'
/** Steps that follow one another at once, as long as each ends in a new state. */
const MOST_STEPS_AT_ONCE = 6

type DoStep = (context: Context, record: DecisionRecord) => Promise<void>

const doInState: Record<DecisionState, DoStep> = {
  proposed: waitForAnswer,
  waiting: waitForAnswer,
  approved: start,
  trial: look,
  applying: rollOut,
  watching: watch,
  kept: lookAfter,
  undoing: rollBack,
  undone: async () => {},
  rejected: async () => {},
  expired: async () => {},
  superseded: async () => {},
  failed: async () => {},
}

/** Carries a decision on as far as it goes now. */
export async function step(context: Context, number: number): Promise<void> {
  for (let count = 0; count < MOST_STEPS_AT_ONCE; count++) {
    const before = context.decisions.current(number)
    if (before === undefined) return
    if (!context.kinds.has(before.kind)) return explainUnknown(context, before)
    try {
      await doInState[before.state](context, before)
    } catch (error) {
      if (!(error instanceof MqError) || error.retryable || error.code === 'MQ_CLOSED') throw error
      await failed(context, number, error)
    }
    if (context.decisions.current(number)?.state === before.state) return
  }
}

/** X3 */
function explainUnknown({ writer }: Context, { number, kind, status }: DecisionRecord): void {
  const text = `it waits: a change of kind '${kind}' is not known to this version of mQ`
  if (status !== text) writer.setStatus(number, (row) => ({ ...row, status: text }))
}

/** X2. */
async function failed({ writer, decisions }: Context, number: number, error: MqError): Promise<void> {
  const record = decisions.current(number)
  if (record === undefined) return
  const note = `${error.code}: ${error.message}`
  if (record.state === 'approved' || record.state === 'applying' || record.state === 'trial') {
    await writer.transition(number, { event: 'fail', note, actor: MQ }, (row) =>
      markedForRollback(row, writer.nowMs, 'failed', note),
    )
  } else if (record.state === 'undoing') {
    await writer.transition(number, { event: 'reverted-failed', note: `it could not be undone: ${note}`, actor: MQ })
  } else throw error
}

async function waitForAnswer(context: Context, record: DecisionRecord): Promise<void> {
  const { writer, times } = context
  const active = activeOf(context, record.mqId)
  const gone = overtakenBy(context, record)
  if (gone !== undefined || active === undefined || !stands(context, active, record, 'before')) {
    const note = gone ?? 'the settings it was made for do not stand any more'
    await writer.transition(record.number, { event: 'supersede', note, actor: MQ })
  } else if (writer.nowMs - record.createdAtMs >= times.expireMs) {
    await writer.transition(record.number, { event: 'expire', note: 'nobody answered in time', actor: MQ })
  }
}

/** A kept decision stands until its settings do not. */
async function lookAfter(context: Context, record: DecisionRecord): Promise<void> {
  const { writer } = context
  const active = activeOf(context, record.mqId)
  const isMove = kindOf(context, record).isMove === true
  const gone = isMove && active !== undefined ? undefined : overtakenByChange(context, record)
  if (gone === undefined && active !== undefined && stands(context, active, record, 'after')) return
  const later = context.decisions
    .of(record.mqId)
    .find(
      (one) =>
        one.number > record.number && one.kind === record.kind && (one.state === 'kept' || one.state === 'watching'),
    )
  const note = gone ?? (later === undefined ? 'its settings were changed' : `decision ${later.number} took its place`)
  await writer.transition(record.number, { event: 'supersede', note, actor: MQ })
}

function overtakenByChange(context: Context, record: DecisionRecord): string | undefined {
  const reason = overtakenBy(context, record)
  // Settings move with the mQ ID.
  return reason === 'the mQ ID was moved' ? undefined : reason
}
