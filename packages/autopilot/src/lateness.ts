/**
 * Whether an mQ ID misses the p99 of its intent, and what is remembered of the times it did. Pure.
 *
 * M1. Missed is what was over in nearly every look of a spell, the newest among them: a spike is no reason to change anything.
 * M2. What made an mQ ID meet its intent is not given up for a saving: while it is late, and for `retryMs` after a repair, nothing
 *     slower by the model is proposed, and the error of the model that a repair showed stays in the limit of every saving.
 */
import type { Candidate } from '@mq/economics'
import { median } from 'simple-statistics'
import type { Repair } from './decision-record.ts'
import type { PastDecision } from './past-decision.ts'
import type { IdWorld, LatencyLook, World } from './world.ts'

/** A look is at the last minute: in a shorter spell one spike would be in all of them. */
const LEAST_SPELL_MS = 120_000
const LEAST_LOOKS = 5
const LATE_SHARE = 0.8
const MOST_FACTOR = 4

export type Lateness =
  | { readonly kind: 'none' }
  /** Over the intent now, and not for long enough (M1). */
  | { readonly kind: 'late'; readonly seenMs: number; readonly forMs: number; readonly neededMs: number }
  | {
      readonly kind: 'missed'
      readonly what: Repair['what']
      readonly seenMs: number
      readonly forMs: number
      /** Medians of the looks; null when nobody reports. */
      readonly sendMs: number | null
      readonly endToEndMs: number | null
    }
export type Missed = Extract<Lateness, { kind: 'missed' }>

export function spellMs({ times }: Pick<World, 'times'>): number {
  return Math.max(LEAST_SPELL_MS, times.observeMs)
}

export function worstMsOf({ sendMs, endToEndMs }: LatencyLook): number {
  return Math.max(sendMs ?? 0, endToEndMs ?? 0)
}

export function latenessOf(world: World, { looks, intent }: Pick<IdWorld, 'looks' | 'intent'>): Lateness {
  const [allowed, neededMs] = [intent.latencyP99Ms, spellMs(world)]
  const [first, last] = [looks[0], looks.at(-1)]
  if (first === undefined || last === undefined || worstMsOf(last) <= allowed) return { kind: 'none' }
  const late = looks.filter((look) => worstMsOf(look) > allowed)
  const forMs = world.nowMs - first.atMs
  if (looks.length < LEAST_LOOKS || forMs < neededMs || late.length < looks.length * LATE_SHARE) {
    return { kind: 'late', seenMs: worstMsOf(last), forMs, neededMs }
  }
  const sendMs = middle(late.map((look) => look.sendMs))
  const endToEndMs = middle(late.map((look) => look.endToEndMs))
  // Sending can be tried and tested on a few instances, so where it alone is over it is what is judged.
  const what = sendMs !== null && sendMs > allowed ? 'send' : 'end to end'
  return {
    kind: 'missed',
    what,
    seenMs: (what === 'send' ? sendMs : endToEndMs) ?? worstMsOf(last),
    forMs,
    sendMs,
    endToEndMs,
  }
}

function middle(values: readonly (number | null)[]): number | null {
  const known = values.flatMap((value) => value ?? [])
  return known.length === 0 ? null : median(known)
}

/** Measured over predicted for what stands, from 1 to 4. */
export function errorOf({ what, seenMs }: Missed, { prediction }: Candidate): number {
  const predictedMs = what === 'send' ? prediction.sendP99Ms : prediction.endToEndP99Ms
  return predictedMs > 0 ? Math.min(MOST_FACTOR, Math.max(1, seenMs / predictedMs)) : 1
}

/** Repairs that stand, or stood until something better was made of them, under the intent of today. */
function repairsOf({ decisions, intentKey }: IdWorld): { readonly record: PastDecision; readonly repair: Repair }[] {
  return decisions.flatMap((record) => {
    const { repair, intent: madeFor } = record.work
    const stood = (record.state === 'kept' || record.state === 'superseded') && record.work.appliedAtMs !== null
    return repair == null || madeFor !== intentKey || !stood ? [] : [{ record, repair }]
  })
}

/** M2: how wrong the model was where a requirement was missed. */
export function rememberedFactor(one: IdWorld): number {
  return Math.max(1, ...repairsOf(one).map(({ repair }) => repair.factor))
}

/** M2. */
export function mayBeSlower(world: World, one: IdWorld): boolean {
  if (latenessOf(world, one).kind !== 'none') return false
  return !repairsOf(one).some(
    ({ record }) => (record.endedAtMs ?? record.updatedAtMs) > world.nowMs - world.times.retryMs,
  )
}
