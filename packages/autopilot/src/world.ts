/**
 * What the loops see: an immutable snapshot. A loop is a function of it and of nothing else.
 *
 * W1. Everything a loop may use stands here, so that a recorded World explains an old proposal.
 * W2. A figure nobody measured is null, never a guess.
 */
import type { ConsumerSettings, EffectivePolicy, Intent, ProducerSettings } from '@mq/contract'
import type { ClusterModel, Configuration, Workload } from '@mq/economics'
import type { LoopTimes } from './loop-times.ts'
import type { PastDecision } from './past-decision.ts'

/** Traffic of one mQ ID in one stretch of the time it was watched. */
export interface Stretch {
  readonly recordsPerSecond: number
  readonly recordBytes: number
}

/** p99 over the minute before; null when nobody reports. */
export interface LatencyLook {
  readonly atMs: number
  readonly sendMs: number | null
  /** Of the slowest group. */
  readonly endToEndMs: number | null
}

export interface IdWorld {
  readonly id: string
  readonly intent: Intent
  /** The parts of the intent that settings follow from, as one text: another key is another intent. */
  readonly intentKey: string
  readonly policy: EffectivePolicy
  readonly producer: ProducerSettings
  readonly consumer: ConsumerSettings
  readonly configuration: Configuration
  /** Clusters that meet the intent, its own included. */
  readonly eligibleClusters: readonly string[]
  /** Partitions that the intent's expected load and the brokers of its cluster ask for. */
  readonly wantedPartitions: number
  /** Largest batch the topic takes. */
  readonly largestBatchBytes: number
  /** What the topic really keeps, as seen on the cluster; null: not seen, or no limit. */
  readonly seenRetentionMs: number | null
  readonly epoch: number
  /** Null when no client reported. */
  readonly workload: Workload | null
  /** Equal parts of the time that was watched, oldest first. */
  readonly stretches: readonly Stretch[]
  /** How long traffic was watched since the settings that stand, and how much. */
  readonly observedMs: number
  readonly records: number
  /** End-to-end p99 beyond what sending takes, of the slowest group; null when no group reports. */
  readonly readingP99Ms: number | null
  /** Why other ways to fetch cannot be compared on some of its readers; null when they can, or nobody looked closely. */
  readonly whyNoReaders: string | null
  /** Since the settings last changed, oldest first; empty for what is in time (lateness.ts). */
  readonly looks: readonly LatencyLook[]
  /** A migration or another change is under way. */
  readonly isBusy: boolean
  /** As far back as decisions are remembered, the newest of them, oldest first. */
  readonly decisions: readonly PastDecision[]
}

export interface World {
  readonly nowMs: number
  readonly autopilot: boolean
  readonly times: LoopTimes
  /** `brief`: a first look at many, to find those worth a closer one. */
  readonly detail: 'brief' | 'full'
  readonly ids: readonly IdWorld[]
  readonly clusters: readonly ClusterModel[]
}
