/** What the one batch that a partition sends is at, and what the partition waits for. */
import type { PendingBatch } from './pending-batch.ts'

export type Slot =
  | { readonly kind: 'idle' }
  | { readonly kind: 'in-flight'; readonly batch: PendingBatch }
  | { readonly kind: 'backing-off'; readonly batch: PendingBatch; readonly untilMs: number }
  | { readonly kind: 'resolving'; readonly batch: PendingBatch }
  | { readonly kind: 'halted'; readonly batch: PendingBatch | null }

export const IDLE: Slot = { kind: 'idle' }
