/**
 * What a group does with messages its handler fails on, as the intent says it for every service of the group.
 *
 * Q1. Without a rule a message is handed out until its handler succeeds, and holds back its key.
 * Q2. A bound on attempts needs dead letters: without a place for what failed it would lose messages.
 */
import { z } from 'zod'
import { DurationMs } from './duration.ts'
import { Name } from './mq-id.ts'

/** Attempts before a message becomes a dead letter, where nobody says how many. */
export const DEFAULT_ATTEMPTS = 5
export const DEFAULT_BACKOFF = { baseMs: 200, maxMs: 30_000 } as const
export const MAX_ATTEMPTS = 1_000_000
const DAY_MS = 86_400_000

export const Backoff = z.strictObject({
  baseMs: DurationMs.pipe(z.number().int().min(1).max(DAY_MS))
    .optional()
    .describe('Pause before the second attempt, 200ms when left out; it doubles with every attempt'),
  maxMs: DurationMs.pipe(z.number().int().min(1).max(DAY_MS))
    .optional()
    .describe('Longest pause between two attempts, 30s when left out'),
})

export const RetryRule = z.strictObject({
  attempts: z
    .number()
    .int()
    .min(1)
    .max(MAX_ATTEMPTS)
    .optional()
    .describe(`After so many failures the message becomes a dead letter; ${DEFAULT_ATTEMPTS} when left out`),
  backoff: Backoff.optional(),
})
export type RetryRule = z.output<typeof RetryRule>

export const GroupRule = z.strictObject({
  retry: RetryRule.optional(),
  deadLetter: z
    .boolean()
    .optional()
    .describe('true: what failed too often is put aside as a dead letter, and its key goes on; left out: it never is'),
  undecodable: z
    .enum(['retry', 'dead-letter'])
    .optional()
    .describe('dead-letter: a message that cannot be decoded becomes a dead letter at once; it needs deadLetter: true'),
})
export type GroupRule = z.output<typeof GroupRule>

export const GroupRules = z.record(Name, GroupRule)

/** Why a rule cannot hold (Q2), or `undefined` when it can. */
export function groupRuleProblem({ retry, deadLetter, undecodable }: GroupRule): string | undefined {
  const { baseMs = DEFAULT_BACKOFF.baseMs, maxMs = DEFAULT_BACKOFF.maxMs } = retry?.backoff ?? {}
  if (retry?.attempts !== undefined && deadLetter !== true) {
    return 'retry.attempts needs deadLetter: true: after the last attempt a message would have nowhere to go'
  }
  if (undecodable === 'dead-letter' && deadLetter !== true) return "undecodable 'dead-letter' needs deadLetter: true"
  if (baseMs > maxMs) return `the first pause of ${baseMs} ms is longer than the longest of ${maxMs} ms`
  return undefined
}

/** What an application says stands above what the intent says, field by field. */
export function mergedRule(intent: GroupRule | undefined, own: GroupRule): GroupRule {
  const retry = { ...intent?.retry, ...own.retry }
  const backoff = { ...intent?.retry?.backoff, ...own.retry?.backoff }
  const deadLetter = own.deadLetter ?? intent?.deadLetter
  const undecodable = own.undecodable ?? intent?.undecodable
  return {
    retry: { ...retry, backoff },
    ...(deadLetter === undefined ? {} : { deadLetter }),
    ...(undecodable === undefined ? {} : { undecodable }),
  }
}
