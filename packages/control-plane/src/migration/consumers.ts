/**
 * Who reads the old topic of a migration, and how far each is.
 *
 * R1. Every group counts that has a position on the topic or a member that reads it, of mQ or not. None is left behind without
 *     being read to its end, gone by itself, or dropped by a person.
 * R2. A group that is not of mQ knows the topic only: nothing of the new place reaches it. So it is done when it has read all and
 *     has no member any more.
 * R3. A group that was known and is deleted meanwhile is said, with what it had not read when it was last seen.
 * R4. All groups of the cluster are looked through every `groupsMs`; in between those that are known are looked at.
 */
import { type GroupDrain, groupIdOf, groupOfId } from '@mq/contract'
import type { ClusterAdmin, OtherGroup, TopicGroup } from '../provision/cluster-admin.ts'
import { type MigrationRecord, stepOf } from './record.ts'

/** What a look through all groups found. */
export interface OtherGroups {
  readonly atMs: number
  readonly groups: readonly OtherGroup[]
  /** Groups that could not be looked into. */
  readonly unseen: readonly string[]
}

export interface ConsumerLook {
  readonly groups: GroupDrain[]
  readonly positions: Record<string, string[]>
}

interface Position {
  readonly group: string
  readonly kind: GroupDrain['kind']
  readonly members: number
  readonly clients: readonly string[]
  readonly committed: ReadonlyMap<number, bigint>
  readonly exists: boolean
}

/** The name of a group in the record of a migration; a group of others never takes that of one of mQ. */
export function consumerName(groupId: string, mqId: string, names: ReadonlySet<string>): string {
  const own = groupOfId(groupId, mqId)
  if (own !== undefined) return own
  return names.has(groupId) ? `${groupId} (not of mQ)` : groupId
}

/** Groups of mQ that are found, and those that were known before and are not. */
export async function mqConsumers(admin: ClusterAdmin, row: MigrationRecord): Promise<Position[]> {
  const { from, mqId, data } = row
  const found = await admin.groupsOf(mqId, from.topic)
  const seeded = stepOf(row, 'prepare')?.result.groups
  const known = new Set([
    ...data.groups.filter(({ kind }) => kind === 'mq').map(({ group }) => group),
    ...(typeof seeded === 'object' && seeded !== null ? Object.keys(seeded) : []),
  ])
  const positionOf = (group: string, { members, committed }: TopicGroup, exists: boolean): Position => ({
    ...{ group, kind: 'mq', members, clients: [], committed, exists },
  })
  const positions = found.map((one) => {
    const group = groupOfId(one.groupId, mqId) ?? one.groupId
    known.delete(group)
    return positionOf(group, one, true)
  })
  for (const group of known) {
    const one = await admin.groupOn(groupIdOf(mqId, group), from.topic)
    positions.push(positionOf(group, one, one.exists ?? true))
  }
  return positions
}

/** R4 */
export async function otherConsumers(
  admin: ClusterAdmin,
  row: MigrationRecord,
  before: OtherGroups | undefined,
  nowMs: number,
  everyMs: number,
): Promise<OtherGroups> {
  const { from, mqId } = row
  if (before === undefined || nowMs - before.atMs >= everyMs) {
    return { ...(await admin.otherConsumers(mqId, from.topic)), atMs: nowMs }
  }
  const groups: OtherGroup[] = []
  for (const known of before.groups) {
    const now = await admin.groupOn(known.groupId, from.topic)
    // Who subscribes is told by the look through all.
    groups.push({ ...known, committed: now.committed, members: now.members === 0 ? 0 : known.members })
  }
  return { ...before, groups }
}

/** How far every group is; `ends` and `starts` of the old topic by partition. */
export function accountFor(
  row: MigrationRecord,
  mq: readonly Position[],
  others: OtherGroups,
  {
    starts,
    ends,
    nowMs,
  }: { readonly starts: readonly bigint[]; readonly ends: readonly bigint[]; readonly nowMs: number },
): ConsumerLook {
  const names = new Set(mq.map(({ group }) => group))
  const seen = new Set(names)
  const all: Position[] = [
    ...mq,
    ...others.groups.map(({ groupId, members, clients, committed }): Position => {
      const group = consumerName(groupId, row.mqId, names)
      seen.add(group)
      return { group, kind: 'other', members, clients, committed, exists: true }
    }),
  ]
  for (const { group, kind, dropped } of row.data.groups) {
    if (seen.has(group) || (kind === 'mq' && dropped === null)) continue
    all.push({ group, kind, members: 0, clients: [], committed: new Map(), exists: false })
  }
  const positions: Record<string, string[]> = {}
  const groups = all.map((one): GroupDrain => {
    const before = row.data.groups.find(({ group }) => group === one.group)
    const dropped = row.data.dropped[one.group] ?? null
    const known = row.data.positions[one.group]
    let remaining = 0n
    const at = ends.map((end, partition) => {
      const start = starts[partition] ?? 0n
      const last = one.exists ? (one.committed.get(partition) ?? 0n) : BigInt(known?.[partition] ?? 0)
      const reached = last > start ? last : start
      if (end > reached) remaining += end - reached
      return String(reached)
    })
    positions[one.group] = at
    const { group, kind, members } = one
    const isRead = remaining === 0n && (kind === 'mq' || members === 0)
    const isStill = members === 0 && !isRead && (known === undefined || known.join() === at.join())
    const isGone = !one.exists && dropped === null && !isRead
    return {
      ...{ group, kind, members, clients: [...one.clients], dropped },
      remaining: String(remaining),
      drainedAtMs: isRead && dropped === null ? (before?.drainedAtMs ?? nowMs) : null,
      silentSinceMs: isStill && !isGone ? (before?.silentSinceMs ?? nowMs) : null,
      goneAtMs: isGone ? (before?.goneAtMs ?? nowMs) : null,
    }
  })
  return { groups, positions }
}

/** Whether the migration still waits for a group (R1, R2). @param isExpired nothing of the old topic is left to read */
export function isWaitedFor(group: GroupDrain, isExpired: boolean): boolean {
  if (group.dropped !== null || group.goneAtMs !== null || group.drainedAtMs !== null) return false
  return !isExpired || (group.kind === 'other' && group.members > 0)
}

/** Which groups hold the migration up that will not go on by themselves, and what to do; null while none does. */
export function waitText(
  { mqId, from }: MigrationRecord,
  groups: readonly GroupDrain[],
  { isExpired, nowMs, silentMs }: { readonly isExpired: boolean; readonly nowMs: number; readonly silentMs: number },
): string | null {
  const told = groups.flatMap((group) => {
    if (!isWaitedFor(group, isExpired)) return []
    const { kind, members, remaining, silentSinceMs } = group
    const name = `group '${group.group}'`
    const togo = `${remaining} records to read`
    const drop = `mq group drop ${mqId} ${quoted(group.group)}`
    if (kind === 'other' && members > 0) {
      const who = `${name} (${clientsText(group)}) is not a client of mQ`
      return remaining === '0'
        ? [`${who}: it has read all of ${from.topic} and gets nothing of the new place; stop it, or: ${drop} --force`]
        : [`${who} and has ${togo}; after that, stop it, or: ${drop} --force`]
    }
    if (members > 0 || silentSinceMs === null || nowMs - silentSinceMs < silentMs) return []
    const since = new Date(silentSinceMs).toISOString().slice(0, 19)
    return [`${name} has no member since ${since}Z at least and ${togo}; start it, or: ${drop}`]
  })
  if (told.length === 0) return null
  return `waits for ${told.length === 1 ? 'a group' : `${told.length} groups`}: ${told.join('. ')}`
}

export function clientsText({
  members,
  clients,
}: {
  readonly members: number
  readonly clients: readonly string[]
}): string {
  const some = clients.slice(0, 3).join(', ')
  const count = `${members} member${members === 1 ? '' : 's'}`
  return some === '' ? count : `${count}: ${some}${clients.length > 3 ? ', ...' : ''}`
}

const quoted = (text: string): string => (/^[\w.@:/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)
