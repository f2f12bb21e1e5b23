/**
 * The copy of the registry that clusters hold: one record for each mQ ID, in a compacted topic that mQ owns.
 *
 * A store that was restored from a backup does not know what happened after the backup; the clusters do. Each cluster that
 * holds an epoch of an mQ ID, or takes part in a migration of it, holds the newest record of it.
 *
 * C1. A record is stamped with the (incarnation, revision) of the binding it belongs to. Stamps of one plane are totally ordered.
 * C2. A record belongs to one plane: two control planes that share a cluster never read each other's.
 * C3. A record holds no secret: cluster addresses name no credentials.
 * C4. A record that cannot be read counts as none; it is reported.
 */
import { ClusterAddress, MqId } from '@mq/contract'
import { z } from 'zod'
import type { MigrationRecord } from '../migration/record.ts'
import { readMigration } from '../migration/stored.ts'
import { CreatedBy, type EpochRecord, type IdRecord, IdSpec, Pending, StoredEpoch } from '../registry/records.ts'

/** The topic on every cluster; the leading underscores mark it as internal for most tools. */
export const REGISTRY_TOPIC = '__mq_registry'
const FORMAT = 1

export interface Stamp {
  readonly incarnation: number
  readonly revision: number
}

export interface RegistryCopy {
  readonly stamp: Stamp
  readonly record: Extract<IdRecord, { state: 'active' | 'deleted' }>
  /** Where the epochs of the record live: a restored store may never have heard of one of these clusters. */
  readonly clusters: readonly ClusterAddress[]
  /** The migrations of it that have something left to do. */
  readonly migrations: readonly MigrationRecord[]
}

const StoredCopy = z.object({
  format: z.literal(FORMAT),
  incarnation: z.number().int(),
  revision: z.number().int(),
  id: MqId,
  state: z.enum(['active', 'deleted']),
  lastEpoch: z.number().int(),
  createdBy: CreatedBy,
  createdAtMs: z.number(),
  updatedAtMs: z.number(),
  spec: IdSpec,
  pending: Pending.nullable(),
  epochs: z.array(StoredEpoch.and(z.object({ topicId: z.string().nullable(), createdAtMs: z.number() }))),
  clusters: z.array(ClusterAddress),
  migrations: z.array(z.unknown()),
})

/** C2 */
export function copyKey(plane: string, id: string): string {
  return `${plane}/${id}`
}

/** The mQ ID that a key of this plane names; undefined for the key of another plane. */
export function idOfKey(plane: string, key: string): string | undefined {
  return key.startsWith(`${plane}/`) ? key.slice(plane.length + 1) : undefined
}

export function encodeCopy({ stamp, record, clusters, migrations }: RegistryCopy): string {
  const { id, state, lastEpoch, createdBy, createdAtMs, updatedAtMs, spec, epochs, pending } = record
  const kept = { id, state, lastEpoch, createdBy, createdAtMs, updatedAtMs, spec, epochs }
  // A change that was not made yet is asked for again after a restore; a deletion goes on.
  return JSON.stringify({
    format: FORMAT,
    ...stamp,
    ...kept,
    pending: pending?.kind === 'delete' ? pending : null,
    clusters,
    migrations,
  })
}

/** @returns undefined where the text is no record of this format (C4) */
export function decodeCopy(text: string): RegistryCopy | undefined {
  try {
    const stored = StoredCopy.parse(JSON.parse(text))
    const { id, lastEpoch, createdBy, createdAtMs, updatedAtMs, spec, pending, epochs, clusters, revision } = stored
    const common = { id, revision, lastEpoch, createdBy, createdAtMs, updatedAtMs, pending, spec }
    return {
      stamp: { incarnation: stored.incarnation, revision },
      record:
        stored.state === 'active'
          ? { ...common, state: 'active', epochs: epochs as EpochRecord[] }
          : { ...common, state: 'deleted', epochs: [] },
      clusters,
      migrations: stored.migrations.map(readMigration),
    }
  } catch {
    return undefined
  }
}

/** Negative when `a` is older (C1). */
export function compareStamps(a: Stamp, b: Stamp): number {
  return a.incarnation - b.incarnation || a.revision - b.revision
}
