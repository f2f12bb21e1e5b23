/** mQ IDs and their epochs as rows of a SQL database. What is read is checked: a row that does not fit is an error, never a guess. */
import type { Epoch } from '@mq/contract'
import type { Kysely } from 'kysely'
import { CreatedBy, type EpochRecord, type IdRecord, IdSpec, Pending, StoredEpoch } from '../../registry/records.ts'
import type { MqIdRepository } from '../ports/mq-ids.ts'
import type { Changed } from './changed.ts'
import type { EpochsTable, MqIdsTable, Tables } from './tables.ts'

export class SqlMqIds implements MqIdRepository {
  readonly #db: Kysely<Tables>
  readonly #changed: Changed

  constructor(db: Kysely<Tables>, changed: Changed) {
    this.#db = db
    this.#changed = changed
  }

  async all(): Promise<IdRecord[]> {
    const epochs = Map.groupBy(
      await this.#db.selectFrom('epochs').selectAll().orderBy('epoch').execute(),
      (row) => row.mq_id,
    )
    const rows = await this.#db.selectFrom('mq_ids').selectAll().execute()
    return rows.map((row) => readId(row, epochs.get(row.id) ?? []))
  }

  async hasAny(): Promise<boolean> {
    return (await this.#db.selectFrom('mq_ids').select('id').limit(1).executeTakeFirst()) !== undefined
  }

  async save(record: IdRecord): Promise<void> {
    const row = {
      state: record.state,
      revision: record.revision,
      last_epoch: record.lastEpoch,
      created_by: record.createdBy,
      spec: record.spec === null ? null : JSON.stringify(record.spec),
      pending: record.pending === null ? null : JSON.stringify(record.pending),
      created_at_ms: record.createdAtMs,
      updated_at_ms: record.updatedAtMs,
    }
    await this.#db
      .insertInto('mq_ids')
      .values({ id: record.id, ...row })
      .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
      .execute()
    await this.#db.deleteFrom('epochs').where('mq_id', '=', record.id).execute()
    for (const epoch of record.epochs) {
      await this.#db.insertInto('epochs').values(epochRow(record.id, epoch)).execute()
    }
    this.#changed({ of: 'mq-id', id: record.id, record })
  }

  async restamp(record: IdRecord): Promise<void> {
    const { id, revision, updatedAtMs } = record
    await this.#db.updateTable('mq_ids').set({ revision, updated_at_ms: updatedAtMs }).where('id', '=', id).execute()
    this.#changed({ of: 'mq-id', id, record })
  }

  async remove(id: string): Promise<void> {
    await this.#db.deleteFrom('mq_ids').where('id', '=', id).execute()
    this.#changed({ of: 'mq-id', id, record: null })
  }
}

function readId(row: MqIdsTable, epochs: readonly EpochsTable[]): IdRecord {
  const common = {
    id: row.id,
    revision: Number(row.revision),
    lastEpoch: Number(row.last_epoch),
    createdBy: CreatedBy.parse(row.created_by),
    createdAtMs: Number(row.created_at_ms),
    updatedAtMs: Number(row.updated_at_ms),
    pending: row.pending === null ? null : Pending.parse(JSON.parse(row.pending)),
  }
  if (row.state === 'absent' || row.spec === null) return { ...common, state: 'absent', spec: null, epochs: [] }
  const spec = IdSpec.parse(JSON.parse(row.spec))
  if (row.state === 'deleted') return { ...common, state: 'deleted', spec, epochs: [] }
  return { ...common, state: 'active', spec, epochs: epochs.map(readEpoch) }
}

function readEpoch(row: EpochsTable): EpochRecord {
  const epoch = StoredEpoch.parse({
    ...(Number(row.late) === 1 ? { late: true } : {}),
    epoch: Number(row.epoch),
    state: row.state,
    cluster: row.cluster,
    topic: row.topic,
    partitions: Number(row.partitions),
    ...endsOf(row.end_offsets, Number(row.partitions)),
  })
  return { ...epoch, topicId: row.topic_id, createdAtMs: Number(row.created_at_ms) }
}

function epochRow(mqId: string, epoch: EpochRecord): EpochsTable {
  const { endOffsets, addedEndOffsets = [] } = epoch
  return {
    mq_id: mqId,
    epoch: epoch.epoch,
    state: epoch.state,
    cluster: epoch.cluster,
    topic: epoch.topic,
    topic_id: epoch.topicId,
    partitions: epoch.partitions,
    end_offsets: endOffsets === null ? null : JSON.stringify([...endOffsets, ...addedEndOffsets]),
    late: epoch.late === true ? 1 : 0,
    created_at_ms: epoch.createdAtMs,
  }
}

/** The ends of added partitions are kept behind those of the epoch's own. */
function endsOf(text: string | null, partitions: number): Pick<Epoch, 'endOffsets' | 'addedEndOffsets'> {
  if (text === null) return { endOffsets: null }
  const ends = JSON.parse(text) as string[]
  const added = ends.slice(partitions)
  return { endOffsets: ends.slice(0, partitions), ...(added.length === 0 ? {} : { addedEndOffsets: added }) }
}
