/**
 * A decision: one change mQ proposed or made, with what it rests on, what it was to bring and what it brought.
 *
 * D1. Numbers rise and are never reused. What a decision did stays readable after its end.
 * D2. A prediction never changes once the decision is written; what was measured stands beside it, not in its place.
 * D3. The table of states is total, and the only place that says what may follow what. Pure.
 * D4. What touched a client or a cluster leaves it only by being kept, or by way of `undoing`.
 * D5. `kept` is reached from `watching` alone, and `watching` from `applying` alone: nothing stays that was not measured.
 * D6. Every state that is not an end has a way to one; from `undone`, `rejected`, `expired`, `superseded` and `failed` nothing leads on.
 *     `kept` can still be undone, or be superseded by a change of the intent.
 */
import { z } from 'zod'
import { MqId } from './mq-id.ts'
import { PolicyMode } from './policy.ts'

/** A kind of change: `producer-settings`, `consumer-settings`, `retention`, `partitions`, `cluster`, or one of a later version. */
export const DecisionKind = z.string().regex(/^[a-z][a-z0-9-]{0,59}$/)
/** A loop: `tuning`, `placement`, `partitions`, `retention`, or one of a later version. */
export const LoopName = z.string().regex(/^[a-z][a-z0-9-]{0,59}$/)

/**
 * `proposed`: a recommendation nobody acts on until a person approves it. `waiting`: for a person. `approved`: for its turn.
 * `trial`: on some instances, against the rest. `applying`: being made true for all. `watching`: for all, being measured.
 */
export const DecisionState = z.enum([
  'proposed',
  'waiting',
  'approved',
  'trial',
  'applying',
  'watching',
  'kept',
  'undoing',
  'undone',
  'rejected',
  'expired',
  'superseded',
  'failed',
])
export type DecisionState = z.infer<typeof DecisionState>

export const decisionEvents = [
  /** The policy wants a person to say yes. */
  'ask',
  /** The policy or a person says yes. */
  'accept',
  /** A person says no. */
  'reject',
  /** Nobody answered in time. */
  'expire',
  /** The intent changed, the mQ ID moved or went, or a better proposal took its place. */
  'supersede',
  'trial-began',
  /** It needs no trial, or cannot have one. */
  'apply-began',
  'trial-passed',
  /** It cost as much as before, did harm, or proved nothing in its time. */
  'trial-lost',
  'applied',
  'verified',
  'regressed',
  /** It cannot be made true. */
  'fail',
  /** A person or the global switch wants it undone. */
  'undo',
  /** Everything is as it was. Which of the three says why it was undone. */
  'reverted-undone',
  'reverted-failed',
  'reverted-superseded',
] as const
export type DecisionEvent = (typeof decisionEvents)[number]

export type DecisionTransition =
  | { readonly kind: 'go'; readonly to: DecisionState }
  /** Known and without effect here. */
  | { readonly kind: 'stay' }
  /** The one who asked is told no. */
  | { readonly kind: 'refuse'; readonly code: 'MQ_DECISION_OVER' | 'MQ_DECISION_UNDER_WAY' }
  /** Nobody may raise this here: a defect. */
  | { readonly kind: 'impossible' }

const go = (to: DecisionState): DecisionTransition => ({ kind: 'go', to })
const stay: DecisionTransition = { kind: 'stay' }
const over: DecisionTransition = { kind: 'refuse', code: 'MQ_DECISION_OVER' }
const running: DecisionTransition = { kind: 'refuse', code: 'MQ_DECISION_UNDER_WAY' }
const never: DecisionTransition = { kind: 'impossible' }

const nothing: Record<DecisionEvent, DecisionTransition> = {
  ask: never,
  accept: never,
  reject: never,
  expire: never,
  supersede: never,
  'trial-began': never,
  'apply-began': never,
  'trial-passed': never,
  'trial-lost': never,
  applied: never,
  verified: never,
  regressed: never,
  fail: never,
  undo: never,
  'reverted-undone': never,
  'reverted-failed': never,
  'reverted-superseded': never,
}

/** Nothing was touched yet. */
const untouched = {
  ...nothing,
  accept: go('approved'),
  reject: go('rejected'),
  undo: go('rejected'),
  expire: go('expired'),
  supersede: go('superseded'),
}
/** Something may have been touched: the only way out is forward, or through `undoing`. */
const touched = {
  ...nothing,
  accept: running,
  reject: go('undoing'),
  undo: go('undoing'),
  supersede: go('undoing'),
  fail: go('undoing'),
}
const ended = { ...nothing, accept: over, reject: over, undo: over, expire: stay, supersede: stay, fail: stay }

export const decisionTable: Record<DecisionState, Record<DecisionEvent, DecisionTransition>> = {
  proposed: { ...untouched, ask: go('waiting') },
  waiting: { ...untouched, ask: stay },
  approved: {
    ...untouched,
    accept: stay,
    'trial-began': go('trial'),
    'apply-began': go('applying'),
    fail: go('failed'),
  },
  trial: { ...touched, 'trial-passed': go('applying'), 'trial-lost': go('undoing') },
  applying: { ...touched, applied: go('watching') },
  watching: { ...touched, verified: go('kept'), regressed: go('undoing') },
  kept: { ...ended, undo: go('undoing'), reject: go('undoing'), supersede: go('superseded') },
  undoing: {
    ...nothing,
    accept: running,
    reject: stay,
    undo: stay,
    supersede: stay,
    fail: stay,
    'reverted-undone': go('undone'),
    'reverted-failed': go('failed'),
    'reverted-superseded': go('superseded'),
  },
  undone: { ...ended, undo: stay },
  rejected: { ...ended, reject: stay, undo: stay },
  expired: ended,
  superseded: ended,
  failed: ended,
}

export function decisionTransition(state: DecisionState, event: DecisionEvent): DecisionTransition {
  return decisionTable[state][event]
}

/** Nothing is left to do, as long as nobody asks for it. */
export function isDecided(state: DecisionState): boolean {
  return (
    state === 'kept' ||
    state === 'undone' ||
    state === 'rejected' ||
    state === 'expired' ||
    state === 'superseded' ||
    state === 'failed'
  )
}

/** It changes the mQ ID now: nothing else may. */
export function isUnderWay(state: DecisionState): boolean {
  return state === 'trial' || state === 'applying' || state === 'watching' || state === 'undoing'
}

const usd = z.number().nullable()
const ms = z.number().nullable()
const atMs = z.number().int()

/** What a configuration costs and how fast it is, predicted or measured. */
export const Outcome = z.object({
  usdPerMonth: usd,
  usdPerMillionRecords: usd,
  sendP99Ms: ms,
  endToEndP99Ms: ms,
  wireBytesPerRecord: z.number().nullable(),
  recordsPerBatch: z.number().nullable(),
})
export type Outcome = z.output<typeof Outcome>

/** What is to change, whole: the settings before and after. Each kind knows its own. */
export const DecisionChange = z.object({
  kind: DecisionKind,
  before: z.record(z.string(), z.unknown()),
  after: z.record(z.string(), z.unknown()),
})
export type DecisionChange = z.output<typeof DecisionChange>

/** One figure the decision rests on, with where it is from. */
export const Evidence = z.object({ what: z.string(), value: z.string(), from: z.string() })
export type Evidence = z.output<typeof Evidence>

/** Another way that was looked at, and why it was not taken. */
export const Alternative = z.object({ change: z.string(), usdPerMonth: usd, sendP99Ms: ms, whyNot: z.string() })
export type Alternative = z.output<typeof Alternative>

/** Two groups of windows compared, with the test and what it says. */
export const Comparison = z.object({
  test: z.string().describe('Name of the statistical test'),
  metric: z.string(),
  before: z.object({ median: z.number(), windows: z.number().int(), records: z.number() }),
  after: z.object({ median: z.number(), windows: z.number().int(), records: z.number() }),
  pValue: z.number().describe('Of seeing this if the change did nothing'),
  changeShare: z.number().describe('Relative change of the median: -0.3 is 30 % less'),
  low: z.number().nullable().describe('Lower end of the 95 % interval of the change'),
  high: z.number().nullable(),
})
export type Comparison = z.output<typeof Comparison>

export const Guardrail = z.object({ name: z.string(), limit: z.string(), seen: z.string(), held: z.boolean() })
export type Guardrail = z.output<typeof Guardrail>

export const DecisionTrial = z.object({
  design: z.enum(['instances', 'windows']).describe('Some instances against the rest, or one against itself in turn'),
  instances: z.array(z.string()).describe('On the new settings, now or in turn'),
  ofInstances: z.number().int().describe('Instances that sent, or read, when it began'),
  startedAtMs: atMs,
  endedAtMs: atMs.nullable(),
  dropped: z.number().int().describe('Windows left out because no honest client reports such'),
})
export type DecisionTrial = z.output<typeof DecisionTrial>

export const Decision = z.object({
  number: z.number().int().min(1),
  mqId: MqId,
  kind: DecisionKind,
  state: DecisionState,
  loop: LoopName,
  title: z.string().describe('What changes, in one line'),
  why: z.string(),
  change: DecisionChange,
  choices: z.array(z.object({ setting: z.string(), value: z.string(), reason: z.string() })),
  evidence: z.array(Evidence),
  alternatives: z.array(Alternative),
  before: Outcome.describe('Predicted by the same model for what stands'),
  predicted: Outcome.describe('Predicted for the change (D2)'),
  measuredBefore: Outcome.nullable(),
  measured: Outcome.nullable(),
  predictionError: z.number().nullable().describe('Measured cost over predicted, less 1'),
  savingUsdPerMonth: usd.describe('Predicted, net of what the change itself costs'),
  costOfChangeUsd: z.number(),
  assumptions: z.array(z.string()),
  policy: PolicyMode.describe('In force when it was proposed'),
  trial: DecisionTrial.nullable(),
  trialComparisons: z.array(Comparison),
  watchComparisons: z.array(Comparison),
  guardrails: z.array(Guardrail),
  status: z.string().describe('Where it stands, in words'),
  undo: z.string().nullable().describe('How to undo it, or null when there is nothing to undo'),
  migration: z.number().int().nullable().describe('The migration that makes it true'),
  revision: z.number().int().nullable().describe('Revision of the binding once it stood for all'),
  approvedBy: z.string().nullable(),
  steps: z.array(z.object({ atMs, state: DecisionState, event: z.string(), actor: z.string(), note: z.string() })),
  createdAtMs: atMs,
  updatedAtMs: atMs,
  endedAtMs: atMs.nullable(),
})
export type Decision = z.output<typeof Decision>

/** What the code of now makes of the World that a decision was proposed from. */
export const DecisionReplay = z.object({
  number: z.number().int().min(1),
  mqId: MqId,
  loop: LoopName,
  title: z.string().describe('What was proposed, in one line'),
  recordedAtMs: atMs,
  recordedBy: z.string().describe('Version of mQ that proposed it'),
  replayedBy: z.string().describe('Version of mQ that answers'),
  same: z.boolean().describe('The same proposal, byte for byte'),
  reason: z.string().nullable().describe('What the loop says now where it proposes nothing'),
  differences: z.array(
    z.object({
      path: z.string().describe('Where in the proposal, such as predicted.usdPerMonth'),
      recorded: z.string().nullable(),
      now: z.string().nullable(),
    }),
  ),
  worldBytes: z.number().int().describe('Size of the World as text'),
  world: z.record(z.string(), z.unknown()).describe('Everything the loop saw'),
})
export type DecisionReplay = z.output<typeof DecisionReplay>

/** Why a loop proposes nothing for an mQ ID just now. */
export const Outlook = z.object({
  mqId: MqId,
  loop: LoopName,
  state: z.enum([
    'idle',
    'too-short',
    'too-small',
    'shifting',
    'no-data',
    'busy',
    'resting',
    'budget',
    'nothing-to-gain',
    'unmet',
    'off',
    'proposed',
  ]),
  reason: z.string(),
  atMs,
})
export type Outlook = z.output<typeof Outlook>
