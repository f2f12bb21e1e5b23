/**
 * Explains one mQ ID: what stands, why, what it costs, what else there is, and what each requirement costs. Pure.
 *
 * E1. Without telemetry the expected rate of the intent is taken, and the answer says so.
 * E2. Only clusters that are as safe as the one in force and meet the intent are looked at, and none for an mQ ID that may not move.
 * E3. The amounts are those of the same optimiser and price book that decisions use, with the same margin.
 */

import { LATENCY_MARGIN } from '@mq/autopilot'
import type { CostOption, Explanation, Intent } from '@mq/contract'
import { formatDurationMs } from '@mq/contract'
import {
  assumedWorkload,
  type Candidate,
  type ClusterModel,
  type Configuration,
  type Cost,
  DEFAULT_EVIDENCE,
  type Evidence,
  type OptimiseInput,
  type Optimum,
  optimise,
  savingOf,
  type Workload,
} from '@mq/economics'
import { configurationOf } from '../autopilot/configuration.ts'
import { type ClusterTraits, meetsIntent } from '../provision/requirements.ts'
import type { ActiveId } from '../registry/records.ts'
import type { TrafficProfile } from '../telemetry/profile.ts'
import { workloadOf } from '../telemetry/workload.ts'

export interface Subject {
  readonly active: ActiveId
  readonly profile: TrafficProfile | null
  readonly clusters: readonly ClusterModel[]
  /** What intents can require of these, as last seen. */
  readonly traits: readonly ClusterTraits[]
  /** One copy of its open epoch as it lies on disk; null while nobody looked. */
  readonly logBytes: number | null
}

/** The workload to reckon with, and what was assumed about it (E1). */
export function workloadOfSubject({ active, profile, logBytes }: Subject): {
  readonly workload: Workload
  readonly assumptions: readonly string[]
} {
  if (profile === null || profile.records === 0) return assumedWorkload(active.spec.intent)
  return { workload: workloadOf(profile, active, logBytes), assumptions: [] }
}

/** What is kept without a limit in time, in words: no rate tells how much that will be. */
function keptWithoutLimit(intent: Intent, { retainedBytes }: Workload): string[] {
  switch (intent.retention.policy) {
    case 'time':
      return []
    case 'forever':
      return ['what is kept for ever is priced as it will be after a year']
    case 'latest-per-key':
      return retainedBytes === null
        ? ['how much compaction leaves is not known yet: the log is priced as it would be after a year without it']
        : ['how much compaction leaves is what the log holds now; it grows with every new key']
  }
}

export function explain(subject: Subject): Explanation {
  return explainWith(subject, { intent: subject.active.spec.intent, ...workloadOfSubject(subject) })
}

export interface Question {
  readonly intent: Intent
  readonly workload: Workload
  readonly assumptions: readonly string[]
  /** Counts to look at besides the one in force. */
  readonly partitions?: readonly number[]
  /** Left out: what a judgement takes. A question that changes nothing may ask with less. */
  readonly evidence?: Evidence
}

export function explainWith(subject: Subject, question: Question): Explanation {
  const { intent, workload, assumptions, partitions = [], evidence = DEFAULT_EVIDENCE } = question
  const { active } = subject
  const current = configurationOf(active)
  const clusters = eligible(subject, current)
  const latencyMargin = 1 - LATENCY_MARGIN
  const input: OptimiseInput = { workload, intent, current, clusters, partitions, evidence, latencyMargin }
  const optimum = optimise(input)
  const { best, priceOf, rejected, evaluated } = optimum
  const book = clusters.find(({ name }) => name === best.configuration.cluster)!.book
  const saved = savingOf(optimum.current, best)
  const { usdPerMonth, share, range } = saved
  return {
    id: active.id,
    measured: null,
    outcome: outcomeView(optimum),
    workload: {
      source: workload.source,
      recordsPerSecond: workload.recordsPerSecond,
      peakMultiple: workload.peakMultiple,
      recordBytes: workload.recordBytes,
      producers: workload.producers,
      groups: workload.groups.map(({ group, members }) => ({ group, members })),
      observedMs: workload.observedMs,
      records: workload.records,
    },
    requirements: {
      latencyP99Ms: intent.latencyP99Ms,
      acknowledgedWithinMs: intent.acknowledgedWithinMs ?? null,
      retention:
        intent.retention.policy === 'time' ? formatDurationMs(intent.retention.durationMs) : intent.retention.policy,
      ordering: intent.ordering,
      copies: current.replication,
      budgetUsdPerMonth: intent.budgetUsdPerMonth ?? null,
    },
    current: optionView(optimum.current, intent),
    best: optionView(best, intent),
    saving: { usdPerMonth, fromUsdPerMonth: range.fromUsdPerMonth, toUsdPerMonth: range.toUsdPerMonth, share },
    alternatives: optimum.runnersUp.map((candidate) => optionView(candidate, intent)),
    priceOf: [...priceOf],
    rejected: [...rejected],
    evaluated,
    choices: [...active.spec.choices],
    assumptions: [
      ...new Set([...assumptions, ...keptWithoutLimit(intent, workload), ...optimum.assumptions, ...saved.notes]),
    ],
    priceBook: { id: book.id, version: book.version, title: book.title, notes: [...book.notes] },
  }
}

/** E2 */
function eligible({ active, clusters, traits }: Subject, current: Configuration): readonly ClusterModel[] {
  const home = clusters.filter(({ name }) => name === current.cluster)
  if (!active.spec.intent.movable || home.length === 0) return home
  const copies = (cluster: ClusterModel): number => Math.min(cluster.zones, current.replication)
  const others = clusters.filter(
    (cluster) =>
      cluster.name !== current.cluster &&
      cluster.brokers >= current.replication &&
      copies(cluster) >= copies(home[0]!) &&
      meetsIntent(active.spec.intent, cluster.name, traits),
  )
  return [...home, ...others]
}

function outcomeView({ outcome }: Optimum): Explanation['outcome'] {
  const { kind, why } = outcome
  return kind === 'infeasible'
    ? { kind, why, constraint: outcome.constraint, by: outcome.by, unit: outcome.unit }
    : { kind, why, constraint: null, by: null, unit: null }
}

function optionView(candidate: Candidate, intent: Intent): CostOption {
  const { configuration, prediction, cost, peakEndToEndP99Ms } = candidate
  return {
    configuration: { ...configuration },
    usdPerMonth: cost.usdPerMonth,
    usdPerMillionRecords: cost.usdPerMillionRecords,
    lines: linesView(cost),
    recordsPerBatch: prediction.recordsPerBatch,
    ratio: prediction.ratio,
    codecSource: prediction.codecSource,
    wireBytesPerRecord: prediction.wireBytesPerRecord,
    sendP99Ms: prediction.sendP99Ms,
    endToEndP99Ms: peakEndToEndP99Ms,
    meetsLatency:
      peakEndToEndP99Ms <= intent.latencyP99Ms &&
      prediction.sendP99Ms <= (intent.acknowledgedWithinMs ?? Number.POSITIVE_INFINITY),
  }
}

function linesView(cost: Cost): CostOption['lines'] {
  return cost.lines.map((line) => ({ ...line })).toSorted((a, b) => b.usdPerMonth - a.usdPerMonth)
}
