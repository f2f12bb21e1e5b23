/**
 * Why an mQ ID is configured as it is, what that costs, and what it would be under other requirements.
 *
 * X1. Every amount names its meter, the bytes it bills, the formula and the assumption behind it, and the version of the price book.
 * X2. A question changes nothing: `whatif` answers, and touches neither the intent nor the topic.
 */
import { z } from 'zod'
import { Codec } from './binding.ts'
import { CostParts } from './cost.ts'
import { DurationMs } from './duration.ts'
import { Retention } from './intent.ts'
import { MqId, Name } from './mq-id.ts'
import { Choice } from './registry.ts'

const usd = z.number()

export const CostConfiguration = z.object({
  cluster: Name,
  partitions: z.number().int(),
  replication: z.number().int(),
  retentionMs: z.number().nullable().describe('Null: no limit in time'),
  localRetentionMs: z.number().nullable().describe('What stays on disks when the rest is tiered; null without tiering'),
  codec: Codec,
  codecLevel: z.number().int().nullable(),
  lingerMs: z.number(),
  batchBytes: z.number(),
  fetchMinBytes: z.number(),
  fetchMaxWaitMs: z.number(),
  followerFetch: z.boolean().describe('Consumers read from a replica in their own zone'),
})
export type CostConfiguration = z.output<typeof CostConfiguration>

export const MeterLine = z.object({
  meter: z.string(),
  part: z.enum(['produce', 'replicate', 'consume', 'store', 'brokers', 'clients', 'vendor']),
  usdPerMonth: usd,
  quantity: z.number(),
  unit: z.string(),
  basis: z.enum(['wire', 'logical', 'none']).describe('Bytes after compression, before it, or none'),
  formula: z.string(),
  assumption: z.string(),
  confidence: z.enum(['verified', 'second-hand', 'unverified']).describe('Of the price'),
})
export type MeterLine = z.output<typeof MeterLine>

/** One configuration: what it does, as modelled, and what it costs. */
export const CostOption = z.object({
  configuration: CostConfiguration,
  usdPerMonth: usd,
  usdPerMillionRecords: usd.nullable(),
  lines: z.array(MeterLine),
  recordsPerBatch: z.number(),
  ratio: z.number().describe('Bytes of records before over after compression'),
  codecSource: z.enum(['measured', 'assumed']).describe('Whether the ratio was measured on records of this mQ ID'),
  wireBytesPerRecord: z.number(),
  sendP99Ms: z.number(),
  endToEndP99Ms: z.number().describe('At the expected peak'),
  meetsLatency: z.boolean(),
})
export type CostOption = z.output<typeof CostOption>

export const ExplainOutcome = z.object({
  kind: z.enum(['change', 'keep', 'infeasible', 'too-little']),
  why: z.string(),
  constraint: z.string().nullable().describe('Which requirement nothing meets'),
  by: z.number().nullable().describe('How much the nearest answer misses'),
  unit: z.string().nullable(),
})

/** What really passed, by the parts of `mq cost`: both say the same of the same time. */
export const MeasuredCost = z.object({
  fromMs: z.number().int(),
  toMs: z.number().int(),
  watchedMs: z.number().int(),
  usd,
  usdPerMonth: usd.describe('What goes on at this rate in a month of 730 hours, with what lies on disks now'),
  parts: CostParts,
  lines: z.array(z.object({ meter: z.string(), part: z.enum(['caused', 'idle']), usd, usdPerMonth: usd })),
})
export type MeasuredCost = z.output<typeof MeasuredCost>

export const Explanation = z.object({
  id: MqId,
  measured: MeasuredCost.nullable().default(null).describe('Of the last hour; null before anything was recorded'),
  outcome: ExplainOutcome,
  workload: z.object({
    source: z.enum(['measured', 'assumed']),
    recordsPerSecond: z.number(),
    peakMultiple: z.number(),
    recordBytes: z.number(),
    producers: z.number(),
    groups: z.array(z.object({ group: z.string(), members: z.number() })),
    observedMs: z.number(),
    records: z.number(),
  }),
  requirements: z.object({
    latencyP99Ms: z.number(),
    acknowledgedWithinMs: z.number().nullable().default(null),
    retention: z.string(),
    ordering: z.string(),
    copies: z.number().int(),
    budgetUsdPerMonth: z.number().nullable(),
  }),
  current: CostOption,
  best: CostOption.describe('The cheapest within the intent; the nearest to it where nothing meets it'),
  saving: z.object({ usdPerMonth: usd, fromUsdPerMonth: usd, toUsdPerMonth: usd, share: z.number() }),
  alternatives: z.array(CostOption),
  priceOf: z.array(z.object({ constraint: z.string(), asked: z.string(), relaxedTo: z.string(), usdPerMonth: usd })),
  rejected: z.array(z.object({ constraint: z.string(), reason: z.string(), count: z.number().int() })),
  evaluated: z.number().int(),
  choices: z.array(Choice).describe('What was chosen when the mQ ID was declared or last changed, and why'),
  assumptions: z.array(z.string()),
  priceBook: z.object({ id: z.string(), version: z.string(), title: z.string(), notes: z.array(z.string()) }),
})
export type Explanation = z.output<typeof Explanation>

/** Other requirements and another workload; what is left out stays as it is. */
export const WhatIf = z.strictObject({
  latencyP99Ms: DurationMs.pipe(z.number().int().min(2).max(3_600_000)).optional(),
  acknowledgedWithinMs: DurationMs.pipe(z.number().int().min(2).max(3_600_000)).optional(),
  retention: Retention.optional(),
  peak: z.number().min(1).max(1_000).optional().describe('Rate that must still be carried, over the usual one'),
  messagesPerSecond: z.number().positive().max(100_000_000).optional(),
  messageBytes: z
    .number()
    .int()
    .min(1)
    .max(8 * 1_024 * 1_024)
    .optional(),
  ordering: z.enum(['key', 'none']).optional(),
  budgetUsdPerMonth: z.number().positive().optional(),
})
export type WhatIf = z.output<typeof WhatIf>

export const WhatIfAnswer = z.object({
  id: MqId,
  asked: z.array(z.object({ requirement: z.string(), before: z.string(), after: z.string() })),
  before: Explanation.describe('As it is'),
  after: Explanation.describe('Under the other requirements; its `current` is what stands today, under them'),
})
export type WhatIfAnswer = z.output<typeof WhatIfAnswer>
