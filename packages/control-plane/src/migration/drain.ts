/**
 * From `open` to the end: the old epoch is watched, read to its end and forgotten.
 *
 * D1. A record beyond the sealed end is a straggler: written down and journalled, never hidden.
 * D2. A group is drained when its committed position reached the end of every partition that still holds records. Without
 *     any group the records stay until their retention is over: a group that comes later finds them.
 * D3. The old epoch leaves the binding when every group is drained or its records expired, no client sends to it, reads it or
 *     runs on a binding from before the opening.
 * D4. A topic is deleted only after a delay, and while no client names its epoch; a new epoch that was given up, only while
 *     it holds no record.
 */
import { type GroupDrain, groupOfId, MqError, type Straggler } from '@mq/contract'
import { isOurs } from '../provision/topic.ts'
import { type MigrationRecord, stepOf, withDone, withStep } from './record.ts'
import type { Work } from './work.ts'

/** Groups change at every look while they read; they are written down this often. */
const WRITE_EVERY_MS = 5_000
const LONGEST_WAIT_MS = 60_000

/** Whether the mQ ID still has the old epoch; without it there is nothing left to watch. */
async function isGone(work: Work, row: MigrationRecord): Promise<boolean> {
  const record = work.registry.get(row.mqId)
  if (record?.state === 'active' && record.epochs.some((epoch) => epoch.epoch === row.from.epoch)) return false
  await work.logbook.go(row.number, 'id-deleted')
  return true
}

export async function watch(work: Work, number: number): Promise<void> {
  const { logbook, clusters, times } = work
  let row = await logbook.note(number, (before) => withStep(before, 'watch', logbook.nowMs, {}))
  const { from } = row
  const untilMs = (stepOf(row, 'open')?.endedAtMs ?? logbook.nowMs) + times.watchMs
  let looks = 0
  for (;;) {
    work.checkClosed()
    if (await isGone(work, row)) return
    const isLast = logbook.nowMs >= untilMs
    const seen = await clusters.use(from.cluster, `watching topic ${from.topic}`, (admin) =>
      admin.endOffsets(from.topic, from.partitions),
    )
    looks++
    const stragglers = newStragglers(row, seen, logbook.nowMs)
    if (stragglers.length > 0) {
      await logbook.decide(number, 'straggler', `epoch ${from.epoch} grew after its seal was proven`, { stragglers })
      row = await logbook.note(number, (before) => ({
        ...before,
        data: { ...before.data, stragglers: [...before.data.stragglers, ...stragglers] },
      }))
      work.logger.error({ migration: number, mqId: row.mqId, stragglers }, 'records were appended to a sealed epoch')
    }
    if (isLast) break
    await work.pause(number, Math.min(times.pollMs, Math.max(1, untilMs - logbook.nowMs)))
  }
  await logbook.go(number, 'watched', (before) =>
    withStep(
      withDone(before, 'watch', logbook.nowMs, { looks, stragglers: before.data.stragglers.length }),
      'drain',
      logbook.nowMs,
      {},
    ),
  )
}

function newStragglers(row: MigrationRecord, seen: readonly bigint[], nowMs: number): Straggler[] {
  return (row.data.endOffsets ?? []).flatMap((sealedEnd, partition) => {
    const end = seen[partition]
    if (end === undefined || end <= BigInt(sealedEnd)) return []
    const known = row.data.stragglers.filter((one) => one.partition === partition).at(-1)
    if (known !== undefined && end <= BigInt(known.seenEnd)) return []
    return [{ partition, sealedEnd, seenEnd: String(end), seenAtMs: nowMs }]
  })
}

export async function drain(work: Work, number: number): Promise<void> {
  const { logbook, times } = work
  let writtenMs = Number.NEGATIVE_INFINITY
  for (let round = 0; ; round++) {
    work.checkClosed()
    let row = logbook.row(number)
    if (await isGone(work, row)) return
    const { groups, isExpired } = await lookAtGroups(work, row)
    const news = groups.some(
      (group) => group.drainedAtMs !== row.data.groups.find((one) => one.group === group.group)?.drainedAtMs,
    )
    if (news || logbook.nowMs - writtenMs >= WRITE_EVERY_MS) {
      row = await logbook.note(number, (before) => ({ ...before, data: { ...before.data, groups } }))
      writtenMs = logbook.nowMs
    }
    const isDrained = isExpired || (groups.length > 0 && groups.every((group) => group.drainedAtMs !== null))
    if (isDrained && isUnused(work, row)) {
      await retire(work, row, isExpired)
      return
    }
    await work.pause(number, round < 30 ? times.pollMs : times.pollMs * 2.5)
  }
}

async function lookAtGroups(work: Work, row: MigrationRecord): Promise<{ groups: GroupDrain[]; isExpired: boolean }> {
  const { from, mqId, data } = row
  const ends = (data.endOffsets ?? []).map(BigInt)
  const { starts, found } = await work.clusters.use(
    from.cluster,
    `reading the groups of ${from.topic}`,
    async (admin) => ({
      starts: await admin.startOffsets(from.topic, from.partitions),
      found: await admin.groupsOf(mqId, from.topic),
    }),
  )
  const groups = found.map(({ groupId, members, committed }): GroupDrain => {
    const group = groupOfId(groupId, mqId) ?? groupId
    let remaining = 0n
    for (const [partition, end] of ends.entries()) {
      const start = starts[partition] ?? 0n
      const position = committed.get(partition) ?? 0n
      const left = end - (position > start ? position : start)
      if (left > 0n) remaining += left
    }
    const before = data.groups.find((one) => one.group === group)?.drainedAtMs ?? null
    return {
      group,
      members,
      remaining: String(remaining),
      drainedAtMs: remaining > 0n ? null : (before ?? work.logbook.nowMs),
    }
  })
  return { groups, isExpired: ends.every((end, partition) => (starts[partition] ?? 0n) >= end) }
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

async function retire(work: Work, row: MigrationRecord, isExpired: boolean): Promise<void> {
  const { logbook } = work
  const { number, from } = row
  const nowMs = logbook.nowMs
  await logbook.publish(
    number,
    'drained',
    {
      kind: 'migration-retired',
      why: isExpired
        ? `epoch ${from.epoch} holds no record any more`
        : `${row.data.groups.length} groups read epoch ${from.epoch} to its end`,
      after: { migration: number, groups: row.data.groups },
      apply: ({ epochs }) => ({ epochs: epochs.filter((epoch) => epoch.epoch !== from.epoch) }),
    },
    (before) => withStep(withDone(before, 'drain', nowMs, { expired: isExpired }), 'delete-topic', nowMs, {}),
  )
}

/** What an ended move leaves behind goes: the old topic of one that was made, the new one of one that was not (D4). */
export async function deleteTopic(work: Work, number: number): Promise<void> {
  const { logbook, clusters, epochUse, times } = work
  const { from, to, state, mqId, endedAtMs } = logbook.row(number)
  const done = async (result: Record<string, unknown>): Promise<void> => {
    await logbook.note(number, (row) => withDone(row, 'delete-topic', logbook.nowMs, result))
  }
  if (state !== 'retired') {
    const kept = await clusters.use(to.cluster, `deleting topic ${to.topic}`, async (admin) => {
      const exists = (await admin.findTopics([to.topic])).has(to.topic)
      if (exists && !(await isOurs(admin, to.topic, to.partitions, to.replication))) return true
      if (exists) await admin.deleteTopic(to.topic)
      return false
    })
    await done({ topic: to.topic, cluster: to.cluster, kept })
    return
  }
  const afterMs = (endedAtMs ?? logbook.nowMs) + times.deleteAfterMs
  for (;;) {
    work.checkClosed()
    const waitMs = afterMs - logbook.nowMs
    if (waitMs <= 0 && !epochUse.isNamed(mqId, from.epoch, times.quietMs)) break
    await work.pause(number, Math.min(LONGEST_WAIT_MS, Math.max(waitMs, Math.min(times.pollMs, 1_000))))
  }
  if (work.registry.cluster(from.cluster) === undefined) {
    throw new MqError('MQ_CLUSTER_UNKNOWN', `cluster '${from.cluster}' is gone, and topic ${from.topic} with it`)
  }
  await clusters.use(from.cluster, `deleting topic ${from.topic}`, (admin) => admin.deleteTopic(from.topic))
  await done({ topic: from.topic, cluster: from.cluster, kept: false })
}
