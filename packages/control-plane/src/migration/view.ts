/**
 * A migration as the API shows it.
 */
import type { Migration } from '@mq/contract'
import { holdingOf, holdingText, WORTH_TELLING_MS } from './holding.ts'
import { isCancellable } from './machine.ts'
import { type MigrationRecord, stepOf } from './record.ts'
import { reportOf } from './report.ts'
import { isLeftOpen, leftOpenText } from './withdraw.ts'

export function viewOf(record: MigrationRecord, nowMs: number): Migration {
  const { number, mqId, state, from, to, actor, createdAtMs, updatedAtMs, endedAtMs, steps, data } = record
  const { proofs, endOffsets, groups, stragglers } = data
  return {
    number,
    mqId,
    state,
    cancellable: isCancellable(state),
    from,
    to,
    actor,
    createdAtMs,
    updatedAtMs,
    endedAtMs,
    steps: [...steps],
    proofs,
    endOffsets,
    groups,
    stragglers,
    foreignProducers: data.foreign,
    onLostSource: data.onLostSource,
    ledger: data.ledger,
    problem: problemOf(record, nowMs),
    report: reportOf(record),
  }
}

/** Why it was undone, or what it waits for. */
function problemOf(record: MigrationRecord, nowMs: number): Migration['problem'] {
  const { data, state, from, steps } = record
  const { undo, targetAway, sourceAway, ledger, waiting } = data
  const stuck = state === 'undoing' ? stepOf(record, 'undo')?.problem : null
  if (stuck != null) {
    const at = stuck.indexOf(': ')
    return { code: stuck.slice(0, at), message: `it is not undone yet, and tried again: ${stuck.slice(at + 2)}` }
  }
  if (isLeftOpen(record)) return { code: 'MQ_KAFKA_UNREACHABLE', message: leftOpenText(record) }
  if (undo !== null) return undo.kind === 'fail' ? { code: undo.code, message: undo.message } : null
  if (targetAway !== null) return { code: targetAway.code, message: targetAway.message }
  if (state === 'stranded') {
    const groups = new Set(ledger.map(({ group }) => group)).size
    const message = `cluster '${from.cluster}' is away and ${groups} groups went on without the rest of epoch ${from.epoch}: bring it back, and they get it late`
    return { code: sourceAway?.code ?? 'MQ_KAFKA_UNREACHABLE', message }
  }
  const holding = holdingOf(record)
  if (holding !== undefined && nowMs - holding.sinceMs >= WORTH_TELLING_MS) {
    return { code: 'MQ_MIGRATION_SENDS_WAIT', message: holdingText(holding, nowMs) }
  }
  if (sourceAway !== null) return { code: sourceAway.code, message: sourceAway.message }
  if (state === 'retired') {
    const kept = steps.find(({ step }) => step === 'delete-topic')?.problem
    return kept == null ? null : { code: 'MQ_MIGRATION_GROUP_WAITS', message: kept }
  }
  return waiting === null || state !== 'draining' ? null : { code: 'MQ_MIGRATION_GROUP_WAITS', message: waiting }
}
