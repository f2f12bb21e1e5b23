/**
 * A database that a store stands on.
 *
 * E1. A transaction is through, or it left nothing behind.
 * E2. Transactions run one after another.
 */
import type { Change } from './change-feed.ts'
import type { LeaseRepository } from './lease.ts'
import type { Readers, Repositories } from './repositories.ts'

/** What the store notes of itself: which life of it this is, how far its revisions are. */
export type StoreFact = 'incarnation' | 'revision' | 'run' | 'plane' | 'recovering_from' | 'checked_at_ms'

export interface StoreFacts {
  all(): Promise<ReadonlyMap<string, string>>
  set(fact: StoreFact, value: string): Promise<void>
  remove(fact: StoreFact): Promise<void>
}

export interface EngineTransaction extends Repositories {
  readonly facts: StoreFacts
  readonly lease: LeaseRepository
  /** What was written so far through this transaction, in order. */
  readonly changes: readonly Change[]
}

export interface StoreEngine {
  readonly read: Readers & { readonly facts: Pick<StoreFacts, 'all'> }
  transaction<T>(work: (tx: EngineTransaction) => Promise<T>): Promise<T>
  close(): Promise<void>
}
