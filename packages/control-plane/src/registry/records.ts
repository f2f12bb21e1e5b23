/**
 * What the registry keeps about clusters and mQ IDs.
 */
import {
  Choice,
  type ClusterAddress,
  type ClusterEconomics,
  type ClusterSite,
  ConsumerSettings,
  Epoch,
  GroupHold,
  Intent,
  Name,
  ProducerSettings,
  SideOf,
  TimestampLimits,
  Trial,
} from '@mq/contract'
import { z } from 'zod'

/** Everything mQ decided for one mQ ID, and why. */
export const IdSpec = z.object({
  intent: Intent,
  producer: ProducerSettings,
  consumer: ConsumerSettings,
  replication: z.number().int().min(1),
  minInsyncReplicas: z.number().int().min(1),
  topicConfigs: z.record(z.string(), z.string()),
  /** Which times of records the topic takes, as its cluster keeps it. */
  timestamps: TimestampLimits.optional(),
  choices: z.array(Choice),
  warnings: z.array(z.string()),
  /** Other settings that some instances try; whoever makes a new spec ends it. */
  trial: Trial.nullable().default(null),
  /** Groups whose members are asked to leave for a change of their positions (groups/changes.ts). */
  holds: z.array(GroupHold).optional(),
  /** Set on an mQ ID of mQ's own: whose dead letters it is for. */
  side: SideOf.optional(),
  /** By group: the mQ ID through which dead letters come back to it. */
  redrive: z.record(Name, z.string()).optional(),
})
export type IdSpec = z.output<typeof IdSpec>

const TopicPlace = z.object({ cluster: Name, topic: z.string() })

/**
 * A change that was begun: written before anything outside the store is touched, cleared in the transaction that
 * makes it true. A control plane that finds one finishes it from the row alone.
 */
export const Pending = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('create'),
    spec: IdSpec,
    place: TopicPlace.extend({ epoch: z.number().int().min(1), partitions: z.number().int().min(1) }),
    actor: z.string(),
    why: z.string(),
  }),
  z.object({
    kind: z.literal('update'),
    spec: IdSpec,
    alter: z.record(z.string(), z.string()),
    actor: z.string(),
    why: z.string(),
  }),
  z.object({
    kind: z.literal('delete'),
    topics: z.array(TopicPlace),
    /** Until then the topics stay, and everything can be brought back. */
    notBeforeMs: z.number().int().default(0),
    /** What is brought back. */
    epochs: z.array(Epoch.extend({ topicId: z.string().nullable(), createdAtMs: z.number().int() })).default([]),
  }),
])
export type Pending = z.output<typeof Pending>

export interface EpochRecord extends Epoch {
  /** Kafka's id of the topic, null when the cluster is too old to have one. */
  readonly topicId: string | null
  readonly createdAtMs: number
}
export const StoredEpoch = Epoch

export const CreatedBy = z.enum(['apply', 'first-use'])
export type CreatedBy = z.output<typeof CreatedBy>

interface IdCommon {
  readonly id: string
  readonly revision: number
  /** Highest epoch number ever given out: it outlives a deletion, so that no number and no topic name comes twice. */
  readonly lastEpoch: number
  readonly createdBy: CreatedBy
  readonly createdAtMs: number
  readonly updatedAtMs: number
  readonly pending: Pending | null
}

/** `absent`: begun and never active. `deleted`: a tombstone, so that clients learn of it and revisions keep their order. */
export type IdRecord =
  | (IdCommon & { readonly state: 'absent'; readonly spec: null; readonly epochs: readonly [] })
  | (IdCommon & { readonly state: 'active'; readonly spec: IdSpec; readonly epochs: readonly EpochRecord[] })
  | (IdCommon & { readonly state: 'deleted'; readonly spec: IdSpec; readonly epochs: readonly [] })

export type ActiveId = Extract<IdRecord, { state: 'active' }>

export const UNKNOWN_SITE: ClusterSite = { region: null, labels: {} }

export interface ClusterRecord {
  readonly address: ClusterAddress
  /** Kafka's own id of the cluster, as first seen. */
  readonly kafkaId: string | null
  /** What it costs by; null where nobody said so. */
  readonly economics: ClusterEconomics | null
  readonly site: ClusterSite
  readonly createdAtMs: number
  readonly updatedAtMs: number
}
