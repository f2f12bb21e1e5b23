/**
 * What the steps of a decision work with, and what they all ask.
 */

import type { DecisionRecord, GroupP99, LoopTimes, PriceReading, PriceWindow, UsualFetches } from '@mq/autopilot'
import { isUnderWay } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { Logger } from '../logger.ts'
import type { Migrations } from '../migration/migrations.ts'
import type { Migrator } from '../migration/migrator.ts'
import type { Clusters } from '../provision/clusters.ts'
import { intentKey } from '../provision/decide.ts'
import type { Provisioner } from '../provision/provisioner.ts'
import type { ActiveId, IdSpec } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import type { InstanceWindow, TrafficProfile } from '../telemetry/profile.ts'
import type { ReaderWindow } from '../telemetry/reader-window.ts'
import type { Slice } from '../telemetry/slice.ts'
import type { DecisionWriter } from './decision-writer.ts'
import type { Decisions } from './decisions.ts'
import type { Policies } from './policies.ts'
import type { SeenLog } from './world-view.ts'

/** The part of the traffic that decisions look at. */
export interface TrafficReader {
  profile(mqId: string): TrafficProfile | null
  instanceWindows(mqId: string, sinceMs: number): readonly InstanceWindow[]
  readerWindows(mqId: string, sinceMs: number): readonly ReaderWindow[]
  lastMinute(mqId: string): { readonly slice: Slice } | null
}

export interface Work {
  readonly writer: DecisionWriter
  readonly decisions: Decisions
  readonly policies: Policies
  readonly registry: Registry
  readonly provisioner: Provisioner
  readonly clusters: Clusters
  readonly migrator: Migrator
  readonly migrations: Migrations
  readonly traffic: TrafficReader
  readonly deps: Deps
  readonly logger: Logger
  readonly times: LoopTimes
  /** How windows of the mQ ID are priced; undefined when nothing is known about its cluster. */
  readonly pricer: (active: ActiveId) => PriceWindow | undefined
  /** The same for windows of readers. */
  readonly readingPricer: (active: ActiveId, usual: UsualFetches | null) => PriceReading | undefined
  /** What the price of a window of a reader goes by, as it is now. */
  readonly usualFetches: (active: ActiveId) => UsualFetches | null
  /** What the log of a topic held when its cluster was last looked at; one copy. */
  readonly seenLog: SeenLog
  /** Since when this process takes reports: what clients said before is gone. */
  readonly upSinceMs: number
}

export function activeOf({ registry }: Pick<Work, 'registry'>, mqId: string): ActiveId | undefined {
  const record = registry.get(mqId)
  return record?.state === 'active' ? record : undefined
}

export function openEpochOf(active: ActiveId): number {
  return active.epochs.find(({ state }) => state === 'open' || state === 'sealing')?.epoch ?? active.lastEpoch
}

/** Why the decision is about a state of things that is gone, or undefined. */
export function overtakenBy(work: Pick<Work, 'registry'>, record: DecisionRecord): string | undefined {
  const active = activeOf(work, record.mqId)
  if (active === undefined) return `'${record.mqId}' was deleted`
  if (intentKey(active.spec.intent) !== record.work.intent) return 'the intent was changed'
  const isMove = record.kind === 'cluster' || record.kind === 'partitions'
  if (!isMove && openEpochOf(active) !== record.work.epoch) return 'the mQ ID was moved'
  return undefined
}

/** Whether the settings of `change.before` stand, so that the change can be made. */
export function stands(active: ActiveId, { change }: DecisionRecord, which: 'before' | 'after'): boolean {
  const wanted = change[which]
  switch (change.kind) {
    case 'producer-settings':
      return sameSettings(active.spec.producer, wanted)
    case 'consumer-settings':
      return sameSettings(active.spec.consumer, wanted)
    default:
      return true
  }
}

export function sameSettings(a: object, b: object): boolean {
  const text = (value: object): string =>
    JSON.stringify(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
  return text(a) === text(b)
}

/** Another decision that changes the mQ ID now. */
export function otherUnderWay(
  { decisions }: Pick<Work, 'decisions'>,
  record: DecisionRecord,
): DecisionRecord | undefined {
  return decisions.of(record.mqId).find((one) => one.number !== record.number && isUnderWay(one.state))
}

/** The settings with the change made, and its reasons in place of the old ones. */
export function specAfter(spec: IdSpec, { number, change, choices }: DecisionRecord): IdSpec {
  const named = new Map(
    choices.map((choice) => [choice.setting, { ...choice, reason: `decision ${number}: ${choice.reason}` }]),
  )
  const replaced = spec.choices.map((choice) => named.get(choice.setting) ?? choice)
  const added = [...named.values()].filter(({ setting }) => !spec.choices.some((one) => one.setting === setting))
  const trial = spec.trial?.decision === number ? null : spec.trial
  const next = { ...spec, choices: [...replaced, ...added], trial }
  if (change.kind === 'producer-settings') return { ...next, producer: change.after }
  if (change.kind === 'consumer-settings') return { ...next, consumer: change.after }
  return next
}

/** The settings with the change taken back, or undefined when nothing of it stands. */
export function specWithout(spec: IdSpec, record: DecisionRecord): IdSpec | undefined {
  const { number, change, work } = record
  const ours = new Set(record.choices.map(({ setting }) => setting))
  const before = new Map(work.choicesBefore.map((choice) => [choice.setting, choice]))
  const restored = spec.choices.flatMap((choice) =>
    ours.has(choice.setting) ? (before.get(choice.setting) ?? []) : [choice],
  )
  const hasTrial = spec.trial?.decision === number
  const trial = hasTrial ? null : spec.trial
  if (change.kind === 'producer-settings' && sameSettings(spec.producer, change.after)) {
    // A trial of readers names the settings to send with only because a trial names both.
    const held = trial?.consumer === undefined ? trial : { ...trial, producer: change.before }
    return { ...spec, choices: restored, producer: change.before, trial: held }
  }
  if (change.kind === 'consumer-settings' && sameSettings(spec.consumer, change.after)) {
    return { ...spec, choices: restored, consumer: change.before, trial }
  }
  return hasTrial ? { ...spec, trial } : undefined
}

export function lagOf(profile: TrafficProfile | null): number | null {
  const lags = profile?.groups.flatMap(({ lagRecords }) => (lagRecords === null ? [] : [lagRecords])) ?? []
  return lags.length === 0 ? null : lags.reduce((sum, lag) => sum + lag, 0)
}

export function endToEndP99Of(profile: TrafficProfile | null): number | null {
  const all = profile?.groups.flatMap(({ endToEnd }) => endToEnd.quantileMs(0.99) ?? []) ?? []
  return all.length === 0 ? null : Math.max(...all)
}

/** The same for each group. */
export function groupP99sOf(profile: TrafficProfile | null): GroupP99[] {
  return (profile?.groups ?? []).flatMap(({ group, endToEnd }) => {
    const p99Ms = endToEnd.quantileMs(0.99)
    return p99Ms === null ? [] : [{ group, p99Ms }]
  })
}

/** End to end over the last minute, of each group: what a change for all may have done to readers. */
export function readersP99sOf({ traffic }: Pick<Work, 'traffic'>, mqId: string): GroupP99[] {
  return [...(traffic.lastMinute(mqId)?.slice.groups ?? [])].flatMap(([group, { endToEnd }]) => {
    const p99Ms = endToEnd.quantileMs(0.99)
    return p99Ms === null ? [] : [{ group, p99Ms }]
  })
}

/** Records the brokers hold of the open epoch, over all partitions; null when they cannot be asked now. */
export async function storedRecords({ clusters, logger }: Work, active: ActiveId): Promise<bigint | null> {
  const open = active.epochs.find(({ state }) => state === 'open')
  if (open === undefined) return null
  try {
    const ends = await clusters.use(open.cluster, `reading the offsets of ${open.topic}`, (admin) =>
      admin.endOffsets(open.topic, open.partitions),
    )
    return ends.reduce((sum, end) => sum + end, 0n)
  } catch (error) {
    logger.debug({ mqId: active.id, error: String(error) }, 'offsets could not be read for a decision')
    return null
  }
}
