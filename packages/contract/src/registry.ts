/**
 * What the control plane's registry shows: clusters, mQ IDs, plans and the reasons of every choice.
 */
import { z } from 'zod'
import { Application } from './applications.ts'
import { ClusterAddress, ConsumerSettings, Epoch, ProducerSettings } from './binding.ts'
import { ClusterEconomics } from './cluster-economics.ts'
import { Labels } from './cluster-site.ts'
import { Difference } from './drift.ts'
import { FailingView } from './groups.ts'
import { Intent } from './intent.ts'
import { GroupLag } from './lag.ts'
import { MqId, Name } from './mq-id.ts'
import { SideOf } from './side-id.ts'

export const ClusterStatus = z.enum(['unknown', 'up', 'unreachable'])

/** Where one broker says that clients find it. */
export const AdvertisedBroker = z.object({
  nodeId: z.number().int(),
  address: z.string().describe('host:port'),
  problem: z.string().nullable().describe('Why the control plane cannot reach it there; null when it can'),
})
export type AdvertisedBroker = z.output<typeof AdvertisedBroker>

/** A Kafka cluster mQ may place on, as listed. */
export const ClusterView = ClusterAddress.extend({
  status: ClusterStatus,
  clusterId: z.string().nullable().describe('Kafka’s own id of the cluster'),
  brokers: z.number().int().nullable(),
  checkedAtMs: z.number().int().nullable(),
  problem: z.string().nullable(),
  advertised: z.array(AdvertisedBroker).default([]).describe('Its brokers, as they were last told and tried'),
  economics: ClusterEconomics.nullable()
    .default(null)
    .describe('What it costs by; null where nobody said so and a stated assumption is used'),
  region: z
    .string()
    .nullable()
    .default(null)
    .describe('As registered, else that of its price book; null where neither says one'),
  zones: z
    .number()
    .int()
    .nullable()
    .default(null)
    .describe('Different racks of its brokers, which Kafka spreads copies over; null where a broker names none'),
  labels: Labels.default({}).describe('What an intent can ask for with clusterLabels'),
})
export type ClusterView = z.output<typeof ClusterView>

/** One thing mQ chose, and why: shown by `mq describe`. */
export const Choice = z.object({ setting: z.string(), value: z.string(), reason: z.string() })
export type Choice = z.output<typeof Choice>

export const MqIdSummary = z.object({
  id: MqId,
  incarnation: z.number().int(),
  revision: z.number().int(),
  format: Intent.shape.format.removeDefault(),
  ordering: Intent.shape.ordering.removeDefault(),
  durability: Intent.shape.durability.removeDefault(),
  cluster: Name,
  epoch: z.number().int(),
  partitions: z.number().int(),
  team: z.string().nullable(),
  createdBy: z.enum(['apply', 'first-use']),
  messagesPerSecond: z.number().nullable().describe('Over the last minute of telemetry; null when nothing reported'),
  unsettled: z
    .string()
    .nullable()
    .default(null)
    .describe(
      'Why it is not known where the mQ ID stands, after a restore of the control plane; null where it is known',
    ),
  createdAtMs: z.number().int(),
  updatedAtMs: z.number().int(),
})
export type MqIdSummary = z.output<typeof MqIdSummary>

export const MqIdDetail = MqIdSummary.extend({
  intent: Intent,
  epochs: z.array(Epoch),
  producer: ProducerSettings,
  consumer: ConsumerSettings,
  replication: z.number().int(),
  minInsyncReplicas: z.number().int(),
  choices: z.array(Choice),
  warnings: z.array(z.string()),
  deadLetters: z
    .array(
      z.object({
        group: Name,
        id: MqId,
        kept: z.number().int().nullable().default(null).describe('How many are kept; null while unknown'),
        oldestAtMs: z.number().nullable().default(null).describe('When the oldest that is kept failed last'),
      }),
    )
    .default([])
    .describe('Groups that have a place for dead letters, the mQ ID that is it, and what is in it'),
  side: SideOf.nullable().default(null).describe('Set on an mQ ID of mQ’s own: whose dead letters it is for'),
  drift: z.array(Difference).default([]).describe('What somebody else changed about its topic'),
  traffic: z
    .object({
      windowMs: z.number().int(),
      recordsIn: z.number(),
      recordBytesIn: z.number(),
      wireBytesIn: z.number(),
      batches: z.number(),
      sendP50Ms: z.number().nullable(),
      sendP99Ms: z.number().nullable(),
      groups: z.array(
        z.object({
          group: Name,
          records: z.number(),
          endToEndP50Ms: z.number().nullable(),
          endToEndP99Ms: z.number().nullable(),
          lagRecords: z.number().nullable().describe('From the brokers; the same as in groups below'),
        }),
      ),
    })
    .nullable()
    .describe('The last minute; null when nothing reported and no group is known'),
  groups: z.array(GroupLag).default([]).describe('Every group with a place in a live epoch, whether or not it runs'),
  applications: z.array(Application).default([]).describe('Who produces and who consumes it, as their clients report'),
  failing: z
    .array(z.object({ group: Name, failingRecords: z.number().int(), failing: z.array(FailingView) }))
    .default([])
    .describe('Groups with records whose handler failed and that are not finished'),
})
export type MqIdDetail = z.output<typeof MqIdDetail>

/** One line of a plan: what apply would do to one mQ ID. */
export const PlanEntry = z.object({
  id: MqId,
  action: z.enum(['create', 'update', 'unchanged', 'refuse']),
  changes: z.array(z.object({ path: z.string(), before: z.string().nullable(), after: z.string().nullable() })),
  deletes: z
    .array(z.string())
    .optional()
    .describe('Records that the change deletes, in words; left out when it deletes none'),
  refusal: z.object({ code: z.string(), message: z.string() }).nullable(),
  pending: z
    .literal(true)
    .optional()
    .describe(
      'The change failed for now and is kept: mQ carries it out by itself once it can. Left out when it is not',
    ),
})
export type PlanEntry = z.output<typeof PlanEntry>

export const Plan = z.object({
  applied: z.boolean().describe('Everything is as declared'),
  executed: z
    .boolean()
    .default(false)
    .describe('Entries say what was done, and not what would be: also where some of them failed'),
  entries: z.array(PlanEntry),
})
export type Plan = z.output<typeof Plan>

/** One line of the journal: a change, why it was made, and the state before and after. */
export const JournalEntry = z.object({
  seq: z.number().int(),
  atMs: z.number().int(),
  kind: z.string(),
  subject: z.string().describe('The mQ ID or cluster it is about'),
  actor: z.string().describe('Who asked for it'),
  why: z.string(),
  before: z.unknown(),
  after: z.unknown(),
  revision: z.number().int().describe('Revision of the store once it took effect'),
  requestId: z
    .string()
    .nullable()
    .describe('The request that asked for it, as in logs and problems; null for what mQ did by itself'),
})
export type JournalEntry = z.output<typeof JournalEntry>
