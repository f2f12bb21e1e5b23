/**
 * The retention loop: a topic that keeps more than its intent asks for. Pure.
 *
 * N1. Never below the intent: what the owner asked for is kept, and nothing is proposed that would shorten it.
 * N2. Only what was seen on the cluster counts; a topic nobody looked at has no proposal.
 */
import { formatDurationMs } from '@mq/contract'
import { candidateOf } from '@mq/economics'
import { type LoopDefinition, untilSettled } from '../loop-definition.ts'
import { type Assessment, type Proposal, predictedOutcome, usd } from '../proposal.ts'
import type { IdWorld, World } from '../world.ts'

export const retention: LoopDefinition = {
  name: 'retention',
  cadence: untilSettled,
  assess: (world) => world.ids.flatMap((one) => assess(world, one) ?? []),
}

function assess(world: World, one: IdWorld): Assessment | undefined {
  const { retention: asked } = one.intent
  const seenMs = one.seenRetentionMs
  if (asked.policy !== 'time' || seenMs === null || seenMs <= asked.durationMs || one.isBusy) return undefined
  if (one.decisions.some(({ kind, state }) => kind === 'retention' && state !== 'kept' && state !== 'superseded'))
    return undefined
  const home = world.clusters.find(({ name }) => name === one.configuration.cluster)
  if (home === undefined || one.workload === null) return undefined
  const before = candidateOf(one.workload, { ...one.configuration, retentionMs: seenMs }, home)
  const after = candidateOf(one.workload, { ...one.configuration, retentionMs: asked.durationMs }, home)
  const saved = before.cost.usdPerMonth - after.cost.usdPerMonth
  if (saved < Math.max(world.times.leastSavingUsdPerMonth, 0) || saved <= 0) return undefined
  const [was, is] = [formatDurationMs(seenMs), formatDurationMs(asked.durationMs)]
  const proposal: Proposal = {
    mqId: one.id,
    loop: 'retention',
    title: `retention ${was} -> ${is}`,
    why: `the topic keeps ${was} and the intent asks for ${is}: ${usd(saved)} a month of storage nobody asked for`,
    change: { kind: 'retention', before: { retentionMs: seenMs }, after: { retentionMs: asked.durationMs } },
    choices: [{ setting: 'retention', value: is, reason: 'asked for; the topic kept more' }],
    knobs: ['retention'],
    triedOn: null,
    evidence: [{ what: 'retention.ms of the topic', value: was, from: `cluster '${one.configuration.cluster}'` }],
    alternatives: [
      { change: `keep ${was}`, usdPerMonth: before.cost.usdPerMonth, sendP99Ms: null, whyNot: 'nobody asked for it' },
    ],
    before: predictedOutcome(before),
    predicted: predictedOutcome(after),
    savingUsdPerMonth: saved,
    costOfChangeUsd: 0,
    assumptions: [
      ...home.assumptions,
      `records older than ${is} are deleted once the change is applied, and an undo does not bring them back`,
    ],
    repair: null,
    epoch: one.epoch,
  }
  return { proposal, outlook: { mqId: one.id, loop: 'retention', state: 'proposed', reason: proposal.title } }
}
