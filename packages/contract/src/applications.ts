/**
 * Who produces and who consumes: applications, their processes and what each of them does.
 *
 * A1. What clients of mQ report; others are named as far as Kafka tells: groups with their clients, producers by number.
 * A2. A process that has not reported for a minute is away, its rates are null, and after a quarter of an hour it is gone.
 */
import { z } from 'zod'
import { MqId, Name } from './mq-id.ts'

const atMs = z.number().int()
const perSecond = z.number().min(0).nullable().describe('Messages a second in its last report; null while it is away')

export const AppProduces = z.object({ mqId: MqId, perSecond })
export type AppProduces = z.output<typeof AppProduces>

export const AppConsumes = z.object({
  mqId: MqId,
  group: Name,
  perSecond,
  unfinishedRecords: z.number().int().min(0).nullable(),
})
export type AppConsumes = z.output<typeof AppConsumes>

export const AppInstance = z.object({
  instance: z.string(),
  version: z.string().describe('Of the SDK'),
  host: z.string().nullable().describe('Null where the client does not tell'),
  zone: z.string().nullable(),
  startedAtMs: atMs.nullable().describe('When it connected, by its own clock; null where it does not tell'),
  firstSeenAtMs: atMs.describe('First report since the control plane started'),
  lastSeenAtMs: atMs.describe('Last report'),
  isAway: z.boolean().describe('It has not reported for a minute'),
  produces: z.array(AppProduces),
  consumes: z.array(AppConsumes),
})
export type AppInstance = z.output<typeof AppInstance>

export const Application = z.object({ app: z.string(), instances: z.array(AppInstance) })
export type Application = z.output<typeof Application>

/** Who uses an mQ ID without mQ. */
export const ForeignUse = z.object({
  groups: z.array(z.object({ mqId: MqId, group: z.string(), members: z.number().int().nullable() })),
})
export type ForeignUse = z.output<typeof ForeignUse>
