/**
 * How a decision is tried that may begin now.
 *
 * R4. What cannot be compared, because it concerns the whole topic, or readers that report no windows or of which no few can be taken,
 *     is made for all and watched. Of readers only a person may ask for that.
 */
import type { Canary, DecisionRecord, Subject } from '@mq/autopilot'
import { activeConsumers, whyNoTrial } from './active-consumers.ts'
import type { Context } from './context.ts'

export type RolloutStrategy =
  | { readonly kind: 'trial'; readonly subject: Subject }
  | { readonly kind: 'for-all'; readonly why: string }
  /** Nobody reads it at the moment. */
  | { readonly kind: 'wait'; readonly why: string }
  /** What it was to be tried on is gone. */
  | { readonly kind: 'not'; readonly why: string }

/** R4. */
export function rolloutStrategy(context: Context, record: DecisionRecord): RolloutStrategy {
  if (record.kind === 'producer-settings') return { kind: 'trial', subject: 'producers' }
  if (record.kind !== 'consumer-settings') {
    return { kind: 'for-all', why: 'it concerns the whole topic, so it is made for all and watched' }
  }
  const why = whyNoTrial(context, record.mqId)
  if (why === null) return { kind: 'trial', subject: 'readers' }
  if (record.approvedBy !== null) {
    return { kind: 'for-all', why: `${why}: as ${record.approvedBy} wished, it is made for all and watched` }
  }
  return activeConsumers(context, record.mqId).length === 0 ? { kind: 'wait', why } : { kind: 'not', why }
}

export function noteOf({ design, instances, ofInstances }: Canary, subject: Subject): string {
  const [one, some] = subject === 'readers' ? ['reads', 'read'] : ['sends', 'send']
  if (design === 'instances') return `on trial with ${instances.length} of ${ofInstances} instances that ${some}`
  return instances.length === 1
    ? `one instance ${one}: it takes turns between the old settings and the new ones`
    : `each group has one reader: they take turns between the old settings and the new ones`
}
