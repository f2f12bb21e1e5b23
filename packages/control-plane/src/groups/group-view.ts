/**
 * A group as people see it: the newest look of the lag watch for lists, the brokers themselves for one.
 *
 * V1. What is shown of one group comes from its coordinator and the leaders now, also where the lag watch has not seen it yet.
 * V2. Members of a group on several clusters are told once for each cluster: they are other memberships of the same clients.
 */
import {
  type GroupDetail,
  type GroupMember,
  type GroupPartition,
  type GroupSummary,
  groupIdOf,
  groupOfId,
  MqError,
} from '@mq/contract'
import { lagOf } from '../lag/group-lag.ts'
import { type LagState, stateOf } from '../lag/lag-state.ts'
import type { Clusters } from '../provision/clusters.ts'
import type { GroupStanding } from '../provision/group-admin.ts'
import type { ActiveId, EpochRecord } from '../registry/records.ts'

/** What clients tell of a group. */
export type ToldByClients = Pick<GroupSummary, 'unfinishedRecords' | 'handlerErrors' | 'failingRecords' | 'failing'>

const NOTHING_TOLD: ToldByClients = {
  unfinishedRecords: null,
  handlerErrors: null,
  failingRecords: null,
  failing: [],
}

export interface GroupSight {
  readonly epoch: EpochRecord
  readonly standing: GroupStanding
  readonly starts: readonly bigint[]
  readonly ends: readonly bigint[]
}

export function groupSummaries(
  book: LagState,
  active: ActiveId,
  told: (group: string) => ToldByClients,
): GroupSummary[] {
  return book.groups(active).map((lag) => ({
    ...lag,
    mqId: active.id,
    ...book.condition(active, lag),
    ...(lag.foreign ? NOTHING_TOLD : told(lag.group)),
  }))
}

/** A group of mQ of that name before another of that id. @throws MqError MQ_GROUP_UNKNOWN */
export async function findGroup(
  clusters: Clusters,
  active: ActiveId,
  name: string,
): Promise<{ readonly groupId: string; readonly foreign: boolean; readonly sights: readonly GroupSight[] }> {
  const clean = name.replace(/ \(not of mQ\)$/, '')
  const own = groupIdOf(active.id, clean)
  const ids = groupOfId(clean, active.id) === undefined ? [own, clean] : [clean]
  for (const groupId of ids) {
    const sights = await lookAtGroup(clusters, active, groupId)
    const isThere = sights.some(
      ({ standing }) =>
        standing.positions.size > 0 ||
        (groupOfId(groupId, active.id) === undefined
          ? standing.members.some(({ partitions }) => partitions.length > 0)
          : standing.members.length > 0),
    )
    if (isThere) return { groupId, foreign: groupOfId(groupId, active.id) === undefined, sights }
  }
  throw new MqError('MQ_GROUP_UNKNOWN', `no group '${name}' has a position or a member on '${active.id}'`)
}

/** Every epoch that can be read. */
export async function lookAtGroup(clusters: Clusters, active: ActiveId, groupId: string): Promise<GroupSight[]> {
  const epochs = active.epochs.filter(({ state }) => state !== 'preparing' && state !== 'lost')
  return Promise.all(
    epochs.map((epoch) =>
      clusters.use(epoch.cluster, `looking at group ${groupId}`, async (admin) => {
        // Positions before ends: a busy group is never ahead of its log.
        const standing = await admin.groupStanding(groupId, epoch.topic)
        const starts = await admin.startOffsets(epoch.topic, epoch.partitions)
        const ends = await admin.endOffsets(epoch.topic, epoch.partitions)
        return { epoch, standing, starts, ends }
      }),
    ),
  )
}

/** Where an epoch ends for readers: what came behind its seal is no part of it. */
export function endOf({ epoch, ends }: Pick<GroupSight, 'epoch' | 'ends'>, partition: number): bigint {
  const sealed = epoch.state === 'sealed' ? epoch.endOffsets?.[partition] : undefined
  return sealed === undefined ? (ends[partition] ?? 0n) : BigInt(sealed)
}

export async function groupDetail(
  clusters: Clusters,
  book: LagState,
  active: ActiveId,
  name: string,
  told: (group: string) => ToldByClients,
  nowMs: number,
): Promise<GroupDetail> {
  const { groupId, foreign, sights } = await findGroup(clusters, active, name)
  const group = groupOfId(groupId, active.id) ?? groupId
  const known = book.details(active).find((one) => one.group === group && one.foreign === foreign)
  const sum = lagOf(
    sights.map(({ epoch, standing, starts, ends }) => ({
      epoch,
      log: new Map(
        ends.map((end, partition) => [partition, { start: Number(starts[partition] ?? 0n), end: Number(end) }]),
      ),
      group: {
        members: standing.members.length,
        committed: new Map([
          [epoch.topic, new Map([...standing.positions].map(([index, { offset }]) => [index, Number(offset)]))],
        ]),
      },
      ends: book.ends(active.id, epoch),
    })),
    nowMs,
  )
  const { state, lastCommitAtMs } = book.condition(active, { group, foreign })
  const now = sights.map(({ standing }) => stateOf(standing.state, standing.members.length))
  return {
    ...sum,
    mqId: active.id,
    group,
    groupId,
    foreign,
    state: now.find((one) => one !== 'stopped') ?? now[0] ?? state,
    trend: known?.trend ?? null,
    recent: known?.recent ?? [],
    seenAtMs: nowMs,
    problem: null,
    lastCommitAtMs,
    ...(foreign ? NOTHING_TOLD : told(group)),
    memberList: membersOf(sights),
    partitions: sum.partitions.map((one): GroupPartition => {
      const sight = sights.find(({ epoch }) => epoch.epoch === one.epoch)
      const member = sight?.standing.members.find(({ partitions }) => partitions.includes(one.partition))
      const finished = sight?.standing.positions.get(one.partition)?.finished ?? []
      return {
        ...one,
        member: member === undefined ? null : `${member.clientId}@${member.host}`,
        finishedBeyond: finished.reduce((count, { first, end }) => count + Number(end - first), 0),
      }
    }),
  }
}

/** V2 */
export function membersOf(sights: readonly GroupSight[]): GroupMember[] {
  const all = new Map<string, GroupMember>()
  for (const { standing } of sights) {
    for (const { memberId, clientId, host } of standing.members) all.set(memberId, { memberId, clientId, host })
  }
  return [...all.values()]
}
