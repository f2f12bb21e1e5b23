/**
 * The answer of the optimiser, as everything that shows, applies or checks it reads it.
 *
 * O1. `outcome` says what to do; the other fields say why. Only `change` proposes anything.
 * O2. `current` and `best` are always there when a model could be computed, so that nobody has to guess what was compared.
 */
import type { Configuration } from './configuration.ts'
import type { Cost } from './cost.ts'
import type { Prediction } from './prediction.ts'

export interface Candidate {
  readonly configuration: Configuration
  /** At the usual rate. */
  readonly prediction: Prediction
  readonly cost: Cost
  /** End-to-end p99 at the expected peak: what the intent is held against. */
  readonly peakEndToEndP99Ms: number
}

/** Why a configuration is out. */
export type Constraint =
  | 'latency'
  | 'acknowledgement'
  | 'durability'
  | 'ordering'
  | 'retention'
  | 'producer-memory'
  | 'producer-cpu'
  | 'partition-rate'
  | 'headroom'
  | 'message-size'
  | 'budget'

export interface Rejection {
  readonly constraint: Constraint
  /** In words, with numbers. */
  readonly reason: string
  readonly count: number
}

/** What a requirement costs: the same solve with that one requirement relaxed. */
export interface ConstraintPrice {
  readonly constraint: 'latency' | 'acknowledgement' | 'durability' | 'ordering' | 'retention'
  readonly asked: string
  readonly relaxedTo: string
  readonly usdPerMonth: number
}

export type Outcome =
  | { readonly kind: 'change'; readonly savingUsdPerMonth: number; readonly why: string }
  | { readonly kind: 'keep'; readonly savingUsdPerMonth: number; readonly why: string }
  | {
      readonly kind: 'infeasible'
      readonly constraint: Constraint
      /** By how much the nearest configuration misses, in `unit`. */
      readonly by: number
      readonly unit: 'ms' | 'USD/month' | 'bytes' | 'records/s' | 'clusters'
      readonly why: string
    }
  | {
      readonly kind: 'too-little'
      readonly observedMs: number
      readonly neededMs: number
      readonly records: number
      readonly neededRecords: number
      readonly why: string
    }

export interface Optimum {
  readonly outcome: Outcome
  readonly current: Candidate
  /** The cheapest within the intent; for `infeasible` the nearest to it; for `too-little` the current one. */
  readonly best: Candidate
  /** The next cheapest, each of another codec, linger, batch size or cluster than those before. */
  readonly runnersUp: readonly Candidate[]
  readonly rejected: readonly Rejection[]
  readonly priceOf: readonly ConstraintPrice[]
  readonly evaluated: number
  readonly assumptions: readonly string[]
}
