/**
 * Right after the opening: the sealed epoch must not grow, and the new place must take records.
 *
 * D1. A record beyond the sealed end is a straggler: written down and journalled, never hidden.
 * W1. The seal stays: when the setting is found changed, it is asked for again, and that is journalled.
 * W2. A cluster that is away is looked at again; how often it could not be is part of what was found.
 * W3. While the new place cannot be written, the row says so and what to do. After `targetLostMs` of that the migration goes back by
 *     itself, as a migration of its own, as soon as the new epoch can be sealed.
 * W4. What a transaction that was open at the seal leaves behind the end when it ends is a marker, not a record.
 */
import { MqError, type Straggler } from '@mq/contract'
import { SEALED_TOPIC_BYTES } from '@mq/kafka'
import { stillForeign } from './foreign.ts'
import { isHandingOver } from './machine.ts'
import { type MigrationRecord, stepOf, withDone, withStep } from './record.ts'
import { coverAdded, coveredPartitions, sourceMissing } from './source-topic.ts'
import { keepOpen } from './withdraw.ts'
import { hasLookedFor, isAway, isGone, isMissing, keepTally, type Work } from './work.ts'

export async function watch(work: Work, number: number): Promise<void> {
  const { writer, times } = work
  let row = await writer.update(number, (before) => withStep(before, 'watch', writer.nowMs, {}))
  const { from } = row
  const untilMs = (stepOf(row, 'open')?.endedAtMs ?? writer.nowMs) + times.watchMs
  let looks = 0
  let missed = 0
  for (;;) {
    work.checkClosed()
    if (await isGone(work, row)) return
    const isLast = writer.nowMs >= untilMs
    try {
      row = await lookAtSealed(work, row)
      looks++
    } catch (error) {
      if (isMissing(error)) row = await sourceMissing(work, row, error)
      else if (!isAway(error)) throw error
      missed++
    }
    await keepOpen(work, row).catch((error: unknown) => {
      if (!isAway(error) && !isMissing(error)) throw error
    })
    row = await lookAtTarget(work, await keepTally(work, row))
    if (isLast && isTargetSettled(work, row)) break
    await work.pause(number, isLast ? times.pollMs : Math.min(times.pollMs, Math.max(1, untilMs - writer.nowMs)))
  }
  work.logger.info({ migration: number, epoch: from.epoch, looks, missed }, 'the sealed epoch was watched')
  await writer.transition(number, 'watched', (before) => ({
    ...withStep(
      withDone(before, 'watch', writer.nowMs, { looks, missed, stragglers: before.data.stragglers.length }),
      'drain',
      writer.nowMs,
      {},
    ),
    data: { ...before.data, foreign: stillForeign(work.heard, before.mqId, before.data.foreign) },
  }))
}

/** Whether the new place is well, or another migration has taken the mQ ID away from it. */
function isTargetSettled(work: Work, { data }: MigrationRecord): boolean {
  if (data.targetAway === null) return true
  const { backBy } = data.targetAway
  const back = backBy === null ? undefined : work.migrations.current(backBy)
  return backBy !== null && (back === undefined || !isHandingOver(back.state))
}

/** Looks for growth, for partitions that somebody added, and whether the seal is still set (D1, W1). */
export async function lookAtSealed(work: Work, before: MigrationRecord): Promise<MigrationRecord> {
  const { writer, clusters } = work
  const row = await coverAdded(work, before)
  const { from, number } = row
  const partitions = coveredPartitions(row)
  const { ends, limit, starts } = await clusters.use(from.cluster, `watching topic ${from.topic}`, async (admin) => ({
    ends: await admin.endOffsets(from.topic, partitions),
    limit: await admin.sizeLimit(from.topic),
    starts: row.data.startOffsets ?? (await admin.startOffsets(from.topic, partitions)).map(String),
  }))
  let after = row
  if (row.data.startOffsets === null) {
    after = await writer.update(number, (before) => ({ ...before, data: { ...before.data, startOffsets: starts } }))
  }
  if (limit !== String(SEALED_TOPIC_BYTES)) {
    const why = `max.message.bytes of ${from.topic} was ${limit}, and is ${SEALED_TOPIC_BYTES} again`
    await clusters.use(from.cluster, `sealing topic ${from.topic} again`, (admin) => admin.requestSeal(from.topic))
    await writer.journal(number, 'migration-resealed', why, { migration: number, topic: from.topic, limit })
    work.logger.error({ migration: number, mqId: row.mqId, limit }, 'the seal of an epoch was taken back by someone')
  }
  const stragglers = await withRecords(work, after, newStragglers(after, ends, writer.nowMs))
  if (stragglers.length === 0) return after
  await writer.journal(number, 'straggler', `epoch ${from.epoch} grew after its seal was proven`, { stragglers })
  work.logger.error({ migration: number, mqId: row.mqId, stragglers }, 'records were appended to a sealed epoch')
  return writer.update(number, (before) => ({
    ...before,
    data: { ...before.data, stragglers: [...before.data.stragglers, ...stragglers] },
  }))
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

/** W4 */
async function withRecords(work: Work, { from, data }: MigrationRecord, grown: Straggler[]): Promise<Straggler[]> {
  const found: Straggler[] = []
  for (const one of grown) {
    const known = data.stragglers.filter(({ partition }) => partition === one.partition).at(-1)
    const since = BigInt(known?.seenEnd ?? one.sealedEnd)
    const isRecord = await work.clusters.use(from.cluster, `looking what was appended to ${from.topic}`, (admin) =>
      admin.hasRecords(from.topic, one.partition, since),
    )
    if (isRecord) found.push(one)
  }
  return found
}

/** W3 */
async function lookAtTarget(work: Work, row: MigrationRecord): Promise<MigrationRecord> {
  const { writer, registry, times, heard } = work
  const { number, mqId, from, to, data } = row
  const { targetAway } = data
  if (targetAway !== null && targetAway.backBy !== null) {
    // One that was cancelled stays so: a person wanted that.
    if (work.migrations.current(targetAway.backBy)?.state !== 'failed') return row
    return writer.update(number, (before) => ({
      ...before,
      data: { ...before.data, targetAway: { ...targetAway, backBy: null } },
    }))
  }
  const record = registry.get(mqId)
  const isOpen =
    record?.state === 'active' && record.epochs.some((one) => one.epoch === to.epoch && one.state === 'open')
  const why = isOpen ? await problemOf(work, row) : undefined
  const sinceMs = targetAway?.sinceMs ?? writer.nowMs
  const { targetLostMs } = times
  const isLong = writer.nowMs - sinceMs >= targetLostMs && hasLookedFor(work, targetLostMs)
  const isLost = isLong && !heard.wroteSince(mqId, to.epoch, targetLostMs)
  if (why === undefined && (targetAway === null || !isLost || !isOpen)) {
    if (targetAway === null) return row
    return writer.update(number, (before) => ({ ...before, data: { ...before.data, targetAway: null } }))
  }
  const home = `epoch ${from.epoch} was on '${from.cluster}'`
  let blocked = why ?? 'it is back'
  let backBy: number | null = null
  if (isLost) {
    try {
      backBy = await work.goBack(number)
    } catch (error) {
      if (!(error instanceof MqError)) throw error
      blocked = error.message
    }
  }
  const message =
    backBy === null
      ? `epoch ${to.epoch} on '${to.cluster}' cannot be written: ${blocked}. ${home}: the migration goes back by itself as soon as epoch ${to.epoch} can be sealed; bring '${to.cluster}' back, then watch with: mq migrations --id ${mqId}`
      : `epoch ${to.epoch} on '${to.cluster}' could not be written, so migration ${backBy} goes back to '${from.cluster}': mq migrations show ${backBy}`
  if (targetAway?.message === message) return row
  if (targetAway === null || backBy !== null) {
    await writer.journal(number, 'migration-target-away', message, { migration: number, to, backBy })
    work.logger.error({ migration: number, mqId, backBy }, message)
  }
  const next = { sinceMs, code: 'MQ_MIGRATION_TARGET_AWAY', message, backBy }
  return writer.update(number, (before) => ({ ...before, data: { ...before.data, targetAway: next } }))
}

/** Why the new epoch cannot be written; undefined when nothing speaks against it. */
async function problemOf(work: Work, row: MigrationRecord): Promise<string | undefined> {
  const { to, data } = row
  try {
    const found = await work.clusters.use(to.cluster, `looking at topic ${to.topic}`, (admin) =>
      admin.findTopics([to.topic]),
    )
    const facts = found.get(to.topic)
    if (facts === undefined) return `topic ${to.topic} is gone`
    if (facts.leaderless > 0) return `${facts.leaderless} of ${to.partitions} partitions have no leader`
    const needed = data.spec.minInsyncReplicas
    return facts.leastInSync < needed
      ? `a partition has ${facts.leastInSync} replicas in sync, and ${needed} must acknowledge`
      : undefined
  } catch (error) {
    if (isAway(error)) return error.message
    throw error
  }
}
