/**
 * The binding: what the control plane tells a client about one mQ ID.
 *
 * B1. Bindings are totally ordered by (incarnation, revision); a client applies only a newer one.
 * B2. A binding carries every epoch not yet retired, oldest first, and at most one of them is `open`.
 * B3. Epoch numbers start at 1, rise, and are never reused within an incarnation of the mQ ID.
 * B4. A binding never holds a secret: credentials stay with the client and are looked up by cluster name.
 * B6. Holds concern the groups they name. Where they cannot be read, or a client does not know them, its members stay in their groups, and
 *     Kafka refuses the change they were for.
 * B5. A trial concerns only the instances it names. One that cannot be read counts as none: a client that is older than
 *     the control plane stays on the settings of the binding.
 * B6. An epoch that says `opensWhenSealed` is the only successor of the one before it. Whoever has proven that every partition
 *     of that one refuses data may write here without a newer binding (proven-seal.ts).
 */
import { z } from 'zod'
import { GroupHold } from './group-hold.ts'
import { GroupRule } from './group-rules.ts'
import { Format, Ordering } from './intent.ts'
import { MqId, Name } from './mq-id.ts'

export const Codec = z.enum(['none', 'gzip', 'snappy', 'lz4', 'zstd'])
export type Codec = z.infer<typeof Codec>

/** `host:port`, IPv6 in brackets. */
export const HostPort: z.ZodType<string> = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[^\s:/]+):([1-9]\d{0,4})$/, 'write host:port')
  .describe('host:port')

export const SecurityProtocol = z.enum(['plaintext', 'tls', 'sasl-plaintext', 'sasl-tls'])
export type SecurityProtocol = z.infer<typeof SecurityProtocol>
export const SaslMechanism = z.enum(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'])
export type SaslMechanism = z.infer<typeof SaslMechanism>

/** How to reach one Kafka cluster; the secret part is never here (B4). */
export const ClusterAddress = z.object({
  name: Name,
  bootstrap: z.array(HostPort).min(1),
  securityProtocol: SecurityProtocol.default('plaintext'),
  saslMechanism: SaslMechanism.optional(),
})
export type ClusterAddress = z.output<typeof ClusterAddress>

/** Offsets travel as decimal text: a Kafka offset is 64 bits wide and JSON numbers are not. */
export const OffsetText: z.ZodType<string> = z.string().regex(/^\d{1,19}$/)

export const EpochState = z.enum(['preparing', 'open', 'sealing', 'sealed', 'lost'])
export type EpochState = z.infer<typeof EpochState>

/** One stretch of the mQ ID's life on one (cluster, topic, partition count). */
export const Epoch = z.object({
  epoch: z.number().int().min(1),
  state: EpochState,
  cluster: Name,
  topic: z.string().min(1).max(249),
  partitions: z.number().int().min(1).max(100_000),
  endOffsets: z.array(OffsetText).nullable().default(null).describe('Final end offset of each partition once sealed'),
  addedEndOffsets: z
    .array(OffsetText)
    .optional()
    .describe(
      'End offsets of the partitions that somebody added to the topic, from number `partitions` on: mQ writes to none of them, and groups read them all',
    ),
  late: z
    .literal(true)
    .optional()
    .describe('Later epochs do not wait for it: its cluster was away for too long, and the rest of it is read late'),
  topicId: z.string().nullable().optional().describe("Kafka's id of the topic; null where the cluster tells none"),
  opensWhenSealed: z
    .literal(true)
    .optional()
    .describe(
      'A client that has proven the seal of every partition of the epoch before may use this one as open, without waiting for a newer binding',
    ),
})
export type Epoch = z.output<typeof Epoch>

/** Producer settings a client applies live, between batches. acks and idempotence are not among them: they never change. */
export const ProducerSettings = z.object({
  codec: Codec,
  codecLevel: z.number().int().optional().describe('Level of gzip or zstd; unset for the others'),
  lingerMs: z.number().min(0).max(60_000),
  batchBytes: z
    .number()
    .int()
    .min(1_024)
    .max(16 * 1_024 * 1_024),
  maxMessageBytes: z.number().int().min(1_024),
  requestTimeoutMs: z.number().int().min(1_000).max(600_000),
})
export type ProducerSettings = z.output<typeof ProducerSettings>

/** Which times of records a topic takes, seen from the clock of its brokers; null: any. */
export const TimestampLimits = z.object({
  beforeMaxMs: z.number().min(0).nullable().describe('How far back, milliseconds'),
  afterMaxMs: z.number().min(0).nullable().describe('How far ahead, milliseconds'),
})
export type TimestampLimits = z.output<typeof TimestampLimits>

export const ConsumerSettings = z.object({
  fetchMinBytes: z.number().int().min(1),
  fetchMaxWaitMs: z.number().int().min(1).max(60_000),
  readAheadBytes: z.number().int().min(65_536),
  isolation: z.enum(['read_committed', 'read_uncommitted']),
  sessionTimeoutMs: z.number().int().min(1_000).max(1_800_000),
})
export type ConsumerSettings = z.output<typeof ConsumerSettings>

/** Other settings for some instances, to be compared with the rest (B5). */
export const Trial = z.object({
  decision: z.number().int().min(1).describe('The decision under trial'),
  instances: z.array(z.string().min(1).max(100)).max(10_000).describe('Which processes, as their telemetry names them'),
  producer: ProducerSettings,
  consumer: ConsumerSettings.optional(),
})
export type Trial = z.output<typeof Trial>

/** What concerns one group only. */
export const BindingGroup = z.object({
  ...GroupRule.shape,
  redrive: MqId.optional().describe('The mQ ID through which dead letters come back to this group'),
})
export type BindingGroup = z.output<typeof BindingGroup>

export const Binding = z
  .object({
    mqId: MqId,
    incarnation: z.number().int().min(1).describe('Life of the control-plane store this comes from'),
    revision: z.number().int().min(1).describe('Rises with every change in that store'),
    deleted: z.boolean().default(false),
    format: Format,
    ordering: Ordering,
    keyRequired: z
      .boolean()
      .optional()
      .describe('Kafka refuses messages without a key: the latest message of every key is kept'),
    timestamps: TimestampLimits.optional().describe('Left out where nobody knows what the topic takes'),
    epochs: z.array(Epoch),
    clusters: z.array(ClusterAddress),
    producer: ProducerSettings,
    consumer: ConsumerSettings,
    trial: Trial.nullable().optional().catch(null),
    holds: z
      .array(GroupHold)
      .max(1_000)
      .optional()
      .catch([])
      .describe('Groups whose members leave for a change of positions'),
    groups: z
      .record(Name, BindingGroup)
      .optional()
      .catch(undefined)
      .describe('By group: rules of the intent, and where messages come from that are handed to it again'),
  })
  .superRefine((binding, context) => {
    const fail = (message: string): void => {
      context.addIssue({ code: 'custom', path: ['epochs'], message })
    }
    if (!binding.deleted && binding.epochs.length === 0) fail('a binding has at least one epoch')
    if (binding.epochs.filter((epoch) => epoch.state === 'open').length > 1) fail('at most one epoch is open')
    const known = new Set(binding.clusters.map((cluster) => cluster.name))
    let previous = 0
    for (const epoch of binding.epochs) {
      if (epoch.epoch <= previous) fail('epochs stand in rising order')
      previous = epoch.epoch
      if (!known.has(epoch.cluster)) fail(`epoch ${epoch.epoch} names the unknown cluster '${epoch.cluster}'`)
      if (epoch.endOffsets !== null && epoch.endOffsets.length !== epoch.partitions) {
        fail(`epoch ${epoch.epoch} has ${epoch.partitions} partitions and ${epoch.endOffsets.length} end offsets`)
      }
      if (epoch.addedEndOffsets !== undefined && epoch.endOffsets === null) {
        fail(`epoch ${epoch.epoch} has ends of added partitions and none of its own`)
      }
    }
  })
export type Binding = z.output<typeof Binding>

/** Negative when `a` is older than `b`, zero when they are the same, positive when newer (B1). */
export function compareBindings(
  a: Pick<Binding, 'incarnation' | 'revision'>,
  b: Pick<Binding, 'incarnation' | 'revision'>,
): number {
  return a.incarnation - b.incarnation || a.revision - b.revision
}

/** The end of every partition of a sealed epoch, those that were added to its topic last; undefined while it is not sealed. */
export function sealedEnds({ state, endOffsets, addedEndOffsets }: Epoch): readonly bigint[] | undefined {
  if (state !== 'sealed' || endOffsets === null) return undefined
  return [...endOffsets, ...(addedEndOffsets ?? [])].map(BigInt)
}

/** The epoch that takes new records, if one does. */
export function openEpoch(binding: Binding): Epoch | undefined {
  return binding.epochs.find((epoch) => epoch.state === 'open')
}

/** What an instance is to run on: the trial's settings when it is named there (B5). */
export function settingsFor(
  binding: Pick<Binding, 'producer' | 'consumer' | 'trial'>,
  instance: string,
): { readonly producer: ProducerSettings; readonly consumer: ConsumerSettings; readonly trial: number | null } {
  const { trial } = binding
  if (trial === null || trial === undefined || !trial.instances.includes(instance)) {
    return { producer: binding.producer, consumer: binding.consumer, trial: null }
  }
  return { producer: trial.producer, consumer: trial.consumer ?? binding.consumer, trial: trial.decision }
}

/** `incarnation.revision`, the event id of the push stream and the ETag of the GET. */
export function bindingVersion(binding: Pick<Binding, 'incarnation' | 'revision'>): string {
  return `${binding.incarnation}.${binding.revision}`
}
