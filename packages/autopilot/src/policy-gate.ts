/**
 * From a proposal to the record of a decision: what the policy makes of it. Pure.
 *
 * Q1. `observe` records and waits for nobody; `approve` waits for a person; `auto` goes on, unless a knob it touches is not among
 *     those it may turn by itself.
 * Q2. Nothing goes over the budget of an intent by itself, not even to meet its other requirements.
 * Q3. What is to be tried on readers waits for a person where they cannot be compared.
 */
import type { Choice, DecisionState } from '@mq/contract'
import type { DecisionRecord, Repair } from './decision-record.ts'
import { sendLimitMs } from './loops/settings.ts'
import { type Proposal, usd } from './proposal.ts'
import type { IdWorld, World } from './world.ts'

export function newRecord(
  world: World,
  one: IdWorld,
  choicesBefore: readonly Choice[],
  proposal: Proposal,
): Omit<DecisionRecord, 'number'> {
  const { nowMs } = world
  const { state, status } = gate(one, proposal)
  const { before, predicted } = proposal
  const steps = [{ atMs: nowMs, state: 'proposed' as const, event: 'proposed', actor: 'mq', note: proposal.why }]
  if (state !== 'proposed') {
    steps.push({
      atMs: nowMs,
      state: state as 'proposed',
      event: state === 'waiting' ? 'ask' : 'accept',
      actor: 'policy',
      note: status,
    })
  }
  return {
    mqId: one.id,
    kind: proposal.change.kind,
    state,
    loop: proposal.loop,
    title: proposal.title,
    why: proposal.why,
    change: proposal.change,
    choices: [...proposal.choices],
    evidence: [...proposal.evidence],
    alternatives: [...proposal.alternatives],
    before,
    predicted,
    measuredBefore: null,
    measured: null,
    predictionError: null,
    savingUsdPerMonth: proposal.savingUsdPerMonth,
    costOfChangeUsd: proposal.costOfChangeUsd,
    assumptions: [...proposal.assumptions],
    policy: one.policy.mode,
    trial: null,
    trialComparisons: [],
    watchComparisons: [],
    guardrails: [],
    status,
    undo: null,
    migration: null,
    revision: null,
    approvedBy: null,
    steps,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    endedAtMs: null,
    work: {
      intent: one.intentKey,
      epoch: proposal.epoch,
      choicesBefore: [...choicesBefore],
      baseline: [],
      past: [],
      baselineP99Ms: null,
      groupP99s: null,
      usualFetches: null,
      lagBefore: null,
      recordsPerSecond: one.workload?.recordsPerSecond ?? 0,
      sendP99LimitMs: sendLimitMs(one),
      predictedRatio:
        before.usdPerMillionRecords === null ||
        predicted.usdPerMillionRecords === null ||
        before.usdPerMillionRecords <= 0
          ? null
          : predicted.usdPerMillionRecords / before.usdPerMillionRecords,
      repair: repairOf(proposal),
      looks: 0,
      turn: null,
      stored: null,
      held: null,
      trialChange: null,
      appliedAtMs: null,
      undo: null,
      undoMigration: null,
    },
  }
}

function repairOf({ repair }: Proposal): Repair | null {
  if (repair === null) return null
  const { overBudgetUsd: _over, ...kept } = repair
  return kept
}

/** Q1, Q2, Q3. */
function gate(
  { policy, whyNoReaders }: IdWorld,
  { knobs, repair, triedOn }: Proposal,
): { state: DecisionState; status: string } {
  const [mode, autoKnobs] = [policy.from.mode, policy.from.autoKnobs]
  switch (policy.mode) {
    case 'observe':
      return { state: 'proposed', status: `a recommendation: the policy (${mode}) says observe` }
    case 'approve':
      return {
        state: 'waiting',
        status:
          mode === 'default'
            ? "waits for a person: a new installation asks before it changes anything ('mq decision show' explains, 'mq approve' lets it go on, 'mq policy set global --mode auto' lets mQ go on by itself)"
            : `waits for a person: the policy (${mode}) says approve`,
      }
    case 'auto': {
      if (repair !== null && repair.overBudgetUsd !== null) {
        return {
          state: 'waiting',
          status: `waits for a person: it is ${usd(repair.overBudgetUsd)} a month over the budget`,
        }
      }
      if (triedOn === 'readers' && whyNoReaders !== null) {
        return { state: 'waiting', status: `waits for a person: ${whyNoReaders}` }
      }
      const allowed: readonly string[] = policy.autoKnobs
      const asks = knobs.filter((knob) => !allowed.includes(knob))
      return asks.length === 0
        ? { state: 'approved', status: `the policy (${mode}) says auto` }
        : {
            state: 'waiting',
            status: `waits for a person: the policy (${autoKnobs}) lets nobody change ${asks.join(', ')} unasked`,
          }
    }
  }
}
