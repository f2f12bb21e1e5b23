/**
 * The world as the loops see it, taken from the registry, the traffic, the clusters and the decisions.
 *
 * V1. A copy: nothing a loop does reaches anything.
 * V2. What was watched before the settings or the place last changed says nothing about what stands.
 * V3. A first look goes by what is summed up for every mQ ID; windows of single instances are read of those alone that a loop would
 *     change, so that thousands of quiet ones cost nothing.
 */

import type { DecisionRecord, IdWorld, LatencyLook, Looks, Stretch, World } from '@mq/autopilot'
import { isLive, isPlausible, type PastDecision, pastDecisionOf, spellMs } from '@mq/autopilot'
import { BATCH_OVERHEAD_BYTES } from '@mq/contract'
import type { ClusterModel } from '@mq/economics'
import { intentKey } from '../provision/decide.ts'
import { wantedPartitions } from '../provision/placement-rules.ts'
import { type ClusterTraits, meetsIntent } from '../provision/requirements.ts'
import type { ActiveId } from '../registry/records.ts'
import type { InstanceWindow } from '../telemetry/profile.ts'
import { workloadOf } from '../telemetry/workload.ts'
import { whyNoTrial } from './active-consumers.ts'
import type { TrafficReader } from './change-context.ts'
import { configurationOf, logBytesOf } from './configuration.ts'
import type { WorldSources } from './context.ts'
import { endToEndP99Of } from './latency-facts.ts'
import { activeOf, openEpochOf } from './standing.ts'

/** Into so many parts the time that was watched is cut, to see whether it is steady. */
const STRETCHES = 4
const LEAST_STRETCH_WINDOWS = 2
const MOST_PAST = 100

/** @param closely whether windows of instances are read, too: they are kept for longer as soon as somebody asks for them */
export function worldOf(options: WorldSources, looks: Looks, ids: readonly string[], closely: boolean): World {
  const { deps, policies, times } = options
  const [clusters, traits] = [options.clusterModels(), options.clusters.traits()]
  return {
    nowMs: deps.clock.nowMs(),
    autopilot: policies.autopilot.on,
    times,
    detail: closely ? 'full' : 'brief',
    clusters,
    ids: ids.flatMap((id) => idWorld(options, looks, id, closely, clusters, traits) ?? []),
  }
}

function idWorld(
  options: WorldSources,
  looks: Looks,
  id: string,
  closely: boolean,
  clusters: readonly ClusterModel[],
  traits: readonly ClusterTraits[],
): IdWorld | undefined {
  const { policies, traffic, times, deps, migrations } = options
  const active = activeOf(options, id)
  if (active === undefined) return undefined
  const nowMs = deps.clock.nowMs()
  const profile = traffic.profile(id)
  const decisions = options.decisions.of(id)
  const changedAtMs = Math.max(
    active.epochs.at(-1)?.createdAtMs ?? 0,
    ...decisions.filter(hasTouched).map(({ work, endedAtMs }) => endedAtMs ?? work.appliedAtMs ?? 0),
  )
  const sinceMs = Math.max(changedAtMs, nowMs - 2 * times.observeMs)
  const windows = !closely
    ? []
    : traffic
        .instanceWindows(id, sinceMs)
        .filter((one) => one.trial === null && isPlausible(one) && one.windowStartMs >= changedAtMs)
  const first = Math.min(nowMs, ...windows.map(({ windowStartMs }) => windowStartMs))
  const sendP99Ms = profile?.sendLatency.quantileMs(0.99) ?? null
  const endToEnd = endToEndP99Of(profile)
  const look = lookOf(traffic, id, nowMs)
  const configuration = configurationOf(active)
  const home = clusters.find(({ name }) => name === configuration.cluster)
  return {
    id,
    intent: active.spec.intent,
    intentKey: intentKey(active.spec.intent),
    policy: policies.effective(id, active.spec.intent.owner?.team),
    producer: active.spec.producer,
    consumer: active.spec.consumer,
    configuration,
    eligibleClusters: traits.flatMap(({ name }) => (meetsIntent(active.spec.intent, name, traits) ? [name] : [])),
    wantedPartitions: wantedPartitions(active.spec.intent, home?.brokers ?? 1).partitions,
    largestBatchBytes: Number(active.spec.topicConfigs['max.message.bytes'] ?? 1_048_576) - BATCH_OVERHEAD_BYTES,
    seenRetentionMs: seenRetention(options, active),
    epoch: openEpochOf(active),
    workload: profile === null ? null : workloadOf(profile, active, logBytesOf(options.seenLog, active)),
    stretches: stretchesOf(windows, first, nowMs),
    observedMs: closely ? nowMs - first : (profile?.observedMs ?? 0),
    records: closely ? windows.reduce((sum, { records }) => sum + records, 0) : (profile?.records ?? 0),
    readingP99Ms: leastOf(beyond(endToEnd, sendP99Ms), beyond(look.endToEndMs, look.sendMs)),
    whyNoReaders: closely ? whyNoTrial(options, id) : null,
    looks: looks.take(id, look, active.spec.intent.latencyP99Ms, changedAtMs, spellMs(options)),
    isBusy: active.pending !== null || migrations.handingOver(id) !== undefined,
    decisions: pastOf(decisions),
  }
}

const beyond = (endToEndMs: number | null, sendMs: number | null): number | null =>
  endToEndMs === null || sendMs === null ? null : Math.max(0, endToEndMs - sendMs)

/** A group that began in the middle of a log, or fell behind for a moment, was late once: neither then nor now alone says how it reads. */
function leastOf(ever: number | null, lately: number | null): number | null {
  return ever === null || lately === null ? (ever ?? lately) : Math.min(ever, lately)
}

/** A minute with few records has no p99 worth a look. */
const LEAST_FOR_LOOK = 100

export function lookOf(traffic: TrafficReader, id: string, atMs: number): LatencyLook {
  const slice = traffic.lastMinute(id)?.slice
  const groups = [...(slice?.groups.values() ?? [])].filter(({ counts }) => counts.records >= LEAST_FOR_LOOK)
  const reading = groups.flatMap(({ endToEnd }) => endToEnd.quantileMs(0.99) ?? [])
  return {
    atMs,
    sendMs: slice !== undefined && slice.producer.records >= LEAST_FOR_LOOK ? slice.sendLatency.quantileMs(0.99) : null,
    endToEndMs: reading.length === 0 ? null : Math.max(...reading),
  }
}

function seenRetention(options: WorldSources, active: ActiveId): number | null {
  const open = active.epochs.find(({ state }) => state === 'open')
  return open === undefined ? null : options.seenRetentionMs(open.cluster, open.topic)
}

/** What is open, and the newest: an mQ ID with a long past must not make a World that is too large to be kept. */
function pastOf(decisions: readonly DecisionRecord[]): PastDecision[] {
  const from = decisions.length - MOST_PAST
  return decisions
    .filter(({ state }, nth) => nth >= from || (isLive({ state }) && state !== 'kept'))
    .map(pastDecisionOf)
}

/** A decision that was turned down or only waits changed nothing. */
function hasTouched({ steps }: DecisionRecord): boolean {
  return steps.some(({ event }) => event === 'trial-began' || event === 'apply-began')
}

/** The rate and the size in equal parts of the time; the part that is still running is left out. */
function stretchesOf(windows: readonly InstanceWindow[], fromMs: number, nowMs: number): Stretch[] {
  const longestMs = Math.max(1, ...windows.map(({ activeMs }) => activeMs))
  const untilMs = nowMs - longestMs
  const partMs = (untilMs - fromMs) / STRETCHES
  if (partMs < LEAST_STRETCH_WINDOWS * longestMs) return []
  return Array.from({ length: STRETCHES }, (_, index) => {
    const [start, end] = [fromMs + index * partMs, fromMs + (index + 1) * partMs]
    const part = windows.filter(({ windowStartMs }) => windowStartMs >= start && windowStartMs < end)
    const records = part.reduce((sum, one) => sum + one.records, 0)
    const bytes = part.reduce((sum, one) => sum + one.recordBytes, 0)
    return { recordsPerSecond: (records * 1_000) / partMs, recordBytes: records === 0 ? 0 : bytes / records }
  })
}
