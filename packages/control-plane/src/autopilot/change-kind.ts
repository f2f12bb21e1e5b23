/**
 * A kind of change: what a decision may change, and how. The engine, the steps of a rollout and the API know no kind by name:
 * a new one is a file of its own and a line of `changes/list.ts`.
 *
 * C1. `apply` and `revert` may be called again at any time: what is already so is not done again.
 * C2. `revert` restores what stood before, and only where the decision's own change still stands: it never overwrites what came
 *     after it.
 */
import type { DecisionRecord, Subject, Verdict, WatchFacts } from '@mq/autopilot'
import type { Trial } from '@mq/contract'
import type { ActiveId, IdSpec } from '../registry/records.ts'
import type { ChangeContext } from './change-context.ts'

export type RolloutStrategy =
  /** Some instances try it first, against the rest. */
  | { readonly kind: 'canary'; readonly subject: Subject }
  | { readonly kind: 'for-all'; readonly why: string }
  /** Nobody reads it at the moment. */
  | { readonly kind: 'wait'; readonly why: string }
  /** What it was to be tried on is gone. */
  | { readonly kind: 'not'; readonly why: string }

/** How far a change, or its rollback, has come. */
export type Progress =
  /** A new revision of the binding makes it so, in the transaction of the decision; undefined: it is so already. */
  | { readonly kind: 'publish'; readonly spec: (active: ActiveId) => IdSpec | undefined }
  | { readonly kind: 'done'; readonly note?: string; readonly epoch?: number }
  /** It is asked again at the next step. */
  | { readonly kind: 'pending' }
  | { readonly kind: 'failed'; readonly why: string }

export interface ChangeKind {
  readonly name: string
  /** Whether what the change says of `before` or `after` is what the mQ ID has now. */
  isCurrent(active: ActiveId, record: DecisionRecord, which: 'before' | 'after'): boolean
  rolloutStrategy(context: ChangeContext, record: DecisionRecord): RolloutStrategy
  /** C1 */
  apply(context: ChangeContext, record: DecisionRecord, active: ActiveId): Promise<Progress>
  /** Whether what was rolled out stays, by what was measured since. */
  verify(facts: Omit<WatchFacts, 'isStructural'>): Verdict
  /** C1, C2. @param active undefined once the mQ ID is gone; why tells the journal */
  revert(context: ChangeContext, record: DecisionRecord, active: ActiveId | undefined, why: string): Promise<Progress>
  /** The settings of those on the canary; only of kinds that have one. */
  canarySettings?(spec: IdSpec, record: DecisionRecord): Pick<Trial, 'producer' | 'consumer'>
  /** Whose windows tell whether it pays once there was a canary; producers where left out. */
  readonly subject?: Subject
  /** It moves the mQ ID to another place, so that a move is no reason to give it up. */
  readonly isMove?: boolean
}
