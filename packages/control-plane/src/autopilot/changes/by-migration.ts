/**
 * Changes that a migration carries out, and that a migration back reverts.
 */
import { type DecisionRecord, judgeWatch } from '@mq/autopilot'
import { type Migration, MqError } from '@mq/contract'
import type { MigrationRecord } from '../../migration/record.ts'
import type { ChangeContext } from '../change-context.ts'
import type { ChangeKind } from '../change-kind.ts'
import { WHOLE_TOPIC } from './whole-topic.ts'

interface Target {
  readonly to?: string
  readonly partitions?: number
}

/** @param targetOf where a side of the change wants it */
export function byMigration(targetOf: (side: Readonly<Record<string, unknown>>) => Target): Omit<ChangeKind, 'name'> {
  return {
    isMove: true,
    isCurrent: () => true,
    rolloutStrategy: () => WHOLE_TOPIC,
    apply: async (context, record) => {
      const target = targetOf(record.change.after)
      const actor = `decision ${record.number}`
      const move = await migrationOf(context, record, record.migration, actor, target, (row, migration) => ({
        ...row,
        migration,
        status: `migration ${migration} carries it out`,
      }))
      if (isWithdrawn(move)) return { kind: 'failed', why: `migration ${move.number} was ${move.state}` }
      return isOpen(move)
        ? { kind: 'done', note: `open on its new place by migration ${move.number}`, epoch: move.to.epoch }
        : { kind: 'pending' }
    },
    verify: (facts) => judgeWatch({ ...facts, isStructural: true }),
    revert: async (context, record, active) => {
      const { migrations, migrator } = context
      const { change, migration, work } = record
      if (migration === null || active === undefined || work.undo?.outcome === 'superseded') return { kind: 'done' }
      const first = migrations.current(migration) ?? (await migrations.find(migration))
      if (isWithdrawn(first)) return { kind: 'done' }
      if (!isOpen(first)) {
        try {
          await migrator.cancel(migration)
        } catch (error) {
          // Too late for a cancel: it goes on to its end, and then back.
          if (!(error instanceof MqError) || error.code !== 'MQ_MIGRATION_SEALED') throw error
        }
        return { kind: 'pending' }
      }
      const actor = `undo of decision ${record.number}`
      const target = targetOf(change.before)
      const back = await migrationOf(context, record, work.undoMigration, actor, target, (row, undoMigration) => ({
        ...row,
        status: `migration ${undoMigration} moves it back`,
        work: { ...row.work, undoMigration },
      }))
      if (isWithdrawn(back)) {
        const why = `the way back failed (migration ${back.number} was ${back.state}): it stays where it is`
        return { kind: 'failed', why }
      }
      return isOpen(back) ? { kind: 'done' } : { kind: 'pending' }
    },
  }
}

const isWithdrawn = ({ state }: Pick<Migration, 'state'>): boolean => state === 'cancelled' || state === 'failed'

function isOpen({ state }: Pick<Migration, 'state'>): boolean {
  return state === 'open' || state === 'draining' || state === 'stranded' || state === 'retired'
}

/** Known by its number, found by its actor after a crash, or begun now (change-kind C1). */
async function migrationOf(
  context: ChangeContext,
  record: DecisionRecord,
  known: number | null,
  actor: string,
  target: Target,
  remember: (row: DecisionRecord, migration: number) => DecisionRecord,
): Promise<MigrationRecord> {
  const { writer, migrations, migrator } = context
  if (known !== null) return migrations.current(known) ?? migrations.find(known)
  const begun = (await migrations.list({ mqId: record.mqId, limit: 20 })).find((one) => one.actor === actor)
  const move = begun ?? (await migrator.start(record.mqId, target, actor)).record
  await writer.update(record.number, (row) => remember(row, move.number))
  return move
}
