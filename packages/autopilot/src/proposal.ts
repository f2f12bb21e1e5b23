/**
 * What a loop proposes, and what it says where it proposes nothing. Pure.
 */
import type { Alternative, Choice, DecisionChange, Evidence, Outcome, Outlook } from '@mq/contract'
import type { Candidate, Optimum } from '@mq/economics'
import type { Repair } from './decision-record.ts'
import type { Subject } from './samples.ts'

export interface Proposal {
  readonly mqId: string
  readonly loop: string
  readonly title: string
  readonly why: string
  readonly change: DecisionChange
  readonly choices: readonly Choice[]
  /** What the policy has to allow; what it does not name waits for a person. */
  readonly knobs: readonly string[]
  /** Whom it is tried on first; null where nobody can try it for all. */
  readonly triedOn: Subject | null
  readonly evidence: readonly Evidence[]
  readonly alternatives: readonly Alternative[]
  readonly before: Outcome
  readonly predicted: Outcome
  /** A month, net of what the change itself costs. */
  readonly savingUsdPerMonth: number
  readonly costOfChangeUsd: number
  readonly assumptions: readonly string[]
  /** With a requirement that is missed now; null for what is to save. */
  readonly repair: (Repair & { readonly overBudgetUsd: number | null }) | null
  readonly epoch: number
}

/** What a loop makes of one mQ ID. */
export interface Assessment {
  readonly proposal: Proposal | undefined
  readonly outlook: Omit<Outlook, 'atMs'>
}

export function predictedOutcome({ cost, prediction }: Pick<Candidate, 'cost' | 'prediction'>): Outcome {
  return {
    usdPerMonth: cost.usdPerMonth,
    usdPerMillionRecords: cost.usdPerMillionRecords,
    sendP99Ms: prediction.sendP99Ms,
    endToEndP99Ms: prediction.endToEndP99Ms,
    wireBytesPerRecord: prediction.wireBytesPerRecord,
    recordsPerBatch: prediction.recordsPerBatch,
  }
}

export function alternativesOf(optimum: Optimum): Alternative[] {
  const best = optimum.best.cost.usdPerMonth
  return [
    ...optimum.runnersUp.map((one) => ({
      change: knobsText(one),
      usdPerMonth: one.cost.usdPerMonth,
      sendP99Ms: one.prediction.sendP99Ms,
      whyNot: `${usd(one.cost.usdPerMonth - best)} a month more`,
    })),
    ...optimum.rejected.map(({ constraint, reason, count }) => ({
      change: `${count} more`,
      usdPerMonth: null,
      sendP99Ms: null,
      whyNot: `${constraint}: ${reason}`,
    })),
  ]
}

export function knobsText({ configuration }: Candidate): string {
  const { codec, codecLevel, lingerMs, batchBytes, fetchMinBytes, fetchMaxWaitMs, cluster } = configuration
  const fetch = fetchMinBytes <= 1 ? 'fetch at once' : `fetch ${fetchMinBytes} bytes or after ${fetchMaxWaitMs} ms`
  return `${codecText(codec, codecLevel)}, linger ${lingerMs} ms, batch ${Math.round(batchBytes / 1_024)} KiB, ${fetch}, on ${cluster}`
}

export function codecText(codec: string, level: number | null | undefined): string {
  return level === null || level === undefined ? codec : `${codec} level ${level}`
}

/** `1.24 USD`, with as many digits as it takes to see something. */
export function usd(amount: number): string {
  const size = Math.abs(amount)
  const digits = size >= 100 ? 0 : size >= 0.01 || size === 0 ? 2 : 4
  return `${amount.toFixed(digits)} USD`
}
