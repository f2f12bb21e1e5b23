/**
 * A migration as JSON outside the store, both ways. What is read is checked.
 */
import { MigrationPlace, MigrationState, MigrationStep, MqId } from '@mq/contract'
import { z } from 'zod'
import { MigrationData, type MigrationRecord } from './record.ts'

const StoredMigration = z.object({
  number: z.number().int().min(1),
  mqId: MqId,
  state: MigrationState,
  actor: z.string(),
  from: MigrationPlace,
  to: MigrationPlace,
  createdAtMs: z.number(),
  updatedAtMs: z.number(),
  endedAtMs: z.number().nullable(),
  data: MigrationData,
  steps: z.array(MigrationStep),
})

/** @throws when the value is no migration */
export function readMigration(value: unknown): MigrationRecord {
  return StoredMigration.parse(value)
}
