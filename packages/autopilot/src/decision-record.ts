/**
 * A decision as it is kept: what everybody may read, and what the executor needs to go on from the row alone.
 */
import { Choice, Decision, isDecided, OffsetText } from '@mq/contract'
import { z } from 'zod'
import { Sample } from './samples.ts'

/** Windows of the time before that are kept with a decision: enough for a test, bounded whatever the number of instances. */
export const MAX_BASELINE = 160

/** More of them, of those on trial and of every group, so that each is judged by a past of its own. */
export const MAX_PAST = 480

/** How often groups fetched when a trial began: prices go by it to the end, whoever comes or goes. */
export const UsualFetches = z.object({
  groups: z.number().int(),
  perSecond: z.array(z.object({ group: z.string(), fetches: z.number() })),
})
export type UsualFetches = z.output<typeof UsualFetches>

/** The requirement that was missed when it was proposed: it is judged by what was late instead of by cost. */
export const Repair = z.object({
  what: z.enum(['send', 'end to end']),
  seenMs: z.number(),
  allowedMs: z.number(),
  /** What was seen over what the model said of the settings that stood. */
  factor: z.number(),
})
export type Repair = z.output<typeof Repair>

export const DecisionWork = z.object({
  /** The intent it was made for: another one supersedes it. */
  intent: z.string(),
  epoch: z.number().int(),
  choicesBefore: z.array(Choice),
  /** All instances before anything was touched. */
  baseline: z.array(Sample),
  /** Of the same time, what `baseline` has no room for of those on trial, and of groups. */
  past: z.array(Sample).default([]),
  baselineP99Ms: z.number().nullable(),
  /** End to end, of each group; null in a row of an older version. */
  groupP99s: z
    .array(z.object({ group: z.string(), p99Ms: z.number() }))
    .nullable()
    .default(null),
  usualFetches: UsualFetches.nullable().default(null),
  lagBefore: z.number().nullable(),
  recordsPerSecond: z.number(),
  sendP99LimitMs: z.number(),
  /** Predicted cost after over before. */
  predictedRatio: z.number().nullable(),
  repair: Repair.nullable().default(null),
  looks: z.number().int(),
  /** With one instance: whether it is on the new settings now, and since when. */
  turn: z.object({ isOnTrial: z.boolean(), sinceMs: z.number() }).nullable(),
  /** What the brokers held when the trial, or the change for all, began. */
  stored: z.object({ atMs: z.number(), records: OffsetText }).nullable(),
  /** What the log of the topic held at the first look after it was made true for all; one copy. */
  held: z.object({ atMs: z.number(), bytes: z.number() }).nullable().default(null),
  trialChange: z.number().nullable(),
  appliedAtMs: z.number().nullable(),
  /** Why it is being undone, and what it is called afterwards. */
  undo: z
    .object({ outcome: z.enum(['undone', 'failed', 'superseded']), reason: z.string(), actor: z.string() })
    .nullable(),
  /** The move that undoes it. */
  undoMigration: z.number().int().nullable(),
})
export type DecisionWork = z.output<typeof DecisionWork>

export const DecisionRecord = Decision.extend({ work: DecisionWork })
export type DecisionRecord = z.output<typeof DecisionRecord>

/** Whether it has something left to do, or was kept and still stands. */
export function isLive({ state }: Pick<DecisionRecord, 'state'>): boolean {
  return !isDecided(state) || state === 'kept'
}

/** All windows of the time before that are kept, oldest first. */
export function pastOf({ baseline, past }: Pick<DecisionWork, 'baseline' | 'past'>): readonly Sample[] {
  return past.length === 0 ? baseline : [...baseline, ...past].sort((a, b) => a.atMs - b.atMs)
}

/** What everybody may read. */
export function viewOf(record: DecisionRecord): Decision {
  const { work: _work, ...view } = record
  return { ...view, undo: undoText(record) }
}

function undoText({ number, state, migration }: DecisionRecord): string | null {
  switch (state) {
    case 'proposed':
    case 'waiting':
    case 'approved':
      return `mq undo ${number} turns it down; nothing was touched yet`
    case 'trial':
      return `mq undo ${number} ends the trial and gives every instance its settings back`
    case 'applying':
    case 'watching':
    case 'kept':
      return migration !== null
        ? `mq undo ${number} moves it back`
        : `mq undo ${number} restores what stood before, as a new revision`
    default:
      return null
  }
}
