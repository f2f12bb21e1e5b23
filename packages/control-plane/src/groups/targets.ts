/**
 * Which positions a change asks for, partition by partition, and what each of them means.
 *
 * T1. Without a partition or an epoch every live epoch is meant: a time may lie in an older one, and what is finished in each of them
 *     follows from that time alone. Later epochs wait at their gates, which follow from positions.
 * T2. A partition is one of the epoch that is named, of the open one where none is: partitions of other epochs hold other keys.
 * T3. A shift goes from where the group reads: for each partition number, in the oldest epoch in which it is not at the end.
 * T4. A reset means "from here on, all of it": what was finished beyond the old position, and how often records failed, is forgotten. A skip
 *     and a replay keep it.
 * T5. A replay never moves forward: what the group has not read yet stays unread.
 * T6. Targets outside the log are refused where a person named an offset, and moved to its edge and told elsewhere.
 */
import { type GroupAction, MqError } from '@mq/contract'
import { decodeCommitMetadata, encodeCommitMetadata, type FailingRecord } from '@mq/kafka'
import type { ClusterAdmin } from '../provision/cluster-admin.ts'
import type { StandingPosition } from '../provision/group-admin.ts'
import { type Finished, isFinished, isSame, max, min, upTo, withOne, without } from './finished-set.ts'
import { endOf, type GroupSight } from './group-view.ts'

export interface Target {
  readonly epoch: number
  readonly partition: number
  readonly start: bigint
  readonly end: bigint
  readonly before: StandingPosition | undefined
  readonly after: StandingPosition
}

export interface TargetRequest {
  readonly action: GroupAction
  readonly partition: number | null
  readonly epoch: number | null
}

export type UseAdmin = <T>(cluster: string, doing: string, work: (admin: ClusterAdmin) => Promise<T>) => Promise<T>

export interface Resolved {
  /** Only those that change something. */
  readonly targets: readonly Target[]
  readonly notes: readonly string[]
}

interface Place {
  readonly sight: GroupSight
  readonly partition: number
}

export async function resolveTargets(
  use: UseAdmin,
  sights: readonly GroupSight[],
  request: TargetRequest,
  { isOwn, nowMs }: { readonly isOwn: boolean; readonly nowMs: number },
): Promise<Resolved> {
  const { action } = request
  checkRequest(request, isOwn, nowMs)
  const notes = new Set<string>()
  const places = placesOf(sights, request)
  const times = await timesOf(use, places, action)
  const targets: Target[] = []
  for (const { sight, partition } of places) {
    const start = sight.starts[partition] ?? 0n
    const end = endOf(sight, partition)
    const before = sight.standing.positions.get(partition)
    const offsetAt = (atMs: number): bigint => min(times.get(`${sight.epoch.epoch} ${partition} ${atMs}`) ?? end, end)
    const edges = { epoch: sight.epoch.epoch, partition, start, end }
    const after = afterOf(action, edges, before, offsetAt, notes)
    if (after === undefined) continue
    if (before !== undefined && isSame(before, after)) continue
    if (!isOwn && after.finished.length > 0) {
      throw new MqError(
        'MQ_GROUP_CHANGE_REFUSED',
        `the group is not of mQ: it cannot pass a record beyond its position, which is ${before?.offset ?? 0n} in partition ${partition}`,
      )
    }
    const highestEpoch = await leaderEpochOf(use, sight, partition, before, after)
    const finished = highestEpoch === undefined ? [] : after.finished
    const failing = stillFailing(action, before, after)
    const epochs = [highestEpoch, failing.length === 0 ? undefined : before?.leaderEpoch]
    const leaderEpoch = epochs.reduce((one, other) => (one === undefined || (other ?? one) > one ? other : one))
    const target = { ...edges, before, after: { offset: after.offset, finished, leaderEpoch, failing } }
    checkNote(action, target)
    targets.push(target)
  }
  return { targets, notes: [...notes] }
}

function afterOf(
  action: GroupAction,
  { epoch, partition, start, end }: Pick<Target, 'epoch' | 'partition' | 'start' | 'end'>,
  before: Finished | undefined,
  offsetAt: (atMs: number) => bigint,
  notes: Set<string>,
): Finished | undefined {
  const where = `partition ${partition} of epoch ${epoch}`
  switch (action.kind) {
    case 'to-earliest':
      return upTo(start)
    case 'to-latest':
      return upTo(end)
    case 'to-offset': {
      const offset = BigInt(action.offset)
      if (offset >= start && offset <= end) return upTo(offset)
      throw new MqError('MQ_OPTION_INVALID', `${where} holds offsets ${start} to ${end}, not ${offset}`)
    }
    case 'to-time': {
      const offset = max(offsetAt(action.timeMs), start)
      if (offset === start && start > 0n) notes.add(`${where} begins at its earliest record: older ones were removed`)
      return upTo(offset)
    }
    case 'shift': {
      if (before === undefined) {
        notes.add(`${where} has no position, and stays so`)
        return undefined
      }
      const wanted = before.offset + BigInt(action.records)
      const offset = min(max(wanted, start), end)
      if (offset !== wanted) notes.add(`${where} moves to ${offset}, the edge of its log, and not to ${wanted}`)
      return upTo(offset)
    }
    case 'skip':
      // A group without a position begins at the earliest record: those that begin elsewhere commit where they do.
      return afterSkip(BigInt(action.offset), where, before ?? upTo(start), end)
    case 'replay': {
      // T5
      if (before === undefined) return undefined
      const from = max(offsetAt(action.sinceMs), start)
      if (from === start && start > 0n && from < before.offset) {
        notes.add(`${where} begins at its earliest record: older ones were removed`)
      }
      const to = action.untilMs === null ? max(end, before.offset) : offsetAt(action.untilMs)
      return without(before, from, to)
    }
  }
}

function afterSkip(offset: bigint, where: string, before: Finished, end: bigint): Finished {
  const fail = (what: string): MqError => new MqError('MQ_OPTION_INVALID', what)
  if (offset >= end) throw fail(`${where} ends at ${end}: there is no record at ${offset} yet`)
  if (isFinished(before, offset)) throw fail(`the group has finished offset ${offset} of ${where} already`)
  return withOne(before, offset)
}

function checkRequest({ action, partition }: TargetRequest, isOwn: boolean, nowMs: number): void {
  const fail = (what: string): MqError => new MqError('MQ_OPTION_INVALID', what)
  if ((action.kind === 'to-offset' || action.kind === 'skip') && partition === null) {
    throw fail('an offset needs a partition: each partition counts its own')
  }
  const times = action.kind === 'to-time' ? [action.timeMs] : action.kind === 'replay' ? [action.sinceMs] : []
  const ahead = times.find((time) => time > nowMs)
  if (ahead !== undefined) throw fail(`the time ${new Date(ahead).toISOString()} is in the future`)
  if (action.kind !== 'replay') return
  if (action.untilMs !== null && action.untilMs <= action.sinceMs) throw fail('a replay ends before it begins')
  if (action.untilMs !== null && !isOwn) {
    throw fail('only a group of mQ can leave out what it has finished: replay this one without an end')
  }
}

/** T1, T2, T3 */
function placesOf(sights: readonly GroupSight[], { action, partition, epoch }: TargetRequest): Place[] {
  const named = epoch === null ? undefined : sights.find((sight) => sight.epoch.epoch === epoch)
  if (epoch !== null && named === undefined) {
    const known = sights.map((sight) => sight.epoch.epoch).join(', ')
    throw new MqError('MQ_OPTION_INVALID', `there is no epoch ${epoch} to read; there is ${known}`)
  }
  if (partition !== null) {
    const sight = named ?? sights.findLast(({ epoch: { state } }) => state !== 'sealed') ?? sights.at(-1)!
    if (partition >= sight.epoch.partitions) {
      const { epoch: number, partitions } = sight.epoch
      throw new MqError('MQ_OPTION_INVALID', `epoch ${number} has partitions 0 to ${partitions - 1}, not ${partition}`)
    }
    return [{ sight, partition }]
  }
  const wanted = named === undefined ? sights : [named]
  const all = wanted.flatMap((sight) =>
    Array.from({ length: sight.epoch.partitions }, (_, index) => ({ sight, partition: index })),
  )
  if (action.kind !== 'shift') return all
  const isOpen = ({ sight, partition: index }: Place): boolean => {
    const position = sight.standing.positions.get(index)
    return position !== undefined && position.offset < endOf(sight, index)
  }
  const byPartition = Map.groupBy(all, (place) => place.partition)
  return [...byPartition.values()].map((places) => places.find(isOpen) ?? places.at(-1)!)
}

/** By `epoch partition time`; nothing where no record is so new. */
async function timesOf(use: UseAdmin, places: readonly Place[], action: GroupAction): Promise<Map<string, bigint>> {
  const wanted =
    action.kind === 'to-time'
      ? [action.timeMs]
      : action.kind === 'replay'
        ? [action.sinceMs, ...(action.untilMs === null ? [] : [action.untilMs])]
        : []
  const found = new Map<string, bigint>()
  for (const sight of new Set(places.map((place) => place.sight))) {
    const { epoch, topic, cluster, partitions } = sight.epoch
    for (const timeMs of wanted) {
      const offsets = await use(cluster, `looking for a time in ${topic}`, (admin) =>
        admin.offsetsAt(topic, partitions, timeMs),
      )
      for (const [partition, offset] of offsets.entries()) {
        if (offset !== null) found.set(`${epoch} ${partition} ${timeMs}`, offset)
      }
    }
  }
  return found
}

/** T4 */
function stillFailing(
  { kind }: GroupAction,
  before: StandingPosition | undefined,
  after: Finished,
): readonly FailingRecord[] {
  if (kind !== 'skip' && kind !== 'replay') return []
  return (before?.failing ?? []).filter(({ offset }) => !isFinished(after, offset))
}

/** Under which leader the highest finished record was written; undefined without one. */
async function leaderEpochOf(
  use: UseAdmin,
  { epoch: { cluster, topic } }: GroupSight,
  partition: number,
  before: StandingPosition | undefined,
  { finished }: Finished,
): Promise<number | undefined> {
  const highest = finished.at(-1)?.end
  if (highest === undefined) return undefined
  if (before?.finished.at(-1)?.end === highest) return before.leaderEpoch
  const record = await use(cluster, `looking for a record of ${topic}`, (admin) =>
    admin.recordAt(topic, partition, highest - 1n),
  )
  return record?.leaderEpoch
}

/** A note holds so many ranges: a skip that would not be in it would not be one. */
function checkNote(action: GroupAction, { after, partition, epoch }: Target): void {
  if (action.kind !== 'skip') return
  const { offset } = after
  const kept = decodeCommitMetadata(offset, encodeCommitMetadata(offset, { ...after, topicId: undefined }))
  if (isFinished({ offset, finished: kept?.finished ?? [] }, BigInt(action.offset))) return
  throw new MqError(
    'MQ_GROUP_CHANGE_REFUSED',
    `too many records of partition ${partition} of epoch ${epoch} are unfinished before offset ${action.offset}: what is finished beyond the position cannot be noted that far`,
  )
}
