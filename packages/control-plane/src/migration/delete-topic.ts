/**
 * After the end of a move: what it leaves behind goes.
 *
 * D4. A topic is deleted only after a delay, and while no client names its epoch; a new epoch that was given up, only while
 *     it holds no record.
 * D6. After an undoing the old topic is looked at for a while: a request for the seal that was under way when its process died
 *     can take effect after the seal was taken back. It is taken back again, but not while another move of the mQ ID may ask for
 *     the seal itself: the looking goes on after that one, should it be undone as well.
 */
import { MqError } from '@mq/contract'
import { SEALED_TOPIC_BYTES } from '@mq/kafka'
import { isOurs } from '../provision/topic.ts'
import { isHandingOver } from './machine.ts'
import { type MigrationRecord, stepOf, withDone, withStep } from './record.ts'
import { hasLookedFor, isAway, keepMoves, type Work } from './work.ts'

const LONGEST_WAIT_MS = 60_000
/** Clients report every 10 s: for a while after the end there is news for the report. */
const NEWS_MS = 60_000
const LOOK_FOR_NEWS_MS = 5_000

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
    if (stepOf(logbook.row(number), 'seal') !== undefined) await guard(work, number)
    await done({ topic: to.topic, cluster: to.cluster, kept })
    return
  }
  const afterMs = (endedAtMs ?? logbook.nowMs) + times.deleteAfterMs
  for (;;) {
    work.checkClosed()
    await keepMoves(work, logbook.row(number))
    const waitMs = afterMs - logbook.nowMs
    // After a restart nobody has been heard yet.
    const isHeard = hasLookedFor(work, times.quietMs)
    if (waitMs <= 0 && isHeard && !epochUse.isNamed(mqId, from.epoch, times.quietMs)) break
    const longestMs = logbook.nowMs - (endedAtMs ?? 0) < NEWS_MS ? LOOK_FOR_NEWS_MS : LONGEST_WAIT_MS
    await work.pause(number, Math.min(longestMs, Math.max(waitMs, Math.min(times.pollMs, 1_000))))
  }
  if (work.registry.cluster(from.cluster) === undefined) {
    throw new MqError('MQ_CLUSTER_UNKNOWN', `cluster '${from.cluster}' is gone, and topic ${from.topic} with it`)
  }
  await clusters.use(from.cluster, `deleting topic ${from.topic}`, (admin) => admin.deleteTopic(from.topic))
  await done({ topic: from.topic, cluster: from.cluster, kept: false })
}

/** D6 */
async function guard(work: Work, number: number): Promise<void> {
  const { logbook, times } = work
  let row = await logbook.note(number, (before) => withStep(before, 'guard', logbook.nowMs, {}))
  let untilMs = (stepOf(row, 'guard')?.startedAtMs ?? logbook.nowMs) + times.guardMs
  let looks = 0
  for (;;) {
    work.checkClosed()
    if (isOver(work, row)) break
    if (isMovedAgain(work, row)) untilMs = logbook.nowMs + times.guardMs
    const isLast = logbook.nowMs >= untilMs
    try {
      row = await work.provisioner.exclusively(row.mqId, () => takeBack(work, row))
      looks++
    } catch (error) {
      if (!isAway(error)) throw error
    }
    if (isLast) break
    await work.pause(number, Math.min(times.pollMs, Math.max(1, untilMs - logbook.nowMs)))
  }
  await logbook.note(number, (before) =>
    withDone(before, 'guard', logbook.nowMs, { looks, lateSeals: before.data.lateSeals }),
  )
}

/** Whether the old epoch is not this move's to guard any more: another one has sealed it, or it is gone. */
function isOver(work: Work, { mqId, from }: MigrationRecord): boolean {
  const record = work.registry.get(mqId)
  const epoch = record?.state === 'active' ? record.epochs.find((one) => one.epoch === from.epoch) : undefined
  return epoch?.state !== 'open'
}

/** Whether another move may be asking for the seal: its row is written under the lock of the mQ ID. */
function isMovedAgain(work: Work, { number, mqId }: MigrationRecord): boolean {
  return work.ledger
    .active()
    .some((other) => other.mqId === mqId && other.number > number && isHandingOver(other.state))
}

async function takeBack(work: Work, row: MigrationRecord): Promise<MigrationRecord> {
  const { clusters, logbook } = work
  const { from, number, data } = row
  if (isOver(work, row) || isMovedAgain(work, row)) return row
  const limit = await clusters.use(from.cluster, `checking topic ${from.topic}`, (admin) => admin.sizeLimit(from.topic))
  if (limit !== String(SEALED_TOPIC_BYTES)) return row
  await clusters.use(from.cluster, `taking back the seal of ${from.topic}`, (admin) =>
    admin.releaseSeal(from.topic, data.sizeLimit),
  )
  const why = `a request for the seal of ${from.topic} took effect after the move was undone, and was taken back`
  work.logger.warn({ migration: number, mqId: row.mqId }, why)
  await logbook.decide(number, 'migration-late-seal', why, { migration: number, topic: from.topic })
  return logbook.note(number, (before) => ({
    ...before,
    data: { ...before.data, lateSeals: before.data.lateSeals + 1 },
  }))
}
