/**
 * After the end of a migration: what it leaves behind goes.
 *
 * D4. A topic is deleted only after a delay, and while no client names its epoch; a new epoch that was given up, only while
 *     it holds no record.
 * D7. A topic is looked into before it is deleted: while it holds a record that a group, or every group, has not read, it
 *     stays until its retention is over, and that is said. One that is not the topic of the epoch is not touched.
 * D8. A new epoch that clients knew of is closed before it is deleted (withdraw.ts), so that "it holds no record" stays true.
 * D6. After an undoing the old topic is looked at for a while: a request for the seal that was under way when its process died
 *     can take effect after the seal was taken back. It is taken back again, but not while another migration of the mQ ID may ask for
 *     the seal itself: the looking goes on after that one, should it be undone as well.
 */
import { groupOfId, MqError } from '@mq/contract'
import { SEALED_TOPIC_BYTES } from '@mq/kafka'
import type { ClusterAdmin } from '../provision/cluster-admin.ts'
import { isOurs } from '../provision/topic.ts'
import { clientsText } from './consumers.ts'
import { isHandingOver } from './machine.ts'
import { type MigrationRecord, stepOf, withDone, withStep } from './record.ts'
import { lookAtSource } from './source-topic.ts'
import { closeNew, isAnnounced, isLeftOpen, noteClosed } from './withdraw.ts'
import { hasLookedFor, isAway, keepTally, range, type Work } from './work.ts'

const LONGEST_WAIT_MS = 60_000
/** Clients report every 10 s: for a while after the end there is news for the report. */
const NEWS_MS = 60_000
const LOOK_FOR_NEWS_MS = 5_000

export async function deleteTopic(work: Work, number: number): Promise<void> {
  const { writer, clusters, epochUse, times } = work
  const { from, to, state, mqId, endedAtMs } = writer.row(number)
  const done = async (result: Record<string, unknown>): Promise<void> => {
    await writer.update(number, (row) => withDone(row, 'delete-topic', writer.nowMs, result))
  }
  if (state !== 'retired') {
    const isAsked = stepOf(writer.row(number), 'seal') !== undefined
    // The cluster of the new epoch may stay away.
    if (isAsked && isLeftOpen(writer.row(number))) await guard(work, number)
    if (work.registry.cluster(to.cluster) === undefined) {
      await done({ topic: to.topic, cluster: to.cluster, kept: true, forgotten: true })
      return
    }
    const isInUse = isAnnounced(writer.row(number)) && !(await isClosedFor(work, number))
    const kept = await clusters.use(to.cluster, `deleting topic ${to.topic}`, async (admin) => {
      if (isInUse) return true
      const exists = (await admin.findTopics([to.topic])).has(to.topic)
      if (exists && !(await isOurs(admin, to.topic, to.partitions, to.replication))) return true
      if (exists) await admin.deleteTopic(to.topic)
      return false
    })
    if (isAsked) await guard(work, number)
    await done({ topic: to.topic, cluster: to.cluster, kept })
    return
  }
  const afterMs = (endedAtMs ?? writer.nowMs) + times.deleteAfterMs
  for (;;) {
    work.checkClosed()
    await keepTally(work, writer.row(number))
    const waitMs = afterMs - writer.nowMs
    // After a restart nobody has been heard yet.
    const isHeard = hasLookedFor(work, times.quietMs)
    if (waitMs <= 0 && isHeard && !epochUse.isNamed(mqId, from.epoch, times.quietMs)) break
    const longestMs = writer.nowMs - (endedAtMs ?? 0) < NEWS_MS ? LOOK_FOR_NEWS_MS : LONGEST_WAIT_MS
    await work.pause(number, Math.min(longestMs, Math.max(waitMs, Math.min(times.pollMs, 1_000))))
  }
  if (work.registry.cluster(from.cluster) === undefined) {
    throw new MqError('MQ_CLUSTER_UNKNOWN', `cluster '${from.cluster}' is gone, and topic ${from.topic} with it`)
  }
  const kept = await whenRead(work, number)
  if (!kept) await clusters.use(from.cluster, `deleting topic ${from.topic}`, (admin) => admin.deleteTopic(from.topic))
  await done({ topic: from.topic, cluster: from.cluster, kept })
}

/**
 * D8. @returns whether the epoch that was given up is closed and empty. One that is not was opened by a client that heard nothing of the
 * control plane, while somebody else had sealed the old topic.
 */
async function isClosedFor(work: Work, number: number): Promise<boolean> {
  const row = work.writer.row(number)
  if (row.data.withdrawal?.isClosed === true) return true
  if (await closeNew(work, number)) {
    await noteClosed(work, number)
    return true
  }
  const { topic, cluster, epoch } = row.to
  const what = `topic ${topic} on cluster '${cluster}' is not deleted: it holds records of clients that took epoch ${epoch} for open, and no group reads them`
  await noteKept(work, row, what)
  return false
}

/** D7. Waits until nothing unread stands in the topic. @returns whether the topic is another one, and is not touched */
async function whenRead(work: Work, number: number): Promise<boolean> {
  const { writer, clusters, times } = work
  for (;;) {
    work.checkClosed()
    const row = writer.row(number)
    const { from } = row
    const found = await clusters.use(from.cluster, `looking into topic ${from.topic}`, async (admin) => {
      const look = await lookAtSource(admin, row)
      return { look, unread: look.kind === 'there' ? await unreadIn(admin, row, look.partitions) : undefined }
    })
    if (found.look.kind === 'missing') return false
    if (found.look.kind === 'recreated') {
      await noteKept(work, row, `${found.look.what}: it is not deleted`)
      return true
    }
    if (found.unread === undefined) return false
    await noteKept(
      work,
      row,
      `topic ${from.topic} is not deleted before its retention is over: ${found.unread}. To let it go earlier, delete it by hand`,
    )
    await work.pause(number, Math.max(times.pollMs, Math.min(LONGEST_WAIT_MS, times.pollMs * 15)))
  }
}

/** What no group has read, or some group has not; undefined when everything was read by every group. */
async function unreadIn(admin: ClusterAdmin, row: MigrationRecord, partitions: number): Promise<string | undefined> {
  const { from, mqId, data } = row
  const starts = await admin.startOffsets(from.topic, partitions)
  const ends = await admin.endOffsets(from.topic, partitions)
  const held = range(partitions).filter((partition) => (ends[partition] ?? 0n) > (starts[partition] ?? 0n))
  if (held.length === 0) return undefined
  const { groups: others } = await admin.otherConsumers(mqId, from.topic)
  const reading = others.find(({ members, groupId }) => members > 0 && data.dropped[groupId] === undefined)
  if (reading !== undefined) {
    return `group '${reading.groupId}' (${clientsText(reading)}), which is not of mQ, still reads it; stop it, or: mq group drop ${mqId} ${reading.groupId} --force`
  }
  const own = await admin.groupsOf(mqId, from.topic)
  const found = [...own, ...others]
  const names = new Set([
    ...data.groups.filter(({ goneAtMs }) => goneAtMs === null).map(({ group }) => group),
    ...found.map(({ groupId }) => nameOf(groupId, mqId)),
  ])
  const isDropped = data.groups.some(({ dropped }) => dropped !== null)
  for (const group of Object.keys(data.dropped)) names.delete(group)
  // A person said that nothing waits for the only ones there were.
  if (names.size === 0 && isDropped) return undefined
  const positionOf = (group: string, partition: number): bigint => {
    const now = found.find(({ groupId }) => nameOf(groupId, mqId) === group)?.committed.get(partition) ?? 0n
    const before = BigInt(data.positions[group]?.[partition] ?? 0)
    return now > before ? now : before
  }
  for (const partition of held) {
    const positions = [...names].map((group) => ({ group, at: positionOf(group, partition) }))
    const least = positions.reduce<{ group: string; at: bigint } | undefined>(
      (one, other) => (one === undefined || other.at < one.at ? other : one),
      undefined,
    )
    const from0 = least === undefined ? (starts[partition] ?? 0n) : least.at
    if (from0 >= (ends[partition] ?? 0n)) continue
    // What is left may be the markers of transactions that ended after the seal.
    if (!(await admin.hasRecords(from.topic, partition, from0))) continue
    const who = least === undefined ? 'no group has' : `group '${least.group}' has not`
    return `partition ${partition} holds records up to offset ${ends[partition]} and ${who} read beyond ${from0}`
  }
  return undefined
}

const nameOf = (groupId: string, mqId: string): string => groupOfId(groupId, mqId) ?? groupId

async function noteKept(work: Work, row: MigrationRecord, why: string): Promise<void> {
  const { writer } = work
  if (stepOf(row, 'delete-topic')?.problem === why) return
  work.logger.error({ migration: row.number, mqId: row.mqId }, why)
  await writer.journal(row.number, 'migration-topic-kept', why, { migration: row.number, topic: row.from.topic })
  await writer.update(row.number, (before) => withStep(before, 'delete-topic', writer.nowMs, { problem: why }))
}

/** D6 */
async function guard(work: Work, number: number): Promise<void> {
  const { writer, times } = work
  if (stepOf(writer.row(number), 'guard')?.endedAtMs != null) return
  let row = await writer.update(number, (before) => withStep(before, 'guard', writer.nowMs, {}))
  let untilMs = (stepOf(row, 'guard')?.startedAtMs ?? writer.nowMs) + times.guardMs
  let looks = 0
  for (;;) {
    work.checkClosed()
    if (isOver(work, row)) break
    if (isMigratedAgain(work, row)) untilMs = writer.nowMs + times.guardMs
    const isLast = writer.nowMs >= untilMs
    try {
      row = await work.provisioner.exclusively(row.mqId, () => takeBack(work, row))
      looks++
    } catch (error) {
      if (!isAway(error)) throw error
    }
    if (isLast) break
    await work.pause(number, Math.min(times.pollMs, Math.max(1, untilMs - writer.nowMs)))
  }
  await writer.update(number, (before) =>
    withDone(before, 'guard', writer.nowMs, { looks, lateSeals: before.data.lateSeals }),
  )
}

/** Whether the old epoch is not this migration's to guard any more: another one has sealed it, or it is gone. */
function isOver(work: Work, { mqId, from }: MigrationRecord): boolean {
  const record = work.registry.get(mqId)
  const epoch = record?.state === 'active' ? record.epochs.find((one) => one.epoch === from.epoch) : undefined
  return epoch?.state !== 'open'
}

/** Whether another migration may be asking for the seal: its row is written under the lock of the mQ ID. */
function isMigratedAgain(work: Work, { number, mqId }: MigrationRecord): boolean {
  return work.migrations
    .active()
    .some((other) => other.mqId === mqId && other.number > number && isHandingOver(other.state))
}

async function takeBack(work: Work, row: MigrationRecord): Promise<MigrationRecord> {
  const { clusters, writer } = work
  const { from, number, data } = row
  if (isOver(work, row) || isMigratedAgain(work, row)) return row
  const limit = await clusters.use(from.cluster, `checking topic ${from.topic}`, (admin) => admin.sizeLimit(from.topic))
  if (limit !== String(SEALED_TOPIC_BYTES)) return row
  await clusters.use(from.cluster, `taking back the seal of ${from.topic}`, (admin) =>
    admin.releaseSeal(from.topic, data.sizeLimit),
  )
  const why = `a request for the seal of ${from.topic} took effect after the migration was undone, and was taken back`
  work.logger.warn({ migration: number, mqId: row.mqId }, why)
  await writer.journal(number, 'migration-late-seal', why, { migration: number, topic: from.topic })
  return writer.update(number, (before) => ({
    ...before,
    data: { ...before.data, lateSeals: before.data.lateSeals + 1 },
  }))
}
