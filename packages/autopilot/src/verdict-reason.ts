/**
 * Why a trial or a rollout is kept, given up or looked at again: codes and facts for tests and programs, and their words.
 *
 * Y1. A verdict carries a code with its facts; sentences are made here and nowhere else.
 */
import { percent, seconds } from './format.ts'
import type { Goal, Subject } from './samples.ts'

/** What is still missing for a comparison. */
export type Missing =
  | {
      readonly what: 'windows'
      readonly have: number
      readonly needed: number
      readonly side: 'on trial' | 'of the rest'
    }
  | { readonly what: 'records'; readonly have: number; readonly needed: number }
  | { readonly what: 'time'; readonly haveMs: number; readonly neededMs: number }

/** What the test says of what was sought. */
export interface Gain {
  readonly goal: Goal
  /** Of what stood; above 0 for cheaper, or faster. */
  readonly share: number
  readonly pValue: number
}

/** End-to-end p99 of the last minute, and when the change was proposed; null while no consumer reports. */
export interface ConsumerGain {
  readonly nowMs: number | null
  readonly seenMs: number
}

/** Why the figures decide nothing, or speak against the change. */
export type Doubt =
  | {
      readonly code: 'too-slow'
      readonly facts: { readonly subject: Subject; readonly p99Ms: number; readonly limitMs: number }
    }
  | {
      readonly code: 'counts-disagree'
      readonly facts: { readonly subject: Subject; readonly reported: number; readonly stored: number }
    }
  | { readonly code: 'bytes-disagree'; readonly facts: { readonly reported: number; readonly held: number } }
  | { readonly code: 'implausibly-cheap'; readonly facts: { readonly measured: number; readonly predicted: number } }
  | {
      readonly code: 'dearer-than-predicted'
      readonly facts: { readonly measured: number; readonly predicted: number }
    }
  | {
      readonly code: 'few-instances'
      readonly facts: { readonly goal: Goal; readonly better: number; readonly of: number }
    }

export type VerdictReason =
  | Doubt
  | {
      readonly code: 'guardrail'
      readonly facts: { readonly name: string; readonly seen: string; readonly limit: string }
    }
  | { readonly code: 'proved-nothing'; readonly facts: { readonly afterMs: number; readonly missing: Missing } }
  | { readonly code: 'collecting'; readonly facts: { readonly missing: Missing } }
  | { readonly code: 'between-analyses'; readonly facts: { readonly lastAfterMs: number } }
  | { readonly code: 'better' | 'not-sure'; readonly facts: { readonly gain: Gain; readonly alpha: number } }
  | { readonly code: 'dearer'; readonly facts: { readonly share: number } }
  | { readonly code: 'slower'; readonly facts: { readonly subject: Subject; readonly share: number } }
  | {
      readonly code: 'no-proof'
      readonly facts: { readonly gain: Gain; readonly alpha: number; readonly least: number }
    }
  | { readonly code: 'watching'; readonly facts: { readonly forMs: number; readonly neededMs: number } }
  | {
      readonly code: 'consumers-faster' | 'did-not-help' | 'consumers-not-sure'
      readonly facts: ConsumerGain
    }
  | { readonly code: 'collecting-for-all'; readonly facts: { readonly have: number; readonly needed: number } }
  | { readonly code: 'too-little-traffic'; readonly facts: Readonly<Record<string, never>> }
  | { readonly code: 'not-measured'; readonly facts: { readonly afterMs: number } }
  | {
      readonly code: 'better-for-all' | 'not-sure-for-all' | 'did-not-hold'
      readonly facts: { readonly gain: Gain; readonly consumers: ConsumerGain | null }
    }

export const P99: Readonly<Record<Subject, string>> = { producers: 'p99 of a send', readers: 'end-to-end p99' }
const BETTER: Readonly<Record<Goal, string>> = { cost: 'cheaper', latency: 'faster' }

/** Y1. */
export function verdictText(reason: VerdictReason): string {
  switch (reason.code) {
    case 'guardrail':
      return `guardrail ${reason.facts.name}: ${reason.facts.seen}; ${reason.facts.limit}`
    case 'proved-nothing':
      return `proved nothing in ${seconds(reason.facts.afterMs)}: ${missingText(reason.facts.missing)}`
    case 'collecting':
      return missingText(reason.facts.missing)
    case 'between-analyses':
      return `the first interim analysis did not decide; the last is after ${seconds(reason.facts.lastAfterMs)}`
    case 'better':
      return `the trial is ${gainText(reason.facts)}`
    case 'not-sure':
      return `not sure yet: ${gainText(reason.facts)}`
    case 'dearer':
      return `it costs ${percent(reason.facts.share)} more than what stands`
    case 'slower':
      return `its ${reason.facts.subject === 'readers' ? 'records' : 'sends'} take ${percent(reason.facts.share)} longer than with what stands`
    case 'no-proof': {
      const { gain, least } = reason.facts
      return `no proof that it is ${BETTER[gain.goal]}: ${gainText(reason.facts)}, and at least ${percent(least)} is asked for`
    }
    case 'watching':
      return `for all, watched for ${seconds(reason.facts.forMs)} of ${seconds(reason.facts.neededMs)}`
    case 'consumers-faster':
      return consumersText(reason.facts)
    case 'did-not-help':
      return `it did not help: ${consumersText(reason.facts)}`
    case 'consumers-not-sure':
      return `not sure yet for all: ${consumersText(reason.facts)}`
    case 'collecting-for-all':
      return `${reason.facts.have} of ${reason.facts.needed} windows so far`
    case 'too-little-traffic':
      return 'too little traffic to measure, nothing speaks against it'
    case 'not-measured':
      return `could not be measured for all in ${seconds(reason.facts.afterMs)}`
    case 'better-for-all':
      return gainForAllText(reason.facts)
    case 'not-sure-for-all':
      return `not sure yet for all: ${gainForAllText(reason.facts)}`
    case 'did-not-hold':
      return `what the trial promised did not hold for all: ${gainForAllText(reason.facts)}`
    default:
      return doubtText(reason)
  }
}

function doubtText(doubt: Doubt): string {
  switch (doubt.code) {
    case 'too-slow': {
      const { subject, p99Ms, limitMs } = doubt.facts
      return `the ${P99[subject]} is ${Math.round(p99Ms)} ms on trial, and ${Math.round(limitMs)} ms are allowed`
    }
    case 'counts-disagree': {
      const { subject, reported, stored } = doubt.facts
      return `counts disagree: ${subject === 'readers' ? 'a group reports' : 'clients report'} ${Math.round(reported)} records and the brokers took ${stored}`
    }
    case 'bytes-disagree': {
      const { reported, held } = doubt.facts
      return `counts disagree: clients report ${Math.round(reported)} bytes and the log grew by ${Math.round(held)}`
    }
    case 'implausibly-cheap': {
      const { measured, predicted } = doubt.facts
      return `the trial reports a cost of ${percent(measured)} of before where ${percent(predicted)} was predicted: too good to be believed`
    }
    case 'dearer-than-predicted': {
      const { measured, predicted } = doubt.facts
      return `it costs ${percent(measured - 1)} more where ${percent(Math.max(0, predicted - 1))} more was said`
    }
    case 'few-instances': {
      const { goal, better, of } = doubt.facts
      return `${BETTER[goal]} on ${better} of ${of} instances only`
    }
  }
}

function missingText(missing: Missing): string {
  switch (missing.what) {
    case 'windows':
      return `${missing.have} of ${missing.needed} windows ${missing.side} so far`
    case 'records':
      return `${Math.round(missing.have)} of ${missing.needed} records so far`
    case 'time':
      return `${seconds(missing.haveMs)} of at least ${seconds(missing.neededMs)}`
  }
}

function gainText({ gain, alpha }: { readonly gain: Gain; readonly alpha: number }): string {
  const { goal, share, pValue } = gain
  return `${percent(share)} ${BETTER[goal]} (p = ${pValue.toPrecision(2)}, needed under ${alpha})`
}

function gainForAllText({ gain, consumers }: { readonly gain: Gain; readonly consumers: ConsumerGain | null }): string {
  const { goal, share, pValue } = gain
  const beside = consumers === null ? '' : `; ${consumersText(consumers)}`
  return `${percent(share)} ${BETTER[goal]} for all than before (p = ${pValue.toPrecision(2)})${beside}`
}

function consumersText({ nowMs, seenMs }: ConsumerGain): string {
  return nowMs === null
    ? 'no consumer reports'
    : `the end-to-end p99 of the last minute is ${Math.round(nowMs)} ms where ${Math.round(seenMs)} ms were seen`
}
