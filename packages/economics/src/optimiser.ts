/**
 * The cheapest configuration that meets the intent, with the reasons: what was refused, what comes next, what each requirement costs.
 *
 * P1. Hard constraints are never relaxed in an answer: acks, durability, ordering, retention as asked. Replication goes up, never down.
 *     A relaxed solve only puts a price on a requirement.
 * P2. An intent that nothing meets is answered with the nearest configuration, the constraint that fails, and by how much.
 * P3. A workload that is idle, or was watched too short, is answered with `too-little`, never with a guess.
 * P4. The configuration in force stays unless it misses the intent, or the saving is worth a change (hysteresis).
 * P5. The answer depends on the input alone, not on the order of clusters.
 */
import { formatDurationMs, type Intent, MqError } from '@mq/contract'
import type { ClusterModel } from './cluster-model.ts'
import { codecName } from './codec-curve.ts'
import { type Configuration, sameConfiguration } from './configuration.ts'
import { costOf } from './cost.ts'
import { GRID, type Grid } from './grid.ts'
import type { Candidate, ConstraintPrice, Optimum, Outcome } from './optimum.ts'
import { atPeak, curveOf, predict } from './prediction.ts'
import { infeasible, rejections } from './refusals.ts'
import { curvesOf } from './rows.ts'
import { type Requirements, Search, type Solved } from './search.ts'
import type { Found } from './tally.ts'
import { checkWorkload, type Workload } from './workload.ts'

/** P4 */
export interface Hysteresis {
  readonly minSavingShare: number
  readonly minSavingUsdPerMonth: number
}

export const DEFAULT_HYSTERESIS: Hysteresis = { minSavingShare: 0.05, minSavingUsdPerMonth: 1 }

/** P3 */
export interface Evidence {
  readonly minMs: number
  readonly minRecords: number
}

export const DEFAULT_EVIDENCE: Evidence = { minMs: 60_000, minRecords: 1_000 }

export interface OptimiseInput {
  readonly workload: Workload
  readonly intent: Intent
  readonly current: Configuration
  /** The cluster of `current` is among them. */
  readonly clusters: readonly ClusterModel[]
  readonly grid?: Grid
  /** Partition counts to try besides the current one; each is a move. */
  readonly partitions?: readonly number[]
  /** Copies the intent asks for; never fewer than there are (P1). */
  readonly replication?: number
  readonly hysteresis?: Hysteresis
  readonly evidence?: Evidence
  /** Share of the latency limit that stays free. */
  readonly latencyMargin?: number
  readonly producerMemoryBytes?: number
  /** `brief` leaves out the price of constraints and all but one runner-up: for looking at thousands. */
  readonly detail?: 'full' | 'brief'
}

export const LATENCY_MARGIN = 0.1
/** Of the time a send may take until it is acknowledged, what the model may predict: clocks and models are not exact. */
const SEND_SHARE = 0.8
/** Half of what a client may buffer. */
const PRODUCER_MEMORY_BYTES = 32 * 1_048_576
const PRODUCER_CPU_SHARE = 0.8
const RUNNERS_UP = 5

export function candidateOf(workload: Workload, configuration: Configuration, cluster: ClusterModel): Candidate {
  const curve = curveOf(workload, configuration)
  const prediction = predict(workload, configuration, cluster, curve)
  const peak = workload.peakMultiple === 1 ? prediction : predict(atPeak(workload), configuration, cluster, curve)
  return {
    configuration,
    prediction,
    cost: costOf(workload, configuration, cluster, prediction),
    peakEndToEndP99Ms: Math.max(prediction.endToEndP99Ms, peak.endToEndP99Ms),
  }
}

export function optimise(input: OptimiseInput): Optimum {
  const { workload, intent, current, grid = GRID, detail = 'full' } = input
  checkWorkload(workload)
  checkGrid(grid)
  const clusters = input.clusters.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  const home = clusters.find(({ name }) => name === current.cluster)
  if (home === undefined) {
    throw new MqError(
      'MQ_CLUSTER_UNKNOWN',
      `The configuration is on '${current.cluster}', which is not among the clusters: ${clusters.map(({ name }) => name).join(', ')}`,
    )
  }
  const read = { ...workload, groups: workload.groups.filter(({ members }) => members > 0) }
  const now = candidateOf(read, current, home)
  const scant = tooLittle(workload, input.evidence ?? DEFAULT_EVIDENCE)
  if (scant !== null) return withoutSearch(scant, now, home)

  const partitions = [current.partitions, ...(input.partitions ?? []).filter((count) => count !== current.partitions)]
  const space = { workload: read, current, clusters, home, grid, curves: curvesOf(read, grid), partitions }
  const search = new Search(space)
  const requirements: Requirements = {
    latencyMs: intent.latencyP99Ms * (1 - (input.latencyMargin ?? LATENCY_MARGIN)),
    sendMs: (intent.acknowledgedWithinMs ?? Number.POSITIVE_INFINITY) * SEND_SHARE,
    replication: Math.max(current.replication, input.replication ?? 0),
    retentionMs: intent.retention.policy === 'time' ? intent.retention.durationMs : null,
    limits: {
      memoryBytes: input.producerMemoryBytes ?? PRODUCER_MEMORY_BYTES,
      cpuShare: PRODUCER_CPU_SHARE,
      maxMessageBytes: intent.maxMessageBytes,
    },
  }
  const solved = search.solve(requirements, detail)
  const candidate = (found: Found): Candidate => candidateOf(read, found.configuration, found.cluster)
  const rejected = rejections(solved, requirements, intent)
  const common = { current: now, rejected, evaluated: solved.evaluated, assumptions: assumptionsOf(home, now) }
  if (solved.best === null) {
    const nearest = solved.nearest === null ? now : candidate(solved.nearest)
    return {
      ...common,
      outcome: infeasible(solved, nearest, requirements),
      best: nearest,
      runnersUp: [],
      priceOf: [],
    }
  }
  const best = sameConfiguration(solved.best.configuration, current) ? now : candidate(solved.best)
  const others = solved.others.slice(0, detail === 'full' ? RUNNERS_UP : 1).map(candidate)
  return {
    ...common,
    outcome: outcomeOf(now, best, intent, requirements, input.hysteresis ?? DEFAULT_HYSTERESIS),
    best,
    runnersUp: others,
    priceOf: detail === 'full' ? prices(search, space, requirements, intent, solved.best) : [],
  }
}

/** P3 */
function tooLittle(workload: Workload, evidence: Evidence): Outcome | null {
  const { observedMs, records, recordsPerSecond, source } = workload
  const needed = { observedMs, neededMs: evidence.minMs, records, neededRecords: evidence.minRecords }
  if (recordsPerSecond === 0) {
    return { kind: 'too-little', ...needed, why: 'it is idle: without records there is nothing to save on' }
  }
  if (source === 'assumed' || (observedMs >= evidence.minMs && records >= evidence.minRecords)) return null
  return {
    kind: 'too-little',
    ...needed,
    why:
      `${records.toLocaleString('en-US')} records in ${formatDurationMs(Math.round(observedMs))} were seen; ` +
      `a judgement takes ${evidence.minRecords.toLocaleString('en-US')} and ${formatDurationMs(evidence.minMs)}`,
  }
}

function withoutSearch(outcome: Outcome, now: Candidate, home: ClusterModel): Optimum {
  return {
    outcome,
    current: now,
    best: now,
    runnersUp: [],
    rejected: [],
    priceOf: [],
    evaluated: 1,
    assumptions: assumptionsOf(home, now),
  }
}

/** P4 */
function outcomeOf(
  now: Candidate,
  best: Candidate,
  intent: Intent,
  requirements: Requirements,
  hysteresis: Hysteresis,
): Outcome {
  const savingUsdPerMonth = now.cost.usdPerMonth - best.cost.usdPerMonth
  const budget = intent.budgetUsdPerMonth
  if (budget !== undefined && best.cost.usdPerMonth > budget) {
    const by = best.cost.usdPerMonth - budget
    return {
      kind: 'infeasible',
      constraint: 'budget',
      by,
      unit: 'USD/month',
      why: `the cheapest configuration within the other requirements costs ${best.cost.usdPerMonth.toFixed(2)} USD a month, ${by.toFixed(2)} above the budget of ${budget}, by what it causes itself; its share of idle brokers comes on top`,
    }
  }
  if (sameConfiguration(now.configuration, best.configuration)) {
    return { kind: 'keep', savingUsdPerMonth: 0, why: 'it is the cheapest configuration within the intent' }
  }
  const misses = missed(now, intent, requirements)
  if (misses !== null) return { kind: 'change', savingUsdPerMonth, why: misses }
  const share = now.cost.usdPerMonth > 0 ? savingUsdPerMonth / now.cost.usdPerMonth : 0
  const least = Math.max(hysteresis.minSavingUsdPerMonth, hysteresis.minSavingShare * now.cost.usdPerMonth)
  if (savingUsdPerMonth >= least) {
    return {
      kind: 'change',
      savingUsdPerMonth,
      why: `saves ${savingUsdPerMonth.toFixed(2)} USD a month (${(share * 100).toFixed(0)} %) within the intent`,
    }
  }
  return {
    kind: 'keep',
    savingUsdPerMonth,
    why:
      savingUsdPerMonth <= 0
        ? 'nothing within the intent is cheaper with its margins'
        : `the best would save ${savingUsdPerMonth.toFixed(2)} USD a month; a change is made from ${least.toFixed(2)} on`,
  }
}

/** What the configuration in force breaks. */
function missed(now: Candidate, intent: Intent, requirements: Requirements): string | null {
  const { configuration, peakEndToEndP99Ms } = now
  if (peakEndToEndP99Ms > intent.latencyP99Ms) {
    return `the p99 of ${peakEndToEndP99Ms.toFixed(0)} ms is over the ${intent.latencyP99Ms} ms asked for`
  }
  const { acknowledgedWithinMs } = intent
  if (acknowledgedWithinMs !== undefined && now.prediction.sendP99Ms > acknowledgedWithinMs) {
    return `sends are acknowledged with a p99 of ${now.prediction.sendP99Ms.toFixed(0)} ms, over the ${acknowledgedWithinMs} ms asked for`
  }
  if (configuration.replication < requirements.replication) {
    return `${configuration.replication} copies are kept and ${requirements.replication} are asked for`
  }
  const asked = requirements.retentionMs ?? Number.POSITIVE_INFINITY
  if ((configuration.retentionMs ?? Number.POSITIVE_INFINITY) < asked) return 'records are kept for less than asked'
  return null
}

/** The same solve with one requirement relaxed (P1). */
function prices(
  search: Search,
  space: ConstructorParameters<typeof Search>[0],
  requirements: Requirements,
  intent: Intent,
  best: Found,
): ConstraintPrice[] {
  // The relaxed solve contains the answer of the strict one, so that no price is below zero.
  const saves = (solved: Solved): number =>
    Math.max(0, best.usdPerMonth - Math.min(best.usdPerMonth, solved.best?.usdPerMonth ?? best.usdPerMonth))
  const list: ConstraintPrice[] = [
    {
      constraint: 'latency',
      asked: `p99 ${formatDurationMs(intent.latencyP99Ms)}`,
      relaxedTo: `p99 ${formatDurationMs(intent.latencyP99Ms * 2)}`,
      usdPerMonth: saves(search.solve({ ...requirements, latencyMs: requirements.latencyMs * 2 }, 'brief')),
    },
  ]
  if (intent.acknowledgedWithinMs !== undefined) {
    list.push({
      constraint: 'acknowledgement',
      asked: `acknowledged within ${formatDurationMs(intent.acknowledgedWithinMs)}`,
      relaxedTo: `within ${formatDurationMs(intent.acknowledgedWithinMs * 2)}`,
      usdPerMonth: saves(search.solve({ ...requirements, sendMs: requirements.sendMs * 2 }, 'brief')),
    })
  }
  if (requirements.replication > 1) {
    list.push({
      constraint: 'durability',
      asked: `${requirements.replication} copies`,
      relaxedTo: `${requirements.replication - 1} ${requirements.replication === 2 ? 'copy' : 'copies'}`,
      usdPerMonth: saves(search.solve({ ...requirements, replication: requirements.replication - 1 }, 'brief')),
    })
  }
  if (requirements.retentionMs !== null) {
    const half = Math.max(1, Math.floor(requirements.retentionMs / 2))
    list.push({
      constraint: 'retention',
      asked: formatDurationMs(requirements.retentionMs),
      relaxedTo: formatDurationMs(half),
      usdPerMonth: saves(search.solve({ ...requirements, retentionMs: half }, 'brief')),
    })
  }
  if (intent.ordering === 'key' && space.workload.keyed) {
    const loose = new Search({ ...space, workload: { ...space.workload, keyed: false } })
    list.push({
      constraint: 'ordering',
      asked: 'records of a key in order',
      relaxedTo: 'no order',
      usdPerMonth: saves(loose.solve(requirements, 'brief')),
    })
  }
  return list.toSorted((a, b) => b.usdPerMonth - a.usdPerMonth)
}

function assumptionsOf(home: ClusterModel, now: Candidate): readonly string[] {
  const { configuration, prediction } = now
  const own = [...home.assumptions]
  if (home.constants.source === 'default') {
    own.push(`latency and CPU by general constants: cluster '${home.name}' was not calibrated yet`)
  } else {
    own.push(`latency as calibrated on cluster '${home.name}' by its workload twins`)
  }
  if (prediction.codecSource === 'assumed' && configuration.codec !== 'none') {
    own.push(
      `the ratio of ${codecName(configuration.codec, configuration.codecLevel)} is assumed: it was not measured on its own records yet`,
    )
  }
  return own
}

function checkGrid(grid: Grid): void {
  const empty = [grid.codecs, grid.lingerMs, grid.batchBytes, grid.fetches].some((list) => list.length === 0)
  const bad =
    grid.lingerMs.some((ms) => !Number.isFinite(ms) || ms < 0) ||
    grid.batchBytes.some((bytes) => !Number.isFinite(bytes) || bytes < 1) ||
    grid.fetches.some(({ fetchMaxWaitMs, fetchMinBytes }) => !(fetchMaxWaitMs >= 1) || !(fetchMinBytes >= 1))
  if (empty || bad)
    throw new MqError('MQ_WORKLOAD_INVALID', 'The grid of settings to try is empty or holds what cannot be')
}
