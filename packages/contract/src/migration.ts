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
 * `stranded`: the old cluster is away, and groups go on without the rest of the old epoch until it is back.
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
  'stranded',
  'retired',
  'undoing',
  'cancelled',
  'failed',
])
export type MigrationState = z.infer<typeof MigrationState>

export const MigrationStepName = z.enum([
  'prepare',
  'warm',
  'seal',
  'open',
  'watch',
  'drain',
  'reconcile',
  'undo',
  'guard',
  'delete-topic',
])
export type MigrationStepName = z.infer<typeof MigrationStepName>

/** What becomes of the rest of the old epoch when its cluster goes away before every group has read it. */
export const OnLostSource = z
  .enum(['wait', 'skip'])
  .describe(
    'wait: groups wait for the old cluster, in order; skip: they go on, what they missed is recorded, and is delivered late when the cluster is back',
  )
export type OnLostSource = z.infer<typeof OnLostSource>

const atMs = z.number().int()
const count = z.number().int().min(0)

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

/** A group of mQ by its name in mQ, any other by its Kafka group id. */
const GroupName = z.string().min(1).max(1_000)

export const DroppedGroup = z.object({
  actor: z.string(),
  atMs,
  remaining: OffsetText.describe('Records of the old epoch that it had not read'),
})
export type DroppedGroup = z.output<typeof DroppedGroup>

/** How far a consumer group is with the old epoch. */
export const GroupDrain = z.object({
  group: GroupName,
  kind: z
    .enum(['mq', 'other'])
    .default('mq')
    .describe('other: not a client of mQ, so it reads the old topic to its end and nothing of the new one'),
  members: z.number().int(),
  clients: z.array(z.string()).default([]).describe('`client id@host` of the members, where the group is not of mQ'),
  remaining: OffsetText.describe('Records of the old epoch before its end that the group has not committed'),
  drainedAtMs: atMs
    .nullable()
    .describe('When it was done with the old epoch; one that is not of mQ is done when it also has no member any more'),
  silentSinceMs: atMs.nullable().default(null).describe('Since when it has no member and its positions do not move'),
  goneAtMs: atMs
    .nullable()
    .default(null)
    .describe('When it was seen to be deleted by somebody, `remaining` as last seen'),
  dropped: DroppedGroup.nullable().default(null).describe('A person said that nothing waits for it'),
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

/** A producer that wrote to the old epoch shortly before the seal, and that no client of mQ reports as its own. */
export const ForeignProducer = z.object({
  producerId: OffsetText,
  producerEpoch: z.number().int(),
  partitions: z.array(z.number().int().min(0)),
  lastWriteAtMs: atMs.describe('Timestamp of its last batch'),
})
export type ForeignProducer = z.output<typeof ForeignProducer>

/** Offsets of the old epoch that a group had not read when it went on without them: one line of the ledger. */
export const StrandedRange = z.object({
  group: GroupName,
  partition: z.number().int().min(0),
  from: OffsetText.describe('First offset the group had not committed'),
  to: OffsetText.describe('End of the epoch'),
  gone: OffsetText.describe('Offsets of the range that the cluster does not have any more'),
  settledAtMs: atMs.nullable().describe('When the group had read the rest of the range, late'),
})
export type StrandedRange = z.output<typeof StrandedRange>

/** How something was spread over those that reported it. */
export const Spread = z.object({ count, p50: z.number(), p99: z.number(), max: z.number() })
export type Spread = z.output<typeof Spread>

/** What went into an epoch and what groups took out of it. */
export const EpochTally = z.object({
  epoch: z.number().int().min(1),
  records: OffsetText.nullable().describe('Offsets from its first to its end; with transactions more than records'),
  atMs: atMs.nullable().describe('When that was read; its end is final only for the old epoch'),
  groups: z.array(z.object({ group: GroupName, committed: OffsetText, remaining: OffsetText })),
})
export type EpochTally = z.output<typeof EpochTally>

/** One claim about a migration, and what speaks for it. */
export const VerdictCheck = z.object({
  claim: z.string(),
  result: z
    .enum(['proven', 'pending', 'broken', 'unknown'])
    .describe('unknown: the control plane cannot tell, and the evidence says why'),
  evidence: z.string(),
})
export type VerdictCheck = z.output<typeof VerdictCheck>

export const MigrationReport = z.object({
  recordsSealed: OffsetText.describe('Offsets of the old epoch from its first to its last record'),
  sealMs: z.number().nullable().describe('From the seal request to the proof of the last leader'),
  closedMs: z.number().nullable().describe('From the first refusal of a leader to the push of the new epoch'),
  preparedMs: z.number().nullable(),
  drainedMs: z.number().nullable().describe('From the opening to the drain of the last group'),
  totalMs: z.number().nullable(),
  epochs: z.array(EpochTally).default([]),
  writePauseMs: Spread.nullable().default(null).describe('Over the producers that reported the migration'),
  consumerGapMs: Spread.nullable()
    .default(null)
    .describe('Over the group members that were reading when the seal came'),
  handedOver: count.default(0).describe('Records that clients held and sent in the new epoch'),
  foundInLog: count.default(0).describe('Records without an answer that the sealed log turned out to hold'),
  uncertain: count.default(0).describe('Records of which nobody can tell; their senders were told so'),
  verdict: z
    .object({ result: z.enum(['held', 'pending', 'broken', 'undone']), checks: z.array(VerdictCheck) })
    .default({ result: 'pending', checks: [] }),
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
  foreignProducers: z.array(ForeignProducer).default([]),
  onLostSource: OnLostSource.default('wait'),
  ledger: z.array(StrandedRange).default([]).describe('What groups went on without'),
  problem: z
    .object({ code: z.string(), message: z.string() })
    .nullable()
    .describe('Why it was undone, or what keeps it from going on and what to do'),
  report: MigrationReport,
})
export type Migration = z.output<typeof Migration>

/** What a migration asks for; what is left out stays as it is. */
export const MigrationRequest = z.object({
  to: Name.optional().describe('Cluster to move to'),
  partitions: z.number().int().min(1).max(10_000).optional(),
  replication: z.number().int().min(1).max(100).optional(),
  allowFewerCopies: z.boolean().default(false).describe('Fewer copies of each record than now are meant'),
  onLostSource: OnLostSource.default('wait'),
  plan: z.boolean().default(false).describe('Only say what would be done'),
})
export type MigrationRequest = z.output<typeof MigrationRequest>

/** What a migration would do, or why it is refused. */
export const MigrationPlan = z.object({
  mqId: MqId,
  from: MigrationPlace.nullable(),
  to: MigrationPlace.nullable(),
  warnings: z.array(z.string()),
  checks: z
    .array(z.object({ check: z.string(), found: z.string() }))
    .default([])
    .describe('What was asked of both clusters, and what they said'),
  refusal: z.object({ code: z.string(), message: z.string() }).nullable(),
})
export type MigrationPlan = z.output<typeof MigrationPlan>
