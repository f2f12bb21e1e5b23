/**
 * A migration: one move of an mQ ID from its open epoch to the next one, on another cluster or with another shape.
 *
 * G1. Numbers rise and are never reused. What a migration did stays readable after its end.
 * G2. It can be cancelled until a leader of the old epoch was seen to refuse data (`cancellable`); after that it only goes on.
 * G3. End offsets and proofs never change once they stand here.
 */
import { z } from 'zod'
import { OffsetText } from './binding.ts'
import { MqId, Name } from './mq-id.ts'

/**
 * `refusing`: a leader of the old epoch refuses data, so there is no way back. `undoing`: on the way to `cancelled` or
 * `failed`, which both leave the old epoch as it was.
 */
export const MigrationState = z.enum([
  'planned',
  'prepared',
  'sealing',
  'refusing',
  'sealed',
  'open',
  'draining',
  'retired',
  'undoing',
  'cancelled',
  'failed',
])
export type MigrationState = z.infer<typeof MigrationState>

export const MigrationStepName = z.enum(['prepare', 'warm', 'seal', 'open', 'watch', 'drain', 'undo', 'delete-topic'])
export type MigrationStepName = z.infer<typeof MigrationStepName>

const atMs = z.number().int()

/** Where an epoch lives. */
export const MigrationPlace = z.object({
  epoch: z.number().int().min(1),
  cluster: Name,
  topic: z.string(),
  partitions: z.number().int().min(1),
  replication: z.number().int().min(1),
})
export type MigrationPlace = z.output<typeof MigrationPlace>

/** One step with its times; what it found or did stands in `result`. */
export const MigrationStep = z.object({
  step: MigrationStepName,
  startedAtMs: atMs,
  endedAtMs: atMs.nullable(),
  attempts: z.number().int().min(0),
  result: z.record(z.string(), z.unknown()),
  problem: z.string().nullable().describe('Why the last attempt failed, while the step is not done'),
})
export type MigrationStep = z.output<typeof MigrationStep>

/** A probe a leader answered as a sealed one does, with the leader epoch it holds for. */
export const SealProof = z.object({
  partition: z.number().int().min(0),
  leader: z.number().int(),
  leaderEpoch: z.number().int(),
  provenAtMs: atMs,
  endOffset: OffsetText,
})
export type SealProof = z.output<typeof SealProof>

/** How far a consumer group is with the old epoch. */
export const GroupDrain = z.object({
  group: Name,
  members: z.number().int(),
  remaining: OffsetText.describe('Records of the old epoch before its end that the group has not committed'),
  drainedAtMs: atMs.nullable(),
})
export type GroupDrain = z.output<typeof GroupDrain>

/** Records that were appended to the old epoch after its seal was proven. There should be none. */
export const Straggler = z.object({
  partition: z.number().int().min(0),
  sealedEnd: OffsetText,
  seenEnd: OffsetText,
  seenAtMs: atMs,
})
export type Straggler = z.output<typeof Straggler>

export const MigrationReport = z.object({
  recordsSealed: OffsetText.describe('Offsets of the old epoch from its first to its last record'),
  sealMs: z.number().nullable().describe('From the seal request to the proof of the last leader'),
  closedMs: z.number().nullable().describe('From the first refusal of a leader to the push of the new epoch'),
  preparedMs: z.number().nullable(),
  drainedMs: z.number().nullable().describe('From the opening to the drain of the last group'),
  totalMs: z.number().nullable(),
})
export type MigrationReport = z.output<typeof MigrationReport>

export const Migration = z.object({
  number: z.number().int().min(1),
  mqId: MqId,
  state: MigrationState,
  cancellable: z.boolean(),
  from: MigrationPlace,
  to: MigrationPlace,
  actor: z.string(),
  createdAtMs: atMs,
  updatedAtMs: atMs,
  endedAtMs: atMs.nullable(),
  steps: z.array(MigrationStep),
  proofs: z.array(SealProof),
  endOffsets: z.array(OffsetText).nullable(),
  groups: z.array(GroupDrain),
  stragglers: z.array(Straggler),
  problem: z.object({ code: z.string(), message: z.string() }).nullable().describe('Why it was undone'),
  report: MigrationReport,
})
export type Migration = z.output<typeof Migration>

/** What a move asks for; what is left out stays as it is. */
export const MigrationRequest = z.object({
  to: Name.optional().describe('Cluster to move to'),
  partitions: z.number().int().min(1).max(10_000).optional(),
  replication: z.number().int().min(1).max(100).optional(),
  plan: z.boolean().default(false).describe('Only say what would be done'),
})
export type MigrationRequest = z.output<typeof MigrationRequest>

/** What a move would do, or why it is refused. */
export const MigrationPlan = z.object({
  mqId: MqId,
  from: MigrationPlace.nullable(),
  to: MigrationPlace.nullable(),
  warnings: z.array(z.string()),
  refusal: z.object({ code: z.string(), message: z.string() }).nullable(),
})
export type MigrationPlan = z.output<typeof MigrationPlan>
