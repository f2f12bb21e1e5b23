/** The journal as rows of a SQL database. */
import type { Kysely } from 'kysely'
import type { Entry, EntryKind, JournalRepository, NewEntry } from '../ports/journal.ts'
import type { Sequences } from '../ports/sequences.ts'
import { requestIdOf } from '../request-scope.ts'
import type { Changed } from './changed.ts'
import type { Tables } from './tables.ts'

export class SqlJournal implements JournalRepository {
  readonly #db: Kysely<Tables>
  readonly #sequences: Sequences
  readonly #changed: Changed

  constructor(db: Kysely<Tables>, sequences: Sequences, changed: Changed) {
    this.#db = db
    this.#sequences = sequences
    this.#changed = changed
  }

  async list(filter: {
    readonly subject?: string
    readonly limit: number
    readonly below?: number | undefined
  }): Promise<Entry[]> {
    let query = this.#db.selectFrom('journal').selectAll().orderBy('seq', 'desc').limit(filter.limit)
    if (filter.below !== undefined) query = query.where('seq', '<', filter.below)
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
      requestId: row.request_id,
      revision: Number(row.revision),
    }))
  }

  async append(entry: NewEntry, atMs: number, revision: number): Promise<void> {
    const seq = await this.#sequences.next('journal')
    const requestId = entry.requestId ?? requestIdOf(entry.actor)
    await this.#db
      .insertInto('journal')
      .values({
        seq,
        at_ms: atMs,
        kind: entry.kind,
        subject: entry.subject,
        actor: entry.actor,
        why: entry.why,
        before: entry.before === null ? null : JSON.stringify(entry.before),
        after: entry.after === null ? null : JSON.stringify(entry.after),
        revision,
        request_id: requestId,
      })
      .execute()
    this.#changed({ of: 'journal', entry: { ...entry, seq, atMs, revision, requestId } })
  }
}
