/**
 * The intent: what the owner of an mQ ID asks for. Everything else mQ decides.
 *
 * I1. An intent names requirements and limits only; never a topic, a partition, a broker or a client setting.
 * I2. A combination that no configuration can meet is refused here, before anything is touched, in words
 *     that say which two requirements collide.
 * I3. Every default is one that loses no data.
 */
import { z } from 'zod'
import { Labels, Region } from './cluster-site.ts'
import { DurationMs } from './duration.ts'
import { GroupRules, groupRuleProblem } from './group-rules.ts'
import { OwnMqId } from './mq-id.ts'
import { sizeBetween } from './size.ts'

export const Durability = z.enum(['standard', 'replay', 'mirror', 'dual'])
export const Ordering = z.enum(['key', 'none'])
export const Format = z.enum(['json', 'text', 'bytes'])
export const Priority = z.enum(['low', 'normal', 'high', 'critical'])
export type Durability = z.infer<typeof Durability>
export type Ordering = z.infer<typeof Ordering>
export type Format = z.infer<typeof Format>
export type Priority = z.infer<typeof Priority>

/** The most that an intent may ask for. */
export const MAX_MESSAGE_BYTES = 8 * 1_024 * 1_024
/** What a topic takes beyond the largest message or batch: headers (client.md says how much of it) and framing. */
export const BATCH_OVERHEAD_BYTES = 128 * 1_024

/** One hour: the shortest retention, so that a group that restarts does not lose its place. */
export const MIN_RETENTION_MS = 3_600_000

export const Retention = z
  .union([
    z.object({ policy: z.literal('time'), durationMs: z.number().int().min(MIN_RETENTION_MS) }),
    z.object({ policy: z.literal('forever') }),
    z.object({ policy: z.literal('latest-per-key') }),
    z.literal('forever').transform(() => ({ policy: 'forever' as const })),
    z.literal('latest-per-key').transform(() => ({ policy: 'latest-per-key' as const })),
    DurationMs.refine((durationMs) => durationMs >= MIN_RETENTION_MS, 'retention is at least 1h').transform(
      (durationMs) => ({ policy: 'time' as const, durationMs }),
    ),
  ])
  .describe("How long records are kept: a duration such as '7d' (at least 1h), 'forever', or 'latest-per-key'")
export type Retention = z.output<typeof Retention>

export const Peak = z.strictObject({
  startsAt: z.iso.datetime({ offset: true }).describe('When the peak begins, ISO 8601'),
  durationMs: DurationMs.describe('How long it lasts'),
  multiple: z.number().min(1).max(1000).describe('Expected rate over the usual one'),
})

export const Owner = z.strictObject({
  team: z.string().min(1).max(100).describe('Who pays and who is asked'),
  service: z.string().min(1).max(100).optional(),
})

export const Intent = z
  .strictObject({
    latencyP99Ms: DurationMs.pipe(z.number().int().min(2).max(3_600_000))
      .prefault('250ms')
      .describe('End-to-end p99 latency that must hold, from send to handler (milliseconds)'),
    acknowledgedWithinMs: DurationMs.pipe(z.number().int().min(2).max(3_600_000))
      .optional()
      .describe('p99 of a send, until it is acknowledged, that must hold; left out: only the end-to-end p99 counts'),
    durability: Durability.default('standard').describe('What an acknowledged record survives'),
    ordering: Ordering.default('key').describe('key: records of one key are handled in the order they were sent'),
    retention: Retention.prefault('7d'),
    format: Format.default('json').describe('How values are written: json, text or bytes'),
    movable: z
      .boolean()
      .default(true)
      .describe('false: neither a person nor mQ moves it to another cluster or partition count'),
    minCopies: z
      .number()
      .int()
      .min(1)
      .max(5)
      .optional()
      .describe(
        'Fewest copies of each record; left out: three where a registered cluster can hold them, one for priority low',
      ),
    minZones: z
      .number()
      .int()
      .min(1)
      .max(5)
      .optional()
      .describe('Fewest zones (racks of the brokers) that the copies of each record are spread over'),
    regions: z
      .array(Region)
      .min(1)
      .max(32)
      .optional()
      .describe('Regions it may live in, such as [eu-west-1]; left out: any'),
    clusterLabels: Labels.optional().describe('Labels that its cluster must have, such as { tier: gold }'),
    priority: Priority.default('normal').describe('Who goes first when there is not enough for everyone'),
    maxMessageBytes: sizeBetween(1_024, MAX_MESSAGE_BYTES)
      .prefault(1_048_576)
      .describe('Largest key and value together (bytes); headers do not count'),
    expectedMessagesPerSecond: z.number().min(0).max(100_000_000).optional().describe('Usual rate, when it is known'),
    expectedMessageBytes: sizeBetween(1, 1_073_741_824).optional().describe('Usual size of a message (bytes)'),
    budgetUsdPerMonth: z.number().positive().optional().describe('Most this mQ ID may cost (USD a month)'),
    peaks: z.array(Peak).max(100).prefault([]).describe('Peaks known in advance'),
    owner: Owner.optional().describe('Who pays and who is asked'),
    groups: GroupRules.optional().describe(
      'By group: what it does with messages its handler fails on; an application may say otherwise in its code',
    ),
  })
  .superRefine((intent, context) => {
    const collide = (path: string, message: string): void => {
      context.addIssue({ code: 'custom', path: [path], message })
    }
    if (intent.retention.policy === 'latest-per-key' && intent.ordering === 'none') {
      collide(
        'ordering',
        "retention 'latest-per-key' needs ordering 'key': without order no record of a key is the latest",
      )
    }
    if (intent.durability === 'dual' && intent.latencyP99Ms < 10) {
      collide(
        'latencyP99Ms',
        `durability 'dual' waits for two clusters and cannot promise ${intent.latencyP99Ms} ms; ask for 10ms or more`,
      )
    }
    if (intent.minCopies !== undefined && intent.minZones !== undefined && intent.minCopies < intent.minZones) {
      collide('minCopies', `${intent.minCopies} copies cannot stand in minZones: ${intent.minZones} zones`)
    }
    for (const [group, rule] of Object.entries(intent.groups ?? {})) {
      const problem = groupRuleProblem(rule)
      if (problem !== undefined) collide(`groups.${group}`, problem)
    }
    if (intent.expectedMessageBytes !== undefined && intent.expectedMessageBytes > intent.maxMessageBytes) {
      collide(
        'expectedMessageBytes',
        `a usual message of ${intent.expectedMessageBytes} bytes is over maxMessageBytes ${intent.maxMessageBytes}`,
      )
    }
  })
/** What the owner asks for, with every default filled in. */
export type Intent = z.output<typeof Intent>
/** What a person writes: every field may be left out. */
export type IntentInput = z.input<typeof Intent>

/** One declared mQ ID, as in `mq.yaml`. */
export const Declaration = z.strictObject({ id: OwnMqId, intent: Intent.prefault({}) })
export type Declaration = z.output<typeof Declaration>

const CHOSEN: Readonly<Record<string, string>> = {
  partitions: 'mQ chooses partitions; `mq migrate ID --partitions N` changes them while it is live',
  cluster:
    "mQ chooses the cluster; 'regions' and 'clusterLabels' say what it must be, and `mq migrate ID --to CLUSTER` moves it while it is live",
  topic: 'mQ names topics, and an mQ ID may have several over time',
  replication: "mQ chooses copies from 'durability' and 'priority'; `mq migrate ID --replication N` changes them",
  codec: 'mQ chooses it by what it measures, and keeps choosing; `mq explain ID` shows it and why',
}
const ALIASES: Readonly<Record<string, string>> = {
  partition: 'partitions',
  partitioncount: 'partitions',
  replicationfactor: 'replication',
  replicas: 'replication',
  compression: 'codec',
  compressiontype: 'codec',
  lingerms: 'codec',
  batchsize: 'codec',
  batchbytes: 'codec',
  topicname: 'topic',
}

/** Why an intent has no such field: it is what mQ chooses (I1). */
export function chosenByMq(field: string): string | undefined {
  const plain = field.toLowerCase().replaceAll(/[^a-z]/g, '')
  return CHOSEN[ALIASES[plain] ?? plain]
}
