/**
 * The old epoch is read to its end and forgotten.
 *
 * D2. A group is drained when its committed position reached the end of every partition that still holds records. Without
 *     any group the records stay until their retention is over: a group that comes later finds them.
 * D3. The old epoch leaves the binding when every group is drained or its records expired, no client sends to it, reads it or
 *     runs on a binding from before the opening.
 * D6. A topic that somebody deleted, or created anew, is not waited for longer than `lostMs`: what groups had not read of it
 *     stands in the ledger as gone.
 * D5. A cluster that is away holds the drain up. Whether groups wait for it is the wish of the move (stranded.ts).
 */
import { type GroupDrain, groupOfId, type MqError } from '@mq/contract'
import { type MigrationRecord, stepOf, withDone, withStep } from './record.ts'
import { checkSource, lookAtSource, noteChange, sourceMissing } from './source-topic.ts'
import { allGone, ledgerOf, settled, sourceAway } from './stranded.ts'
import { lookAtSealed } from './watch.ts'
import { hasLookedFor, isAway, isGone, isMissing, keepMoves, type Work } from './work.ts'

/** Groups change at every look while they read; they are written down this often. */
const WRITE_EVERY_MS = 5_000

interface Look {
  readonly groups: GroupDrain[]
  readonly positions: Record<string, string[]>
  readonly isExpired: boolean
}

export async function drain(work: Work, number: number): Promise<void> {
  const { logbook, times } = work
  let writtenMs = Number.NEGATIVE_INFINITY
  let lookedMs = Number.NEGATIVE_INFINITY
  for (let round = 0; ; round++) {
    work.checkClosed()
    let row = await keepMoves(work, logbook.row(number))
    if (await isGone(work, row)) return
    const pauseMs = round < 30 ? times.pollMs : times.pollMs * 2.5
    let look: Look
    try {
      if (logbook.nowMs - lookedMs >= WRITE_EVERY_MS) {
        row = await lookAtSealed(work, row)
        lookedMs = logbook.nowMs
      }
      look = await lookAtGroups(work, row)
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
    const { groups, positions, isExpired } = look
    const news = groups.some(
      (group) => group.drainedAtMs !== row.data.groups.find((one) => one.group === group.group)?.drainedAtMs,
    )
    const isBack = row.data.sourceAway !== null || row.data.sourceGone !== null
    if (news || isBack || logbook.nowMs - writtenMs >= WRITE_EVERY_MS) {
      row = await logbook.note(number, (before) => ({
        ...withStep(before, 'drain', logbook.nowMs, { problem: null }),
        data: settled({ ...before.data, groups, positions, sourceAway: null, sourceGone: null }, logbook.nowMs),
      }))
      writtenMs = logbook.nowMs
    }
    const isDrained = isExpired || (groups.length > 0 && groups.every((group) => group.drainedAtMs !== null))
    if (isDrained && isUnused(work, row)) {
      await retire(work, row, isExpired)
      return
    }
    await work.pause(number, pauseMs)
  }
}

async function lookAtGroups(work: Work, row: MigrationRecord): Promise<Look> {
  const { from, mqId, data } = row
  const sealed = (data.endOffsets ?? []).map(BigInt)
  const { starts, found, there } = await work.clusters.use(
    from.cluster,
    `reading the groups of ${from.topic}`,
    async (admin) => {
      checkSource(await lookAtSource(admin, row))
      return {
        starts: await admin.startOffsets(from.topic, sealed.length),
        found: await admin.groupsOf(mqId, from.topic),
        there: data.ledger.length === 0 ? undefined : await admin.endOffsets(from.topic, sealed.length),
      }
    },
  )
  // A cluster that came back may have lost the end of its log; what is gone stands in the ledger.
  const ends = sealed.map((end, partition) => min(end, there?.[partition] ?? end))
  const positions: Record<string, string[]> = {}
  const groups = found.map(({ groupId, members, committed }): GroupDrain => {
    const group = groupOfId(groupId, mqId) ?? groupId
    let remaining = 0n
    positions[group] = ends.map((end, partition) => {
      const start = starts[partition] ?? 0n
      const position = committed.get(partition) ?? 0n
      const reached = position > start ? position : start
      if (end > reached) remaining += end - reached
      return String(reached)
    })
    const before = data.groups.find((one) => one.group === group)?.drainedAtMs ?? null
    return {
      group,
      members,
      remaining: String(remaining),
      drainedAtMs: remaining > 0n ? null : (before ?? work.logbook.nowMs),
    }
  })
  return { groups, positions, isExpired: ends.every((end, partition) => (starts[partition] ?? 0n) >= end) }
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
  const { logbook, times } = work
  const row = await sourceMissing(work, await noteChange(work, before, error.message), error)
  const sinceMs = row.data.sourceGone?.sinceMs ?? logbook.nowMs
  if (logbook.nowMs - sinceMs < times.lostMs || !hasLookedFor(work, times.lostMs)) return false
  const ledger = row.data.ledger.length > 0 ? row.data.ledger : ledgerOf(row)
  if (ledger.length === 0) await retire(work, row, false)
  else await allGone(work, { ...row, data: { ...row.data, ledger } }, error.message)
  return true
}

async function retire(work: Work, row: MigrationRecord, isExpired: boolean): Promise<void> {
  const { logbook } = work
  const { number, from } = row
  const nowMs = logbook.nowMs
  const last = await lookAtNew(work, row)
  await logbook.publish(
    number,
    'drained',
    {
      kind: 'migration-retired',
      why: isExpired
        ? `epoch ${from.epoch} holds no record any more`
        : `${row.data.groups.length} groups read epoch ${from.epoch} to its end`,
      after: { migration: number, groups: row.data.groups, ledger: row.data.ledger },
      apply: ({ epochs }) => ({ epochs: epochs.filter((epoch) => epoch.epoch !== from.epoch) }),
    },
    (before) => ({
      ...withStep(withDone(before, 'drain', nowMs, { expired: isExpired }), 'delete-topic', nowMs, {}),
      data: settled({ ...before.data, ...last }, nowMs),
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
    return { newEnds: { offsets: ends.map(String), atMs: work.logbook.nowMs }, newGroups }
  } catch {
    return undefined
  }
}

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
