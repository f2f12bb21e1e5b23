/**
 * Records as rows of the store, both ways. What is read is checked: a row that does not fit is an error, never a guess.
 */
import { ClusterAddress, ClusterEconomics, ClusterSite, type Epoch } from '@mq/contract'
import type { WriteTransaction } from '../store/ports/repositories.ts'
import type { Store } from '../store/store.ts'
import {
  type ClusterRecord,
  CreatedBy,
  type EpochRecord,
  type IdRecord,
  IdSpec,
  Pending,
  StoredEpoch,
} from './records.ts'

export const UNKNOWN_SITE: ClusterSite = { region: null, labels: {} }

/** Everything the registry mirrors. */
export async function loadRows(
  store: Store,
): Promise<{ ids: Map<string, IdRecord>; clusters: Map<string, ClusterRecord> }> {
  const ids = new Map<string, IdRecord>()
  const clusters = new Map<string, ClusterRecord>()
  for (const row of await store.db.selectFrom('clusters').selectAll().execute()) {
    clusters.set(row.name, {
      address: ClusterAddress.parse(JSON.parse(row.address)),
      kafkaId: row.kafka_id,
      economics: row.economics === null ? null : ClusterEconomics.parse(JSON.parse(row.economics)),
      site: row.site === null ? UNKNOWN_SITE : ClusterSite.parse(JSON.parse(row.site)),
      createdAtMs: Number(row.created_at_ms),
      updatedAtMs: Number(row.updated_at_ms),
    })
  }
  const epochs = new Map<string, EpochRecord[]>()
  for (const row of await store.db.selectFrom('epochs').selectAll().orderBy('epoch').execute()) {
    const epoch = StoredEpoch.parse({
      ...(Number(row.late) === 1 ? { late: true } : {}),
      epoch: Number(row.epoch),
      state: row.state,
      cluster: row.cluster,
      topic: row.topic,
      partitions: Number(row.partitions),
      ...endsOf(row.end_offsets, Number(row.partitions)),
    })
    const list = epochs.get(row.mq_id) ?? []
    list.push({ ...epoch, topicId: row.topic_id, createdAtMs: Number(row.created_at_ms) })
    epochs.set(row.mq_id, list)
  }
  for (const row of await store.db.selectFrom('mq_ids').selectAll().execute()) {
    const common = {
      id: row.id,
      revision: Number(row.revision),
      lastEpoch: Number(row.last_epoch),
      createdBy: CreatedBy.parse(row.created_by),
      createdAtMs: Number(row.created_at_ms),
      updatedAtMs: Number(row.updated_at_ms),
      pending: row.pending === null ? null : Pending.parse(JSON.parse(row.pending)),
    }
    if (row.state === 'absent' || row.spec === null) {
      ids.set(row.id, { ...common, state: 'absent', spec: null, epochs: [] })
      continue
    }
    const spec = IdSpec.parse(JSON.parse(row.spec))
    if (row.state === 'deleted') ids.set(row.id, { ...common, state: 'deleted', spec, epochs: [] })
    else ids.set(row.id, { ...common, state: 'active', spec, epochs: epochs.get(row.id) ?? [] })
  }
  return { ids, clusters }
}

export async function saveCluster(tx: WriteTransaction, record: ClusterRecord): Promise<void> {
  const row = {
    address: JSON.stringify(record.address),
    kafka_id: record.kafkaId,
    economics: record.economics === null ? null : JSON.stringify(record.economics),
    site: JSON.stringify(record.site),
    created_at_ms: record.createdAtMs,
    updated_at_ms: record.updatedAtMs,
  }
  await tx.sql
    .insertInto('clusters')
    .values({ name: record.address.name, ...row })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
    .execute()
}

export async function saveId(tx: WriteTransaction, record: IdRecord): Promise<void> {
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
  await tx.sql
    .insertInto('mq_ids')
    .values({ id: record.id, ...row })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
    .execute()
  await tx.sql.deleteFrom('epochs').where('mq_id', '=', record.id).execute()
  for (const epoch of record.epochs) {
    await tx.sql
      .insertInto('epochs')
      .values({
        mq_id: record.id,
        epoch: epoch.epoch,
        state: epoch.state,
        cluster: epoch.cluster,
        topic: epoch.topic,
        topic_id: epoch.topicId,
        partitions: epoch.partitions,
        end_offsets:
          epoch.endOffsets === null ? null : JSON.stringify([...epoch.endOffsets, ...(epoch.addedEndOffsets ?? [])]),
        late: epoch.late === true ? 1 : 0,
        created_at_ms: epoch.createdAtMs,
      })
      .execute()
  }
}

/** The ends of added partitions are kept behind those of the epoch's own. */
function endsOf(text: string | null, partitions: number): Pick<Epoch, 'endOffsets' | 'addedEndOffsets'> {
  if (text === null) return { endOffsets: null }
  const ends = JSON.parse(text) as string[]
  const added = ends.slice(partitions)
  return { endOffsets: ends.slice(0, partitions), ...(added.length === 0 ? {} : { addedEndOffsets: added }) }
}
