/**
 * Making a decision true for all, watching it, and taking it back.
 *
 * P1. Settings change by one new revision of the binding; retention through the provisioner; places through the migrator.
 * P2. Each of them may be asked for twice: what is already so is not done again.
 * P3. Taking back restores what stood before as a new revision, and only where the decision's own change still stands: it never
 *     overwrites what came after it.
 */
import { formatDurationMs, type Migration, MqError } from '@mq/contract'
import type { MigrationRecord } from '../migration/record.ts'
import type { ActiveId } from '../registry/records.ts'
import type { InstanceWindow } from '../telemetry/profile.ts'
import { guardrails } from './guardrails.ts'
import type { DecisionRecord } from './record.ts'
import { isPlausible, mergedP99Ms, samplesOf } from './samples.ts'
import { ended, errorOf, reportedSince } from './trial.ts'
import { judgeWatch, outcomeOf, type WatchFacts } from './verdict.ts'
import {
  activeOf,
  endToEndP99Of,
  lagOf,
  overtakenBy,
  readersP99Of,
  specAfter,
  specWithout,
  stands,
  storedRecords,
  type Work,
} from './work.ts'

const MQ = 'mq'
/** Readers may get slower by this much where they missed the intent before. */
const SLOWER = 1.2

/** From `applying` to `watching`. */
export async function apply(work: Work, record: DecisionRecord): Promise<void> {
  const { desk } = work
  const { number, change } = record
  const active = activeOf(work, record.mqId)
  const gone = overtakenBy(work, record)
  if (gone !== undefined || active === undefined) {
    const note = gone ?? 'it was deleted'
    await desk.go(number, { event: 'supersede', note, actor: MQ }, (row) => ended(row, desk.nowMs, 'superseded', note))
    return
  }
  const held = await storedRecords(work, active)
  const arrived = (row: DecisionRecord, revision?: number): DecisionRecord => ({
    ...row,
    revision: revision ?? row.revision,
    work: {
      ...row.work,
      turn: null,
      appliedAtMs: desk.nowMs,
      stored: held === null ? null : { atMs: desk.nowMs, records: String(held) },
    },
  })
  const note = `made true for all: ${record.title}`
  const step = { event: 'applied', note, actor: MQ } as const
  switch (change.kind) {
    case 'producer-settings':
    case 'consumer-settings':
      await desk.publish(
        number,
        'tune',
        `decision ${number}: ${record.title}; ${record.status}`,
        (now) => (stands(now, record, 'before') ? specAfter(now.spec, record) : undefined),
        step,
        arrived,
      )
      return
    case 'retention':
      await setRetention(work, active, change.after.retentionMs, `decision ${number}: ${record.title}`)
      await desk.go(number, step, arrived)
      return
    case 'cluster':
    case 'partitions': {
      const wish = change.kind === 'cluster' ? { to: change.after.cluster } : { partitions: change.after.partitions }
      const move = await moveOf(work, record, record.migration, `decision ${number}`, wish, (row, migration) => ({
        ...row,
        migration,
        status: `migration ${migration} carries it out`,
      }))
      if (move.state === 'cancelled' || move.state === 'failed') {
        const why = `migration ${move.number} was ${move.state}`
        await desk.go(number, { event: 'fail', note: why, actor: MQ }, (row) => ended(row, desk.nowMs, 'failed', why))
      } else if (isOpen(move)) {
        await desk.go(number, { ...step, note: `open on its new place by migration ${move.number}` }, (row) => ({
          ...arrived(row),
          work: { ...arrived(row).work, epoch: move.to.epoch },
        }))
      }
    }
  }
}

/** From `watching` to `kept`, or on the way back. */
export async function watch(work: Work, record: DecisionRecord): Promise<void> {
  const { desk, traffic, times, pricer } = work
  const { number, mqId } = record
  const active = activeOf(work, mqId)
  const gone = overtakenBy(work, record)
  if (gone !== undefined || active === undefined) {
    const note = gone ?? 'it was deleted'
    await desk.go(number, { event: 'supersede', note, actor: MQ }, (row) => ended(row, desk.nowMs, 'superseded', note))
    return
  }
  const { work: row } = record
  const appliedAtMs = row.appliedAtMs ?? record.updatedAtMs
  const price = pricer(active) ?? (() => null)
  const windows = traffic
    .instanceWindows(mqId, appliedAtMs)
    .filter((one) => one.trial === null && one.windowStartMs >= appliedAtMs)
  const settled = windows.filter((one) => one.windowStartMs >= appliedAtMs + times.settleMs)
  const { samples } = samplesOf(settled, price)
  const all = samplesOf(windows, price).samples
  const profile = traffic.profile(mqId)
  const afterP99Ms = mergedP99Ms(settled.filter(isPlausible))
  const held = guardrails({
    onTrial: all,
    rest: [],
    before: row.baseline,
    sendP99LimitMs: row.sendP99LimitMs,
    lagBefore: row.lagBefore,
    lagNow: lagOf(profile),
    recordsPerSecond: row.recordsPerSecond,
    reports: all,
    readers: {
      nowMs: readersP99Of(work, mqId),
      // What was slow before is no fault of the change.
      limitMs: Math.max(active.spec.intent.latencyP99Ms, (record.measuredBefore?.endToEndP99Ms ?? 0) * SLOWER),
    },
    // Instances come and go while all of them are watched.
    instances: [],
    beganAtMs: appliedAtMs,
    nowMs: desk.nowMs,
    times,
  })
  const facts: WatchFacts = {
    goal: row.repair === null ? 'cost' : 'latency',
    readers: row.repair?.what === 'end to end' ? { seenMs: row.repair.seenMs, nowMs: readersP99Of(work, mqId) } : null,
    after: samples,
    before: row.baseline,
    trialChange: row.trialChange,
    predictedRatio: row.predictedRatio,
    guardrails: held,
    afterP99Ms,
    beforeP99Ms: row.baselineP99Ms,
    sendP99LimitMs: row.sendP99LimitMs,
    sinceMs: desk.nowMs - appliedAtMs,
    reportedRecords: reportedSince(windows, row.stored?.atMs ?? appliedAtMs, times.telemetryMs),
    storedRecords: null,
    bytes: grown(work, record, active, windows),
    isStructural: record.kind !== 'producer-settings',
    times,
  }
  let verdict = judgeWatch(facts)
  if (verdict.kind === 'pass') {
    const now = await storedRecords(work, active)
    const since = now === null || row.stored === null ? null : Number(now - BigInt(row.stored.records))
    verdict = judgeWatch({ ...facts, storedRecords: since })
  }
  const measured = outcomeOf(samples, afterP99Ms, row.recordsPerSecond, endToEndP99Of(profile))
  const found = (before: DecisionRecord): DecisionRecord => ({
    ...before,
    status: verdict.status,
    guardrails: held,
    watchComparisons: verdict.comparisons.length > 0 ? verdict.comparisons : before.watchComparisons,
    measured: samples.length > 0 ? measured : before.measured,
    predictionError: errorOf(
      before,
      samples.length > 0 ? measured.usdPerMillionRecords : (before.measured?.usdPerMillionRecords ?? null),
    ),
  })
  if (verdict.kind === 'wait') desk.show(number, found)
  else if (verdict.kind === 'pass') await desk.go(number, { event: 'verified', note: verdict.status, actor: MQ }, found)
  else {
    await desk.go(number, { event: 'regressed', note: verdict.status, actor: MQ }, (before) =>
      ended(found(before), desk.nowMs, 'undone', verdict.status),
    )
  }
}

/** Bytes reported and held between two looks at the log after the change; the first look is remembered. */
function grown(
  { desk, seenLog, times }: Work,
  { number, work: row }: DecisionRecord,
  active: ActiveId,
  windows: readonly InstanceWindow[],
): { readonly reported: number; readonly held: number } | null {
  const open = active.epochs.find(({ state }) => state === 'open')
  const look = open === undefined ? null : seenLog(open.cluster, open.topic)
  if (look === null) return null
  const first = row.held
  if (first === null) {
    if (look.atMs >= (row.appliedAtMs ?? 0) + times.settleMs) {
      desk.show(number, (before) => ({ ...before, work: { ...before.work, held: look } }))
    }
    return null
  }
  if (look.atMs <= first.atMs) return null
  // Windows that reach over an end count whole: in doubt for the clients.
  const reported = windows
    .filter((one) => one.windowStartMs + one.windowMs >= first.atMs && one.windowStartMs <= look.atMs)
    .reduce((sum, one) => sum + one.wireBytes, 0)
  return { reported, held: look.bytes - first.bytes }
}

/** From `undoing` to the end it was undone for (P3). */
export async function takeBack(work: Work, record: DecisionRecord): Promise<void> {
  const { desk } = work
  const { number, change } = record
  const { outcome, reason, actor } = record.work.undo ?? { outcome: 'undone', reason: 'asked for', actor: MQ }
  const event = `reverted-${outcome}` as const
  const step = { event, note: reason, actor }
  const why = `decision ${number} is undone: ${reason}`
  switch (change.kind) {
    case 'producer-settings':
    case 'consumer-settings':
      await desk.publish(
        number,
        'undo-tune',
        why,
        (active) => specWithout(active.spec, record),
        step,
        (row, revision) => ({
          ...row,
          revision: revision ?? row.revision,
        }),
      )
      return
    case 'retention': {
      const active = activeOf(work, record.mqId)
      if (active !== undefined && outcome !== 'superseded') {
        await setRetention(work, active, change.before.retentionMs, why)
      }
      await desk.go(number, step)
      return
    }
    case 'cluster':
    case 'partitions':
      return moveBack(work, record, step)
  }
}

async function moveBack(
  work: Work,
  record: DecisionRecord,
  step: {
    readonly event: 'reverted-undone' | 'reverted-failed' | 'reverted-superseded'
    readonly note: string
    readonly actor: string
  },
): Promise<void> {
  const { desk, ledger, migrator } = work
  const { number, change, migration } = record
  const active = activeOf(work, record.mqId)
  if (migration === null || active === undefined || step.event === 'reverted-superseded') {
    await desk.go(number, step)
    return
  }
  const first = ledger.current(migration) ?? (await ledger.find(migration))
  if (first.state === 'cancelled' || first.state === 'failed') {
    await desk.go(number, step)
    return
  }
  if (!isOpen(first)) {
    try {
      await migrator.cancel(migration)
    } catch (error) {
      // Too late for a cancel: it goes on to its end, and then back.
      if (!(error instanceof MqError) || error.code !== 'MQ_MIGRATION_SEALED') throw error
    }
    return
  }
  if (change.kind !== 'cluster' && change.kind !== 'partitions') return
  const wish = change.kind === 'cluster' ? { to: change.before.cluster } : { partitions: change.before.partitions }
  const back = await moveOf(
    work,
    record,
    record.work.undoMigration,
    `undo of decision ${number}`,
    wish,
    (row, undoMigration) => ({
      ...row,
      status: `migration ${undoMigration} moves it back`,
      work: { ...row.work, undoMigration },
    }),
  )
  if (back.state === 'cancelled' || back.state === 'failed') {
    const note = `the way back failed (migration ${back.number} was ${back.state}): it stays where it is`
    await desk.go(number, { ...step, event: 'reverted-failed', note })
  } else if (isOpen(back)) await desk.go(number, step)
}

function isOpen({ state }: Pick<Migration, 'state'>): boolean {
  return state === 'open' || state === 'draining' || state === 'stranded' || state === 'retired'
}

/** The move that does it: known by its number, found by its actor after a crash, or begun now (P2). */
async function moveOf(
  work: Work,
  record: DecisionRecord,
  known: number | null,
  actor: string,
  wish: { readonly to?: string; readonly partitions?: number },
  remember: (row: DecisionRecord, migration: number) => DecisionRecord,
): Promise<MigrationRecord> {
  const { desk, ledger, migrator } = work
  if (known !== null) return ledger.current(known) ?? ledger.find(known)
  const begun = (await ledger.list({ mqId: record.mqId, limit: 20 })).find((one) => one.actor === actor)
  const move = begun ?? (await migrator.start(record.mqId, wish, actor)).record
  await desk.note(record.number, (row) => remember(row, move.number))
  return move
}

/** Both limits of age follow one another: a record that would be deleted at once is refused, not taken. */
async function setRetention(work: Work, active: ActiveId, retentionMs: number, why: string): Promise<void> {
  const configs = {
    'retention.ms': String(retentionMs),
    'message.timestamp.before.max.ms': String(retentionMs),
  }
  const value = formatDurationMs(retentionMs)
  await work.provisioner.reconfigure(active.id, MQ, why, ({ spec }) => ({
    alter: configs,
    spec: {
      ...spec,
      topicConfigs: { ...spec.topicConfigs, ...configs },
      choices: spec.choices.map((choice) =>
        choice.setting === 'retention' ? { ...choice, value, reason: why } : choice,
      ),
    },
  }))
}
