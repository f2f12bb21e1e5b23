/**
 * The states of a migration from epoch E to epoch E+1, and what each event does in each of them. Pure, total, and the
 * only place that says what may follow what.
 *
 * M1. The table is total: every event has an answer in every state, and `Record` makes the compiler hold that.
 * M2. Once a leader of E was seen to refuse data, E is never open again: no path leads from `refusing` or later to
 *     `undoing`, `cancelled` or `failed`.
 * M3. E+1 is writable only after every leader of E was proven and the end offsets stand: `open` is reached from `sealed`
 *     alone, and `sealed` from `refusing` alone.
 * M4. A cancel is taken in every state before that, and refused with MQ_MIGRATION_SEALED in every state after it.
 * M5. Every state that is not an end has a way to one; from `retired`, `cancelled` and `failed` nothing leads on.
 * M6. E leaves the binding only from `draining`, after every group was found drained or its records expired, or from
 *     `stranded`, after its records are known to be gone for good.
 * M7. An undoing that meets a refusing leader, or a new epoch that a client opened by itself, becomes a migration again: M2 and M9 stand
 *     above the request to cancel.
 * M9. From `prepared` on the binding names E+1 as the only successor of E, and a client that has proven E sealed may open it without
 *     asking. So E+1 is taken back only after its own leaders refuse data and it is known to be empty (withdraw.ts); every history of
 *     this is tried in succession-model.test.ts.
 * M8. `stranded` is reached from `draining` alone, and left by way of `draining` when the old cluster is back.
 */
import type { EpochState, MigrationState } from '@mq/contract'

export const events = [
  /** E+1 exists, is verified and seeded. */
  'prepared',
  /** Clients are warm: the seal is about to be requested. */
  'seal-begins',
  /** A leader of E was seen to refuse data. */
  'leader-refused',
  /** Every leader is proven and every end offset is final. */
  'all-sealed',
  /** The binding with E+1 open was published. */
  'opened',
  /** The topic of E has partitions that are not covered yet. */
  'partitions-added',
  /** E was watched for stragglers long enough. */
  'watched',
  /** Every group read E to its end or its records expired, and no client reports E. */
  'drained',
  /** The cluster of E is away, and groups are to go on without the rest of it. */
  'source-lost',
  /** The cluster of E is back. */
  'source-back',
  /** A person wants it undone. */
  'cancel',
  /** Something failed that will fail again. */
  'fail',
  /** E is as it was, after a cancel. */
  'undone-cancel',
  /** E is as it was, after a failure. */
  'undone-fail',
  /** The mQ ID was deleted. */
  'id-deleted',
] as const
export type MigrationEvent = (typeof events)[number]

export type Transition =
  | { readonly kind: 'go'; readonly to: MigrationState }
  /** Known and without effect here. */
  | { readonly kind: 'stay' }
  /** The one who asked is told no. */
  | { readonly kind: 'refuse'; readonly code: 'MQ_MIGRATION_SEALED' }
  /** Nobody may raise this here: a defect. */
  | { readonly kind: 'impossible' }

const go = (to: MigrationState): Transition => ({ kind: 'go', to })
const stay: Transition = { kind: 'stay' }
const tooLate: Transition = { kind: 'refuse', code: 'MQ_MIGRATION_SEALED' }
const never: Transition = { kind: 'impossible' }

const nothing: Record<MigrationEvent, Transition> = {
  prepared: never,
  'seal-begins': never,
  'leader-refused': never,
  'all-sealed': never,
  opened: never,
  'partitions-added': never,
  watched: never,
  drained: never,
  'source-lost': never,
  'source-back': never,
  cancel: never,
  fail: never,
  'undone-cancel': never,
  'undone-fail': never,
  'id-deleted': never,
}

/** What cannot be undone any more only goes on; a failure there is tried again. */
const onlyForward = { ...nothing, cancel: tooLate, fail: stay }
const undoable = { ...nothing, cancel: go('undoing'), fail: go('undoing') }
const ended = { ...nothing, cancel: tooLate, fail: stay, 'id-deleted': stay }

export const table: Record<MigrationState, Record<MigrationEvent, Transition>> = {
  planned: { ...undoable, prepared: go('prepared') },
  prepared: { ...undoable, 'seal-begins': go('sealing') },
  sealing: { ...undoable, 'leader-refused': go('refusing') },
  refusing: { ...onlyForward, 'leader-refused': stay, 'all-sealed': go('sealed') },
  sealed: { ...onlyForward, opened: go('open') },
  open: { ...onlyForward, 'partitions-added': stay, watched: go('draining'), 'id-deleted': go('retired') },
  draining: {
    ...onlyForward,
    'partitions-added': stay,
    drained: go('retired'),
    'source-lost': go('stranded'),
    'id-deleted': go('retired'),
  },
  stranded: { ...onlyForward, drained: go('retired'), 'source-back': go('draining'), 'id-deleted': go('retired') },
  undoing: {
    ...nothing,
    cancel: stay,
    fail: stay,
    'leader-refused': go('refusing'),
    'undone-cancel': go('cancelled'),
    'undone-fail': go('failed'),
  },
  retired: ended,
  cancelled: { ...ended, cancel: stay },
  failed: { ...ended, cancel: stay },
}

export function transition(state: MigrationState, event: MigrationEvent): Transition {
  return table[state][event]
}

/** Nothing follows but the deletion of a topic. */
export function isEnd(state: MigrationState): boolean {
  return state === 'retired' || state === 'cancelled' || state === 'failed'
}

/** Before this, another migration or change of the mQ ID has to wait. */
export function isHandingOver(state: MigrationState): boolean {
  return !isEnd(state) && epochStates[state].to !== 'open'
}

export function isCancellable(state: MigrationState): boolean {
  return transition(state, 'cancel').kind === 'go'
}

/** How E and E+1 stand in the binding in a state; undefined when they do not. */
export const epochStates: Record<
  MigrationState,
  { readonly from: EpochState | undefined; readonly to: EpochState | undefined }
> = {
  planned: { from: 'open', to: undefined },
  prepared: { from: 'open', to: 'preparing' },
  // Whoever sends goes on until a leader refuses: a request for the seal takes its time to reach them.
  sealing: { from: 'open', to: 'preparing' },
  refusing: { from: 'sealing', to: 'preparing' },
  sealed: { from: 'sealing', to: 'preparing' },
  open: { from: 'sealed', to: 'open' },
  draining: { from: 'sealed', to: 'open' },
  stranded: { from: 'lost', to: 'open' },
  retired: { from: undefined, to: 'open' },
  // Whatever the binding said when the undoing began, until it is through.
  undoing: { from: 'open', to: 'preparing' },
  cancelled: { from: 'open', to: undefined },
  failed: { from: 'open', to: undefined },
}
