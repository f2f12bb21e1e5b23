/**
 * Fewer partitions where records of a key are spread so thin that batches stay empty: each partition is a batch of its own. Pure.
 *
 * S1. Never fewer than the intent's expected load, the brokers and the largest group ask for.
 * S2. Halved, never anything else, so that a later move can double it again; a move has to pay back as any other (placement.ts C1).
 * S3. More partitions are a matter of what they carry, not of cost, and not proposed here.
 */
import { candidateOf } from '@mq/economics'
import { percent } from '../format.ts'
import { mayBeSlower } from '../lateness.ts'
import { type LoopDefinition, untilSettled } from '../loop-definition.ts'
import { type Assessment, type Proposal, predictedOutcome, usd } from '../proposal.ts'
import { notReady } from '../readiness.ts'
import type { IdWorld, World } from '../world.ts'
import { moveUsd, PAYBACK } from './placement.ts'
import { LATENCY_MARGIN, workloadEvidence } from './settings.ts'

export const partitions: LoopDefinition = {
  name: 'partitions',
  cadence: untilSettled,
  assess: (world) => world.ids.flatMap((one) => assess(world, one) ?? []),
}

function assess(world: World, one: IdWorld): Assessment | undefined {
  const { intent, workload, configuration } = one
  const home = world.clusters.find(({ name }) => name === configuration.cluster)
  const { partitions } = configuration
  const fewer = partitions / 2
  if (home === undefined || workload === null || !workload.keyed || !Number.isInteger(fewer)) return undefined
  if (!intent.movable || intent.retention.policy === 'latest-per-key' || notReady(world, one) !== undefined)
    return undefined
  const readers = Math.max(0, ...workload.groups.map(({ members }) => members))
  const least = Math.max(one.wantedPartitions, readers)
  if (fewer < least || wasTried(world, one, fewer)) return undefined
  const now = candidateOf(workload, configuration, home)
  const halved = { ...workload, busiestPartitionShare: Math.max(1 / fewer, workload.busiestPartitionShare) }
  const then = candidateOf(halved, { ...configuration, partitions: fewer }, home)
  if (then.prediction.saturated || then.peakEndToEndP99Ms > intent.latencyP99Ms * LATENCY_MARGIN) return undefined
  if (then.peakEndToEndP99Ms > now.peakEndToEndP99Ms && !mayBeSlower(world, one)) return undefined
  const saved = now.cost.usdPerMonth - then.cost.usdPerMonth
  const costOfMove = moveUsd(now, then)
  const { leastSavingShare, leastSavingUsdPerMonth } = world.times
  if (saved < Math.max(leastSavingUsdPerMonth, now.cost.usdPerMonth * leastSavingShare, costOfMove * PAYBACK))
    return undefined
  const proposal: Proposal = {
    mqId: one.id,
    loop: 'partitions',
    title: `${partitions} -> ${fewer} partitions`,
    why: `predicted ${usd(then.cost.usdPerMonth)} a month instead of ${usd(now.cost.usdPerMonth)} (${percent(saved / now.cost.usdPerMonth)} less): ${then.prediction.recordsPerBatch.toFixed(1)} records in a batch instead of ${now.prediction.recordsPerBatch.toFixed(1)}; the move itself costs about ${usd(costOfMove)}`,
    change: { kind: 'partitions', before: { partitions }, after: { partitions: fewer } },
    choices: [{ setting: 'partitions', value: String(fewer), reason: 'fuller batches; the load and the readers fit' }],
    knobs: ['partitions'],
    triedOn: null,
    evidence: workloadEvidence(one, now),
    alternatives: [],
    before: predictedOutcome(now),
    predicted: predictedOutcome(then),
    savingUsdPerMonth: saved - costOfMove,
    costOfChangeUsd: costOfMove,
    assumptions: [
      ...home.assumptions,
      `at least ${least} partitions are wanted by the load, the brokers and the readers`,
    ],
    repair: null,
    epoch: one.epoch,
  }
  return { proposal, outlook: { mqId: one.id, loop: 'partitions', state: 'proposed', reason: proposal.title } }
}

function wasTried({ nowMs, times }: World, { decisions }: IdWorld, fewer: number): boolean {
  return decisions.some(
    ({ change, state, updatedAtMs }) =>
      change.kind === 'partitions' &&
      change.after.partitions === fewer &&
      state !== 'kept' &&
      updatedAtMs > nowMs - times.retryMs,
  )
}
