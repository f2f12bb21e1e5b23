/**
 * How a subscription treats messages its handler fails on, from the intent and from the code of the application.
 *
 * RP1. Without a word from either a message is handed out until its handler succeeds. Nothing is given up that has nowhere to go.
 * RP2. What the application says stands above the intent, field by field. The intent takes effect while the subscription runs.
 */

import {
  DEFAULT_ATTEMPTS,
  DEFAULT_BACKOFF,
  type GroupRule,
  groupRuleProblem,
  MAX_ATTEMPTS,
  MqError,
  mergedRule,
} from '@mq/contract'
import type { BackoffLimits } from '@mq/kafka'
import type { BackoffOptions, RetryOptions } from '../api/types.ts'
import { checkOptions, type OptionNames } from '../base/options.ts'

export interface RetryPolicy {
  /** Infinite without dead letters (RP1). */
  readonly attempts: number
  readonly backoff: BackoffLimits
  /** Whether what cannot be decoded becomes a dead letter at once. */
  readonly givesUpUndecodable: boolean
}

const RETRY_OPTIONS: OptionNames<RetryOptions> = { attempts: true, backoff: true }
const BACKOFF_OPTIONS: OptionNames<BackoffOptions> = { baseMs: true, maxMs: true }
const MAX_PAUSE_MS = 86_400_000

export const FOREVER: RetryPolicy = policyOf(undefined, {})

/** Where the two together cannot hold, nothing is given up (RP1). */
export function policyOf(intent: GroupRule | undefined, own: GroupRule): RetryPolicy {
  const { retry, deadLetter, undecodable } = mergedRule(intent, own)
  const { baseMs = DEFAULT_BACKOFF.baseMs, maxMs = DEFAULT_BACKOFF.maxMs } = retry?.backoff ?? {}
  const gives = deadLetter === true
  return {
    attempts: gives ? (retry?.attempts ?? DEFAULT_ATTEMPTS) : Number.POSITIVE_INFINITY,
    backoff: { baseMs: Math.min(baseMs, maxMs), maxMs },
    givesUpUndecodable: gives && undecodable === 'dead-letter',
  }
}

/** The options of `consume` as a rule. @throws MqError MQ_OPTION_INVALID */
export function ruleOf(retry: RetryOptions | undefined, deadLetter: unknown, onPoison: unknown): GroupRule {
  if (retry !== undefined) {
    checkOptions('retry', retry, RETRY_OPTIONS)
    if (retry.backoff !== undefined) checkOptions('retry.backoff', retry.backoff, BACKOFF_OPTIONS)
  }
  if (deadLetter !== undefined && typeof deadLetter !== 'boolean') {
    throw refused(`deadLetter is ${String(deadLetter)}, not true or false`)
  }
  if (onPoison !== undefined && typeof onPoison !== 'function' && onPoison !== 'dead-letter') {
    throw refused(`onPoison is ${String(onPoison)}, not a function and not 'dead-letter'`)
  }
  const { attempts, backoff: { baseMs, maxMs } = {} } = retry ?? {}
  whole('retry.attempts', attempts, MAX_ATTEMPTS)
  whole('retry.backoff.baseMs', baseMs, MAX_PAUSE_MS)
  whole('retry.backoff.maxMs', maxMs, MAX_PAUSE_MS)
  return {
    retry: {
      ...(attempts === undefined ? {} : { attempts }),
      backoff: { ...(baseMs === undefined ? {} : { baseMs }), ...(maxMs === undefined ? {} : { maxMs }) },
    },
    ...(deadLetter === undefined ? {} : { deadLetter }),
    ...(onPoison === 'dead-letter' ? { undecodable: 'dead-letter' as const } : {}),
  }
}

/** @throws MqError MQ_OPTION_INVALID when what the application says cannot hold beside the intent */
export function checkRule(intent: GroupRule | undefined, own: GroupRule): void {
  const problem = groupRuleProblem(mergedRule(intent, own))
  if (problem !== undefined) throw refused(problem.replace("undecodable 'dead-letter'", "onPoison 'dead-letter'"))
}

function whole(name: string, value: number | undefined, max: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 1 && value <= max)) return
  throw refused(`${name} is ${String(value)}, not a whole number from 1 to ${max}`)
}

function refused(message: string): MqError {
  return new MqError('MQ_OPTION_INVALID', message)
}
