/**
 * The journal: one row for every change, with what it was, why, and the state before and after.
 *
 * J1. A row is written in the transaction of the change it describes: neither exists without the other.
 * J2. Rows are only ever added.
 */
import type { Transaction } from 'kysely'
import type { Store } from '../store/store.ts'
import type { Tables } from '../store/tables.ts'

export type EntryKind =
  | 'register-cluster'
  | 'change-cluster'
  | 'forget-cluster'
  | 'price-cluster'
  | 'label-cluster'
  | 'budget'
  | 'owners'
  | 'create'
  | 'change'
  | 'delete'
  | 'undelete'
  | 'new-incarnation'
  | 'settled'
  | 'migrate'
  | 'migration-prepared'
  | 'migration-sealing'
  | 'migration-open'
  | 'migration-retired'
  | 'migration-undone'
  | 'straggler'
  | 'autopilot'
  | 'policy'
  | 'decision'
  | 'trial'
  | 'trial-ended'
  | 'tune'
  | 'undo-tune'
  | 'migration-stranded'
  | 'migration-late'
  | 'migration-records-gone'
  | 'migration-resealed'
  | 'migration-late-seal'
  | 'migration-target-away'
  | 'migration-partitions-added'
  | 'migration-topic-changed'
  | 'migration-topic-kept'
  | 'migration-group-gone'
  | 'drop-group'
  | 'group-positions'
  | 'group-hold'
  | 'redrive-way'
  | 'dead-letters-redrive'
  | 'dead-letters-discard'
  | 'drift'
  | 'drift-accepted'
  | 'drift-repaired'

export interface NewEntry {
  readonly kind: EntryKind
  /** The mQ ID or cluster it is about. */
  readonly subject: string
  /** Who asked: a person through the API, a client's first use, or mQ itself. */
  readonly actor: string
  readonly why: string
  readonly before: unknown
  readonly after: unknown
}

export interface Entry extends NewEntry {
  readonly seq: number
  readonly atMs: number
  readonly revision: number
}

/** Adds one entry (J1). */
export async function appendEntry(
  tx: Transaction<Tables>,
  entry: NewEntry,
  atMs: number,
  revision: number,
): Promise<void> {
  const last = await tx
    .selectFrom('decisions')
    .select((select) => select.fn.max('seq').as('seq'))
    .executeTakeFirst()
  await tx
    .insertInto('decisions')
    .values({
      seq: Number(last?.seq ?? 0) + 1,
      at_ms: atMs,
      kind: entry.kind,
      subject: entry.subject,
      actor: entry.actor,
      why: entry.why,
      before: entry.before === null ? null : JSON.stringify(entry.before),
      after: entry.after === null ? null : JSON.stringify(entry.after),
      revision,
    })
    .execute()
}

/** The newest entries, newest first. */
export async function listJournal(store: Store, filter: { subject?: string; limit: number }): Promise<Entry[]> {
  let query = store.db.selectFrom('decisions').selectAll().orderBy('seq', 'desc').limit(filter.limit)
  if (filter.subject !== undefined) query = query.where('subject', '=', filter.subject)
  return (await query.execute()).map((row) => ({
    seq: Number(row.seq),
    atMs: Number(row.at_ms),
    kind: row.kind as EntryKind,
    subject: row.subject,
    actor: row.actor,
    why: row.why,
    before: row.before === null ? null : JSON.parse(row.before),
    after: row.after === null ? null : JSON.parse(row.after),
    revision: Number(row.revision),
  }))
}
