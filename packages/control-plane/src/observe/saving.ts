/**
 * What a saving of a scan is: a change, what it assumes, how sure it is, and what it saves.
 */
import type { Cost } from '@mq/economics'
import type { TopicState } from './topic-bill.ts'

export type SavingKind =
  | 'codec'
  | 'codec-and-batches'
  | 'batches'
  | 'idle-topic'
  | 'unread-topic'
  | 'replication'
  | 'retention'
  | 'tiering'
  | 'follower-fetch'
  | 'partitions'
  | 'brokers'

/** `high`: measured on its own records or plain arithmetic; `medium`: a stated condition has to hold; `low`: a person knows better. */
export type SavingConfidence = 'high' | 'medium' | 'low'

export interface TopicSaving {
  readonly kind: SavingKind
  readonly topic: string
  /** What to do. */
  readonly change: string
  readonly assumption: string
  readonly confidence: SavingConfidence
  /** On top of `after` (V1). */
  readonly usdPerMonth: number
  /** Those on the same topic that it counts on. */
  readonly after: readonly SavingKind[]
  /** If it were the only one. */
  readonly aloneUsdPerMonth: number
  /** The part that is broker CPU: on the bill once a whole broker can go. */
  readonly computeUsdPerMonth: number
}

/** A line of the scan's list: one saving, or the same one on several topics. */
export interface ScannedSaving {
  readonly kind: SavingKind
  /** Null: the whole cluster, all its topics together. */
  readonly topic: string | null
  readonly topics: number
  readonly change: string
  readonly assumption: string
  readonly confidence: SavingConfidence
  readonly usdPerMonth: number
  readonly aloneUsdPerMonth: number
  readonly computeUsdPerMonth: number
  /** On the same topic, those it counts on: they stand before it in the list. */
  readonly after: readonly SavingKind[]
}

export interface TopicSavings {
  readonly savings: readonly TopicSaving[]
  readonly after: Cost
}

export interface Change {
  readonly kind: SavingKind
  readonly change: string
  readonly assumption: string
  readonly confidence: SavingConfidence
  readonly apply: (state: TopicState) => TopicState
}

/** A few names, and how many more there are. */
export function namesOf(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ')
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown
}
