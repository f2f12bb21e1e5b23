/**
 * The number of partitions: a migration to a new epoch on the same cluster.
 */
import { z } from 'zod'
import type { ChangeKind } from '../change-kind.ts'
import { byMigration } from './by-migration.ts'

const Partitions = z.object({ partitions: z.number().int() })

export const partitionsChange: ChangeKind = {
  name: 'partitions',
  ...byMigration((side) => ({ partitions: Partitions.parse(side).partitions })),
}
