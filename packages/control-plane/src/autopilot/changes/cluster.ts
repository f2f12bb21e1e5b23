/**
 * The cluster an mQ ID lives on: a migration.
 */
import { z } from 'zod'
import type { ChangeKind } from '../change-kind.ts'
import { byMigration } from './by-migration.ts'

const Place = z.object({ cluster: z.string() })

export const clusterChange: ChangeKind = {
  name: 'cluster',
  ...byMigration((side) => ({ to: Place.parse(side).cluster })),
}
