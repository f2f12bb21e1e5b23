/**
 * The journal: one row for every change, with what it was, why, and the state before and after.
 *
 * J1. A row is written in the transaction of the change it describes: neither exists without the other.
 * J2. Rows are only ever added.
 * J3. A row that a caller of the API asked for names the request, as logs and problems do (request-scope.ts).
 */
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
  | 'twin'
  | 'twin-cancelled'
  | 'migration-stranded'
  | 'migration-late'
  | 'migration-skip'
  | 'migration-cancel'
  | 'migration-records-gone'
  | 'migration-resealed'
  | 'migration-late-seal'
  | 'migration-target-away'
  | 'migration-partitions-added'
  | 'migration-topic-changed'
  | 'migration-topic-kept'
  | 'migration-left-open'
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
  /** Where the change is written after its request was answered, or by other work than the request's. */
  readonly requestId?: string | null
}

export interface Entry extends Omit<NewEntry, 'requestId'> {
  readonly seq: number
  readonly atMs: number
  readonly revision: number
  /** J3; null for what mQ did by itself, and in rows from before there was one. */
  readonly requestId: string | null
}

export interface JournalReader {
  /** The newest entries, newest first, of those numbered below `below`. */
  list(filter: {
    readonly subject?: string
    readonly limit: number
    readonly below?: number | undefined
  }): Promise<Entry[]>
}

export interface JournalRepository extends JournalReader {
  /**
   * Adds one entry (J1). Numbers rise with the order in which changes are committed.
   * @param revision of the store once the change took effect
   */
  append(entry: NewEntry, atMs: number, revision: number): Promise<void>
}
