/**
 * A workload twin: configurations tried on a shadow topic with made-up traffic of the shape of an mQ ID, and ranked by what was measured.
 *
 * W1. Nothing of the mQ ID itself is written, read or changed: a twin advises.
 * W2. What the twin could not do like the real traffic stands in `assumptions`.
 */
import { z } from 'zod'
import { Codec } from './binding.ts'
import { Outcome } from './decision.ts'
import { MqId, Name } from './mq-id.ts'

/** `preparing`: making records that compress like the real ones. */
export const TwinState = z.enum(['preparing', 'running', 'done', 'failed', 'cancelled'])
export type TwinState = z.output<typeof TwinState>

export const TwinRequest = z.object({
  top: z.number().int().min(1).max(20).default(5).describe('How many of the cheapest by the model are tried'),
  seconds: z.number().min(1).max(60).default(5).describe('How long each is measured in a round'),
  rounds: z.number().int().min(1).max(10).default(2),
})
export type TwinRequest = z.output<typeof TwinRequest>

export const TwinSettings = z.object({
  codec: Codec,
  codecLevel: z.number().int().nullable(),
  lingerMs: z.number(),
  batchBytes: z.number().int(),
  fetchMinBytes: z.number().int(),
  fetchMaxWaitMs: z.number().int(),
})
export type TwinSettings = z.output<typeof TwinSettings>

export const TwinRank = z.object({
  rank: z.number().int().min(1),
  settings: TwinSettings,
  isCurrent: z.boolean().describe('What stands now'),
  meetsIntent: z.boolean().describe('The measured end-to-end p99 is within the intent'),
  predicted: Outcome,
  measured: Outcome,
  recordsPerUsd: z.number().nullable().describe('Performance per dollar, as measured'),
})
export type TwinRank = z.output<typeof TwinRank>

export const Twin = z.object({
  number: z.number().int().min(1),
  mqId: MqId,
  cluster: Name,
  state: TwinState,
  why: z.string(),
  actor: z.string(),
  request: TwinRequest,
  done: z.number().int().min(0).describe('Runs that are over'),
  of: z.number().int().min(0),
  ranking: z.array(TwinRank).describe('Best first; those that miss the intent behind those that meet it'),
  assumptions: z.array(z.string()),
  calibrated: z.boolean().describe('Whether the constants of the cluster were measured anew'),
  problem: z.string().nullable(),
  startedAtMs: z.number().int(),
  endedAtMs: z.number().int().nullable(),
})
export type Twin = z.output<typeof Twin>
