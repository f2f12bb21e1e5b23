/**
 * A migration as it is kept: the row says what is to be done and how far it is, the step rows what each step found.
 */
import {
  GroupDrain,
  type MigrationPlace,
  type MigrationState,
  type MigrationStep,
  type MigrationStepName,
  OffsetText,
  SealProof,
  Straggler,
} from '@mq/contract'
import { z } from 'zod'
import { IdSpec } from '../registry/records.ts'

export const MigrationData = z.object({
  /** What the mQ ID has once the new epoch is open. */
  spec: IdSpec,
  /** The size limit of the old topic before the seal. */
  sizeLimit: z.string(),
  why: z.string(),
  /** Why it is undone, as soon as it is. */
  undo: z.object({ kind: z.enum(['cancel', 'fail']), code: z.string(), message: z.string() }).nullable(),
  proofs: z.array(SealProof),
  endOffsets: z.array(OffsetText).nullable(),
  groups: z.array(GroupDrain),
  stragglers: z.array(Straggler),
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
