/**
 * A migration as it is kept: the row says what is to be done and how far it is, the step rows what each step found.
 */
import {
  DroppedGroup,
  ForeignProducer,
  GroupDrain,
  type MigrationPlace,
  type MigrationState,
  type MigrationStep,
  type MigrationStepName,
  OffsetText,
  OnLostSource,
  SealProof,
  Straggler,
  StrandedRange,
} from '@mq/contract'
import { z } from 'zod'
import { IdSpec } from '../registry/records.ts'
import { isEnd } from './machine.ts'

/** Values in microseconds and how often each was seen. */
const Entries = z.array(z.tuple([z.number(), z.number()]))

/** What clients told about the migration, added up. */
export const ClientTally = z.object({
  pausesUs: Entries,
  pauseMaxMs: z.number(),
  gapsUs: Entries,
  gapMaxMs: z.number(),
  handedOver: z.number(),
  found: z.number(),
  uncertain: z.number(),
  failed: z.number().default(0),
  /** Migrations of clients that do not tell how many sends failed. */
  untold: z.number().default(0),
  /** Which processes reported the migration. */
  reporters: z.array(z.string()).default([]),
  /** Records whose sends failed meanwhile, as clients report it of all sends, of the migration or not. */
  errors: z.number().default(0),
})
export type ClientTally = z.output<typeof ClientTally>

/** Since when a cluster the migration needs does not do what it should, and what is done about it. */
const Trouble = z.object({ sinceMs: z.number(), code: z.string(), message: z.string() })

const Tally = z.object({ offsets: z.array(OffsetText), atMs: z.number() })

export const MigrationData = z.object({
  /** What the mQ ID has once the new epoch is open. */
  spec: IdSpec,
  /** The size limit of the old topic before the seal. */
  sizeLimit: z.string(),
  /** The old topic by Kafka's id; null where the cluster tells none. */
  topicId: z.string().nullable().default(null),
  /** Partitions the old topic had before the seal; more than its epoch has when somebody added some. */
  partitions: z.number().nullable().default(null),
  /** What somebody else did to the old topic meanwhile. */
  changes: z.array(z.object({ atMs: z.number(), what: z.string() })).default([]),
  /** Why nothing of what the old topic held before can be read: it went away while it was sealed. */
  replaced: z.string().nullable().default(null),
  /** Since when the old topic is not there, or is another one of its name; null while it is. */
  sourceGone: z.object({ sinceMs: z.number(), what: z.string() }).nullable().default(null),
  why: z.string(),
  /** Why it is undone, as soon as it is. */
  undo: z.object({ kind: z.enum(['cancel', 'fail']), code: z.string(), message: z.string() }).nullable(),
  proofs: z.array(SealProof),
  endOffsets: z.array(OffsetText).nullable(),
  groups: z.array(GroupDrain),
  /** Groups that nothing waits for any more, by a person's word. */
  dropped: z.record(z.string(), DroppedGroup).default({}),
  /** Which groups hold it up that will not go on by themselves; null while none does. */
  waiting: z.string().nullable().default(null),
  stragglers: z.array(Straggler),
  onLostSource: OnLostSource.default('wait'),
  /** First offsets of the old epoch when the new one opened. */
  startOffsets: z.array(OffsetText).nullable().default(null),
  /** Ends of the new epoch when it was last looked at, and what groups had committed there. */
  newEnds: Tally.nullable().default(null),
  newGroups: z.record(z.string(), OffsetText).default({}),
  /** Positions in the old epoch by group, as last seen. */
  positions: z.record(z.string(), z.array(OffsetText)).default({}),
  /** Producers that no client reported, and why nothing can be said of them where that is so. */
  foreign: z.array(ForeignProducer).default([]),
  foreignUnknown: z.string().nullable().default(null),
  /** Processes that reported records they sent in the minute before the seal; null where not all can have been heard. */
  writers: z.array(z.string()).nullable().default(null),
  moves: ClientTally.nullable().default(null),
  /** The old cluster, while it is away in the drain. */
  sourceAway: Trouble.nullable().default(null),
  /** The new place, while it cannot be written right after the opening; `backBy` is the migration that goes back. */
  targetAway: Trouble.extend({ backBy: z.number().nullable() }).nullable().default(null),
  /** Groups went on without the rest of the old epoch. */
  ledger: z.array(StrandedRange).default([]),
  /** What was done to take the new epoch back: its size limit before it was closed, and whether it is closed and empty (withdraw.ts). */
  withdrawal: z.object({ sizeLimit: z.string(), isClosed: z.boolean() }).nullable().default(null),
  /** A person said not to wait for the cluster of the new epoch (undo.ts, U4). */
  isForced: z.boolean().default(false),
  /** The size limit of the new topic where it was closed and opened again: a request to close it may still take effect. */
  reopened: z.object({ sizeLimit: z.string() }).nullable().default(null),
  /** The seal that came after the undoing and was taken back again. */
  lateSeals: z.number().default(0),
})
export type MigrationData = z.output<typeof MigrationData>

export interface MigrationRecord {
  readonly number: number
  readonly mqId: string
  readonly state: MigrationState
  readonly actor: string
  readonly from: MigrationPlace
  readonly to: MigrationPlace
  readonly createdAtMs: number
  readonly updatedAtMs: number
  readonly endedAtMs: number | null
  readonly data: MigrationData
  /** In the order they were begun. */
  readonly steps: readonly MigrationStep[]
}

export function stepOf(record: MigrationRecord, name: MigrationStepName): MigrationStep | undefined {
  return record.steps.find((step) => step.step === name)
}

/** Nothing is left to do: it ended and the topic it left is gone. */
export function isOver(record: MigrationRecord): boolean {
  return isEnd(record.state) && stepOf(record, 'delete-topic')?.endedAtMs != null
}

/** The record with a step changed or begun. */
export function withStep(
  record: MigrationRecord,
  name: MigrationStepName,
  nowMs: number,
  change: Partial<Omit<MigrationStep, 'step' | 'startedAtMs'>>,
): MigrationRecord {
  const before: MigrationStep = stepOf(record, name) ?? {
    step: name,
    startedAtMs: nowMs,
    endedAtMs: null,
    attempts: 0,
    result: {},
    problem: null,
  }
  const after = { ...before, ...change }
  const known = record.steps.some((step) => step.step === name)
  const steps = known ? record.steps.map((step) => (step.step === name ? after : step)) : [...record.steps, after]
  return { ...record, steps }
}

/** The record with a step done. */
export function withDone(
  record: MigrationRecord,
  name: MigrationStepName,
  nowMs: number,
  result: Record<string, unknown>,
): MigrationRecord {
  return withStep(record, name, nowMs, { endedAtMs: nowMs, problem: null, result })
}

/** Times are kept to the tenth of a millisecond. */
export const tenths = (ms: number): number => Math.round(ms * 10) / 10
