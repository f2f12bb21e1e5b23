/**
 * Making a decision true for all, and taking it back.
 *
 * P1. Settings change by one new revision of the binding; retention through the provisioner; places through the migrator.
 * P2. Each of them may be asked for twice: what is already so is not done again.
 * P3. Taking back restores what stood before as a new revision, and only where the decision's own change still stands: it never
 *     overwrites what came after it.
 */

import type { DecisionRecord } from '@mq/autopilot'
import { formatDurationMs, type Migration, MqError } from '@mq/contract'
import type { MigrationRecord } from '../migration/record.ts'
import { TIME_LIMIT_SETTING } from '../provision/time-limit.ts'
import type { ActiveId } from '../registry/records.ts'
import type { Context } from './context.ts'
import { markedForRollback } from './rollback-mark.ts'
import { specAfter, specWithout } from './settings-spec.ts'
import { activeOf, overtakenBy, stands } from './standing.ts'
import { storedRecords } from './stored-records.ts'

const MQ = 'mq'

/** From `applying` to `watching`. */
export async function apply(context: Context, record: DecisionRecord): Promise<void> {
  const { writer } = context
  const { number, change } = record
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
  const arrived = (row: DecisionRecord, revision?: number): DecisionRecord => ({
    ...row,
    revision: revision ?? row.revision,
    work: {
      ...row.work,
      turn: null,
      appliedAtMs: writer.nowMs,
      stored: held === null ? null : { atMs: writer.nowMs, records: String(held) },
    },
  })
  const note = `made true for all: ${record.title}`
  const step = { event: 'applied', note, actor: MQ } as const
  switch (change.kind) {
    case 'producer-settings':
    case 'consumer-settings':
      await writer.publish(
        number,
        'tune',
        `decision ${number}: ${record.title}; ${record.status}`,
        (now) => (stands(now, record, 'before') ? specAfter(now.spec, record) : undefined),
        step,
        arrived,
      )
      return
    case 'retention':
      await setRetention(context, active, change.after.retentionMs, `decision ${number}: ${record.title}`)
      await writer.transition(number, step, arrived)
      return
    case 'cluster':
    case 'partitions': {
      const wish = change.kind === 'cluster' ? { to: change.after.cluster } : { partitions: change.after.partitions }
      const move = await moveOf(context, record, record.migration, `decision ${number}`, wish, (row, migration) => ({
        ...row,
        migration,
        status: `migration ${migration} carries it out`,
      }))
      if (move.state === 'cancelled' || move.state === 'failed') {
        const why = `migration ${move.number} was ${move.state}`
        await writer.transition(number, { event: 'fail', note: why, actor: MQ }, (row) =>
          markedForRollback(row, writer.nowMs, 'failed', why),
        )
      } else if (isOpen(move)) {
        await writer.transition(
          number,
          { ...step, note: `open on its new place by migration ${move.number}` },
          (row) => ({
            ...arrived(row),
            work: { ...arrived(row).work, epoch: move.to.epoch },
          }),
        )
      }
    }
  }
}

/** From `undoing` to the end it was undone for (P3). */
export async function takeBack(context: Context, record: DecisionRecord): Promise<void> {
  const { writer } = context
  const { number, change } = record
  const { outcome, reason, actor } = record.work.undo ?? { outcome: 'undone', reason: 'asked for', actor: MQ }
  const event = `reverted-${outcome}` as const
  const step = { event, note: reason, actor }
  const why = `decision ${number} is undone: ${reason}`
  switch (change.kind) {
    case 'producer-settings':
    case 'consumer-settings':
      await writer.publish(
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
      const active = activeOf(context, record.mqId)
      if (active !== undefined && outcome !== 'superseded') {
        await setRetention(context, active, change.before.retentionMs, why)
      }
      await writer.transition(number, step)
      return
    }
    case 'cluster':
    case 'partitions':
      return moveBack(context, record, step)
  }
}

async function moveBack(
  context: Context,
  record: DecisionRecord,
  step: {
    readonly event: 'reverted-undone' | 'reverted-failed' | 'reverted-superseded'
    readonly note: string
    readonly actor: string
  },
): Promise<void> {
  const { writer, migrations, migrator } = context
  const { number, change, migration } = record
  const active = activeOf(context, record.mqId)
  if (migration === null || active === undefined || step.event === 'reverted-superseded') {
    await writer.transition(number, step)
    return
  }
  const first = migrations.current(migration) ?? (await migrations.find(migration))
  if (first.state === 'cancelled' || first.state === 'failed') {
    await writer.transition(number, step)
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
    context,
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
    await writer.transition(number, { ...step, event: 'reverted-failed', note })
  } else if (isOpen(back)) await writer.transition(number, step)
}

function isOpen({ state }: Pick<Migration, 'state'>): boolean {
  return state === 'open' || state === 'draining' || state === 'stranded' || state === 'retired'
}

/** The move that does it: known by its number, found by its actor after a crash, or begun now (P2). */
async function moveOf(
  context: Context,
  record: DecisionRecord,
  known: number | null,
  actor: string,
  wish: { readonly to?: string; readonly partitions?: number },
  remember: (row: DecisionRecord, migration: number) => DecisionRecord,
): Promise<MigrationRecord> {
  const { writer, migrations, migrator } = context
  if (known !== null) return migrations.current(known) ?? migrations.find(known)
  const begun = (await migrations.list({ mqId: record.mqId, limit: 20 })).find((one) => one.actor === actor)
  const move = begun ?? (await migrator.start(record.mqId, wish, actor)).record
  await writer.update(record.number, (row) => remember(row, move.number))
  return move
}

/** Both limits of age follow one another: a record that would be deleted at once is refused, not taken. */
async function setRetention(context: Context, active: ActiveId, retentionMs: number, why: string): Promise<void> {
  const configs = {
    'retention.ms': String(retentionMs),
    [TIME_LIMIT_SETTING]: String(retentionMs),
  }
  const value = formatDurationMs(retentionMs)
  await context.provisioner.reconfigure(active.id, MQ, why, ({ spec }) => ({
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
