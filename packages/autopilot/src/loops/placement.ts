/**
 * The placement loop: another cluster that is cheaper within the intent, net of what the move costs. Pure.
 *
 * C1. A move has to pay back what it costs PAYBACK times within a month, or it is not proposed.
 * C2. Durability never falls: a cluster with too few brokers or zones for the copies, or that does not meet the intent
 *     (`eligibleClusters`), is not looked at.
 * C3. What cannot be moved (movable: false, latest-per-key) is not proposed.
 */
import { type Candidate, type ClusterModel, candidateOf, HOURS_PER_MONTH } from '@mq/economics'
import { percent } from '../format.ts'
import { mayBeSlower } from '../lateness.ts'
import { type LoopDefinition, untilSettled } from '../loop-definition.ts'
import { type Assessment, type Proposal, predictedOutcome, usd } from '../proposal.ts'
import { notReady } from '../readiness.ts'
import type { IdWorld, World } from '../world.ts'
import { LATENCY_MARGIN, workloadEvidence } from './settings.ts'

/** Both places are paid for while groups drain and until the old topic is deleted. */
export const OVERLAP_HOURS = 4
export const PAYBACK = 3

export const placement: LoopDefinition = {
  name: 'placement',
  cadence: untilSettled,
  assess: (world) => (world.clusters.length < 2 ? [] : world.ids.flatMap((one) => assess(world, one) ?? [])),
}

function assess(world: World, one: IdWorld): Assessment | undefined {
  const { intent, workload, configuration } = one
  const say = (state: Assessment['outlook']['state'], reason: string): Assessment => ({
    proposal: undefined,
    outlook: { mqId: one.id, loop: 'placement', state, reason },
  })
  const waits = notReady(world, one)
  if (waits !== undefined) return say(waits.state, waits.reason)
  const home = world.clusters.find(({ name }) => name === configuration.cluster)
  if (home === undefined || workload === null)
    return say('no-data', `nothing is known about cluster '${configuration.cluster}'`)
  if (!intent.movable || intent.retention.policy === 'latest-per-key') {
    return say(
      'nothing-to-gain',
      intent.movable ? 'a topic that keeps the latest record per key is not moved' : 'the intent says movable: false',
    )
  }
  const now = candidateOf(workload, configuration, home)
  const recent = new Set(
    one.decisions
      .filter(
        ({ kind, state, updatedAtMs }) =>
          kind === 'cluster' && state !== 'kept' && updatedAtMs > world.nowMs - world.times.retryMs,
      )
      .flatMap(({ change }) => (change.kind === 'cluster' ? [change.after.cluster] : [])),
  )
  const others = world.clusters
    .filter(
      (cluster) =>
        cluster.name !== home.name &&
        isAsSafe(home, cluster, configuration.replication) &&
        one.eligibleClusters.includes(cluster.name) &&
        !recent.has(cluster.name),
    )
    .map((cluster) => ({
      cluster,
      candidate: candidateOf(workload, { ...configuration, cluster: cluster.name }, cluster),
    }))
  const slowerWillDo = mayBeSlower(world, one)
  const fits = others
    .filter(({ candidate }) => candidate.peakEndToEndP99Ms <= intent.latencyP99Ms * LATENCY_MARGIN)
    .filter(({ candidate }) => slowerWillDo || candidate.peakEndToEndP99Ms <= now.peakEndToEndP99Ms)
    .filter(({ cluster, candidate }) => hasRoom(cluster, one, candidate))
    .sort((a, b) => a.candidate.cost.usdPerMonth - b.candidate.cost.usdPerMonth)
  const [best] = fits
  if (best === undefined)
    return say('nothing-to-gain', `none of ${world.clusters.length - 1} other clusters can take it within its intent`)
  const saved = now.cost.usdPerMonth - best.candidate.cost.usdPerMonth
  const costOfMove = moveUsd(now, best.candidate)
  const { leastSavingShare, leastSavingUsdPerMonth } = world.times
  const needed = Math.max(leastSavingUsdPerMonth, now.cost.usdPerMonth * leastSavingShare, costOfMove * PAYBACK)
  if (saved < needed || saved <= 0) {
    return say(
      'nothing-to-gain',
      `the cheapest other cluster, '${best.cluster.name}', saves ${usd(saved)} a month; a move is worth it from ${usd(needed)}`,
    )
  }
  const proposal = moveProposal(one, now, best, fits.slice(1), saved, costOfMove)
  return { proposal, outlook: { mqId: one.id, loop: 'placement', state: 'proposed', reason: proposal.title } }
}

/** C2. */
function isAsSafe(home: ClusterModel, other: ClusterModel, replication: number): boolean {
  return other.brokers >= replication && Math.min(other.zones, replication) >= Math.min(home.zones, replication)
}

function hasRoom({ room }: ClusterModel, { workload, configuration }: IdWorld, { prediction }: Candidate): boolean {
  const inBytes = workload!.recordsPerSecond * prediction.wireBytesPerRecord * workload!.peakMultiple
  return (
    (room.inBytesPerSecond === null || inBytes * configuration.replication <= room.inBytesPerSecond) &&
    (room.outBytesPerSecond === null || inBytes * workload!.groups.length <= room.outBytesPerSecond) &&
    (room.diskBytes === null || prediction.localBytes * configuration.replication <= room.diskBytes) &&
    (room.replicas === null || configuration.partitions * configuration.replication <= room.replicas)
  )
}

/** What it costs to have both places for a while. */
export function moveUsd(from: Candidate, to: Candidate): number {
  return ((from.cost.usdPerMonth + to.cost.usdPerMonth) * OVERLAP_HOURS) / HOURS_PER_MONTH
}

function moveProposal(
  one: IdWorld,
  now: Candidate,
  best: { cluster: ClusterModel; candidate: Candidate },
  others: readonly { cluster: ClusterModel; candidate: Candidate }[],
  saved: number,
  costOfMove: number,
): Proposal {
  const { partitions, cluster } = one.configuration
  const to = best.cluster.name
  return {
    mqId: one.id,
    loop: 'placement',
    title: `move from '${cluster}' to '${to}'`,
    why: `predicted ${usd(best.candidate.cost.usdPerMonth)} a month on '${to}' instead of ${usd(now.cost.usdPerMonth)} (${percent(saved / now.cost.usdPerMonth)} less); the move itself costs about ${usd(costOfMove)}`,
    change: { kind: 'cluster', before: { cluster, partitions }, after: { cluster: to, partitions } },
    choices: [
      { setting: 'cluster', value: to, reason: `${usd(saved)} a month cheaper than '${cluster}', within the intent` },
    ],
    knobs: ['cluster'],
    triedOn: null,
    evidence: workloadEvidence(one, now),
    alternatives: others.map(({ cluster: other, candidate }) => ({
      change: `move to '${other.name}'`,
      usdPerMonth: candidate.cost.usdPerMonth,
      sendP99Ms: candidate.prediction.sendP99Ms,
      whyNot: `${usd(candidate.cost.usdPerMonth - best.candidate.cost.usdPerMonth)} a month more`,
    })),
    before: predictedOutcome(now),
    predicted: predictedOutcome(best.candidate),
    // The first month pays for the move.
    savingUsdPerMonth: saved - costOfMove,
    costOfChangeUsd: costOfMove,
    assumptions: [
      ...best.cluster.assumptions,
      `both places are paid for during ${OVERLAP_HOURS} h while groups drain; records are not copied`,
    ],
    repair: null,
    epoch: one.epoch,
  }
}
