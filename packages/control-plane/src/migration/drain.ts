/**
 * The old epoch is read to its end and forgotten.
 *
 * D2. A group is drained when its committed position reached the end of every partition that still holds records; whom the
 *     migration waits for is said in consumers.ts. Without any group the records stay until their retention is over: a group that comes later finds them.
 * D3. The old epoch leaves the binding when every group is drained or its records expired, no client sends to it, reads it or
 *     runs on a binding from before the opening.
 * D6. A topic that somebody deleted, or created anew, is not waited for longer than `lostMs`: what groups had not read of it
 *     stands in the ledger as gone.
 * D7. A group whose positions a person moves back while it is retired keeps the epoch: what was seen before that is worth nothing.
 * D5. A cluster that is away holds the drain up. Whether groups wait for it is what the migration was asked to do (stranded.ts).
 */
import { type GroupDrain, groupOfId, MqError } from '@mq/contract'
import { accountFor, isWaitedFor, mqConsumers, type OtherGroups, otherConsumers, waitText } from './consumers.ts'
import { type MigrationRecord, stepOf, withDone, withStep } from './record.ts'
import { checkSource, lookAtSource, noteChange, sourceMissing } from './source-topic.ts'
import { allGone, ledgerOf, settled, sourceAway } from './stranded.ts'
import { lookAtSealed } from './watch.ts'
import { hasLookedFor, isAway, isGone, isMissing, keepTally, type Work } from './work.ts'

/** Groups change at every look while they read; they are written down this often. */
const WRITE_EVERY_MS = 5_000

interface Look {
  readonly groups: GroupDrain[]
  readonly positions: Record<string, string[]>
  readonly isExpired: boolean
  readonly waiting: string | null
  readonly others: OtherGroups
}

export async function drain(work: Work, number: number): Promise<void> {
  const { writer, times } = work
  let writtenMs = Number.NEGATIVE_INFINITY
  let lookedMs = Number.NEGATIVE_INFINITY
  let others: OtherGroups | undefined
  for (let round = 0; ; round++) {
    work.checkClosed()
    let row = await keepTally(work, writer.row(number))
    if (await isGone(work, row)) return
    const pauseMs = round < 30 ? times.pollMs : times.pollMs * 2.5
    let look: Look
    try {
      if (writer.nowMs - lookedMs >= WRITE_EVERY_MS) {
        row = await lookAtSealed(work, row)
        lookedMs = writer.nowMs
      }
      look = await lookAtGroups(work, row, others)
    } catch (error) {
      if (isMissing(error)) {
        if (await topicGone(work, row, error)) return
        await work.pause(number, pauseMs)
        continue
      }
      if (!isAway(error)) throw error
      if (await sourceAway(work, row, error)) return
      await work.pause(number, pauseMs)
      continue
    }
    const { groups, positions, isExpired, waiting } = look
    others = look.others
    await sayGone(work, row, groups)
    const news = waiting !== row.data.waiting || groups.some((group) => isNews(group, row))
    const isBack = row.data.sourceAway !== null || row.data.sourceGone !== null
    if (news || isBack || writer.nowMs - writtenMs >= WRITE_EVERY_MS) {
      row = await writer.update(number, (before) => ({
        ...withStep(before, 'drain', writer.nowMs, { problem: null }),
        data: settled({ ...before.data, groups, positions, waiting, sourceAway: null, sourceGone: null }, writer.nowMs),
      }))
      writtenMs = writer.nowMs
    }
    if (isRead(look) && isUnused(work, row)) {
      const changes = work.positionChanges?.(row.mqId)
      // R4: a group that came since the last look through all of them is not left behind.
      const last = await lookAtGroups(work, row, undefined)
      if (isRead(last)) {
        await retire(work, row, isExpired, last, changes)
        return
      }
    }
    await work.pause(number, pauseMs)
  }
}

async function lookAtGroups(work: Work, row: MigrationRecord, before: OtherGroups | undefined): Promise<Look> {
  const { from, data } = row
  const { writer, times } = work
  const sealed = (data.endOffsets ?? []).map(BigInt)
  const { starts, mq, others, there } = await work.clusters.use(
    from.cluster,
    `reading the groups of ${from.topic}`,
    async (admin) => {
      checkSource(await lookAtSource(admin, row))
      return {
        starts: await admin.startOffsets(from.topic, sealed.length),
        mq: await mqConsumers(admin, row),
        others: await otherConsumers(admin, row, before, writer.nowMs, times.groupsMs),
        there: data.ledger.length === 0 ? undefined : await admin.endOffsets(from.topic, sealed.length),
      }
    },
  )
  // A cluster that came back may have lost the end of its log; what is gone stands in the ledger.
  const ends = sealed.map((end, partition) => min(end, there?.[partition] ?? end))
  const { groups, positions } = accountFor(row, mq, others, { starts, ends, nowMs: writer.nowMs })
  const isExpired = ends.every((end, partition) => (starts[partition] ?? 0n) >= end)
  const waiting = waitText(row, groups, { isExpired, nowMs: writer.nowMs, silentMs: times.silentMs })
  return { groups, positions, isExpired, waiting, others }
}

/** D2 */
function isRead({ groups, isExpired }: Look): boolean {
  if (groups.some((group) => isWaitedFor(group, isExpired))) return false
  return isExpired || groups.some(({ drainedAtMs, dropped }) => drainedAtMs !== null || dropped !== null)
}

function isNews(group: GroupDrain, { data }: MigrationRecord): boolean {
  const before = data.groups.find((one) => one.group === group.group)
  return (
    before?.drainedAtMs !== group.drainedAtMs ||
    before.goneAtMs !== group.goneAtMs ||
    before.members !== group.members ||
    (before.dropped === null) !== (group.dropped === null)
  )
}

/** R3 */
async function sayGone(work: Work, row: MigrationRecord, groups: readonly GroupDrain[]): Promise<void> {
  for (const { group, remaining, goneAtMs } of groups) {
    if (goneAtMs === null || row.data.groups.find((one) => one.group === group)?.goneAtMs != null) continue
    const why = `group '${group}' was deleted by somebody with ${remaining} records of epoch ${row.from.epoch} to read`
    work.logger.error({ migration: row.number, mqId: row.mqId }, why)
    await work.writer.journal(row.number, 'migration-group-gone', why, { migration: row.number, group, remaining })
  }
}

function isUnused(work: Work, row: MigrationRecord): boolean {
  const { epochUse, times, deps, registry } = work
  const { mqId, from } = row
  if (deps.clock.monotonicMs() - work.listeningSinceMs < times.quietMs) return false
  if (epochUse.isBusy(mqId, from.epoch, times.quietMs)) return false
  const opened = stepOf(row, 'open')?.result.revision
  const revision = typeof opened === 'number' ? opened : (registry.get(mqId)?.revision ?? 0)
  return epochUse.behind(mqId, work.incarnation(), revision, times.quietMs) === 0
}

/** D6. @returns whether the migration ended */
async function topicGone(work: Work, before: MigrationRecord, error: MqError): Promise<boolean> {
  const { writer, times } = work
  const row = await sourceMissing(work, await noteChange(work, before, error.message), error)
  const sinceMs = row.data.sourceGone?.sinceMs ?? writer.nowMs
  if (writer.nowMs - sinceMs < times.lostMs || !hasLookedFor(work, times.lostMs)) return false
  const ledger = row.data.ledger.length > 0 ? row.data.ledger : ledgerOf(row)
  if (ledger.length === 0) await retire(work, row, false)
  else await allGone(work, { ...row, data: { ...row.data, ledger } }, error.message)
  return true
}

async function retire(
  work: Work,
  row: MigrationRecord,
  isExpired: boolean,
  seen?: Pick<Look, 'groups' | 'positions'>,
  changes?: number,
): Promise<void> {
  const { writer } = work
  const { number, from } = row
  const nowMs = writer.nowMs
  const last = await lookAtNew(work, row)
  const groups = seen === undefined ? {} : { groups: seen.groups, positions: seen.positions }
  await writer.publish(
    number,
    'drained',
    {
      kind: 'migration-retired',
      why: isExpired
        ? `epoch ${from.epoch} holds no record any more`
        : `${row.data.groups.filter(({ drainedAtMs }) => drainedAtMs !== null).length} groups read epoch ${from.epoch} to its end`,
      after: { migration: number, groups: row.data.groups, ledger: row.data.ledger },
      apply: ({ epochs }) => {
        // D7. Under the lock of the mQ ID, as is a change of positions.
        if (changes !== undefined && work.positionChanges?.(row.mqId) !== changes) {
          throw new MqError('MQ_MIGRATION_GROUP_WAITS', `positions of a group on epoch ${from.epoch} were moved`)
        }
        return { epochs: epochs.filter((epoch) => epoch.epoch !== from.epoch) }
      },
    },
    (before) => ({
      ...withStep(withDone(before, 'drain', nowMs, { expired: isExpired }), 'delete-topic', nowMs, {}),
      data: settled({ ...before.data, ...last, ...groups, waiting: null }, nowMs),
    }),
  )
}

/** How far the new epoch is, for the report; nothing depends on it. */
async function lookAtNew(
  work: Work,
  { mqId, to }: MigrationRecord,
): Promise<Pick<MigrationRecord['data'], 'newEnds' | 'newGroups'> | undefined> {
  try {
    const { ends, found } = await work.clusters.use(to.cluster, `looking at topic ${to.topic}`, async (admin) => ({
      ends: await admin.endOffsets(to.topic, to.partitions),
      found: await admin.groupsOf(mqId, to.topic),
    }))
    const newGroups = Object.fromEntries(
      found.map(({ groupId, committed }) => [
        groupOfId(groupId, mqId) ?? groupId,
        String([...committed.values()].reduce((sum, position) => sum + position, 0n)),
      ]),
    )
    return { newEnds: { offsets: ends.map(String), atMs: work.writer.nowMs }, newGroups }
  } catch {
    return undefined
  }
}

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
