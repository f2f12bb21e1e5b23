/**
 * A migration as the API shows it, and its report.
 */
import type { Migration, MigrationReport, MigrationStepName } from '@mq/contract'
import { isCancellable } from './machine.ts'
import { type MigrationRecord, stepOf } from './record.ts'

export function viewOf(record: MigrationRecord): Migration {
  const { number, mqId, state, from, to, actor, createdAtMs, updatedAtMs, endedAtMs, steps, data } = record
  const { proofs, endOffsets, groups, stragglers, undo } = data
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
    problem: undo?.kind === 'fail' ? { code: undo.code, message: undo.message } : null,
    report: reportOf(record),
  }
}

function reportOf(record: MigrationRecord): MigrationReport {
  const { data, createdAtMs, endedAtMs } = record
  const times = (step: MigrationStepName): { begun: number | null; done: number | null } => {
    const found = stepOf(record, step)
    return { begun: found?.startedAtMs ?? null, done: found?.endedAtMs ?? null }
  }
  const span = (from: number | null, to: number | null): number | null =>
    from === null || to === null ? null : to - from
  const sealMs = stepOf(record, 'seal')?.result.provenMs
  const refusedAtMs = stepOf(record, 'seal')?.result.refusedAtMs
  const opened = times('open').done
  const lastDrain = data.groups.every((group) => group.drainedAtMs !== null)
    ? Math.max(...data.groups.map((group) => group.drainedAtMs ?? 0), opened ?? 0)
    : null
  return {
    recordsSealed: String((data.endOffsets ?? []).reduce((sum, end) => sum + BigInt(end), 0n)),
    sealMs: typeof sealMs === 'number' ? sealMs : null,
    closedMs: span(typeof refusedAtMs === 'number' ? refusedAtMs : times('seal').begun, opened),
    preparedMs: span(times('prepare').begun, times('warm').done),
    drainedMs: times('drain').done === null ? null : span(opened, lastDrain),
    totalMs: span(createdAtMs, endedAtMs),
  }
}
