/**
 * The old cluster is gone before every group read the old epoch to its end.
 *
 * L1. `wait`: groups stand before the gates of the new epoch, in order, until the cluster is back. The row says so and what to do.
 * L2. `skip`: after `lostMs` groups go on without the rest. What each of them had not committed stands in the ledger, from its
 *     last position that was seen; nothing of it is dropped silently.
 * L3. When the cluster is back, the old epoch is in the binding again as `late`: groups read the rest beside newer records,
 *     so at least once and not in order. The ledger says when each range was read.
 * L4. What the cluster does not have any more when it is back (expired, or lost with its disks) is counted as gone and journalled.
 *     A topic that stays missing ends the wait, and so does the end of the retention: then all of it is gone.
 */
import { MqError, type StrandedRange } from '@mq/contract'
import { type MigrationData, type MigrationRecord, stepOf, withDone, withStep } from './record.ts'
import { coveredPartitions } from './source-topic.ts'
import { hasLookedFor, isAway, isGone, keepTally, type Work } from './work.ts'

/** Notes that the old cluster is away; true when groups went on without it. */
export async function sourceAway(work: Work, row: MigrationRecord, error: MqError): Promise<boolean> {
  const { writer, times } = work
  const { number, from, data } = row
  const sinceMs = data.sourceAway?.sinceMs ?? writer.nowMs
  if (data.onLostSource === 'skip' && writer.nowMs - sinceMs >= times.lostMs && hasLookedFor(work, times.lostMs)) {
    await strand(work, row)
    return true
  }
  const next =
    data.onLostSource === 'skip'
      ? `groups go on without the rest of epoch ${from.epoch} when it stays away for ${times.lostMs} ms`
      : `groups wait for it to read epoch ${from.epoch} in order; to let them go on without: mq migrate skip ${number}`
  const message = `cluster '${from.cluster}' is away (${error.message}): ${next}`
  if (data.sourceAway?.message === message) return false
  work.logger.warn({ migration: number, mqId: row.mqId }, message)
  await writer.update(number, (before) => ({
    ...withStep(before, 'drain', writer.nowMs, { problem: `${error.code}: ${error.message}` }),
    data: { ...before.data, sourceAway: { sinceMs, code: error.code, message } },
  }))
  return false
}

/** L2 */
async function strand(work: Work, row: MigrationRecord): Promise<void> {
  const { writer } = work
  const { number, from } = row
  const ledger = row.data.ledger.length > 0 ? row.data.ledger : ledgerOf(row)
  const records = ledger.reduce((sum, { from: first, to }) => sum + BigInt(to) - BigInt(first), 0n)
  await writer.publish(
    number,
    'source-lost',
    {
      kind: 'migration-stranded',
      why: `cluster '${from.cluster}' is away: groups go on without ${records} offsets of epoch ${from.epoch} until it is back`,
      after: { migration: number, ledger },
      apply: ({ epochs }) => ({
        epochs: epochs.map((epoch) => {
          if (epoch.epoch !== from.epoch) return epoch
          const { late: _late, ...rest } = epoch
          return { ...rest, state: 'lost' }
        }),
      }),
    },
    (before) => ({
      ...withStep(before, 'reconcile', writer.nowMs, { endedAtMs: null, result: {} }),
      data: { ...before.data, ledger },
    }),
  )
}

/** What groups had not committed when they were last seen, partition by partition. */
export function ledgerOf({ data, steps }: MigrationRecord): StrandedRange[] {
  const seeded = steps.find(({ step }) => step === 'prepare')?.result.groups
  const known = [...data.groups.map(({ group }) => group), ...Object.keys(data.positions)]
  // Never looked at since the seal: then they are known from the preparing, and all of the epoch counts.
  if (typeof seeded === 'object' && seeded !== null) known.push(...Object.keys(seeded))
  const isOut = (group: string): boolean =>
    data.dropped[group] !== undefined || data.groups.some((one) => one.group === group && one.goneAtMs !== null)
  return [...new Set(known)]
    .filter((group) => !isOut(group))
    .sort()
    .flatMap((group) =>
      (data.endOffsets ?? []).flatMap((to, partition): StrandedRange[] => {
        const from = data.positions[group]?.[partition] ?? data.startOffsets?.[partition] ?? '0'
        return BigInt(from) >= BigInt(to) ? [] : [{ group, partition, from, to, gone: '0', settledAtMs: null }]
      }),
    )
}

/** Waits for the old cluster while groups read on (state `stranded`). */
export async function reconcile(work: Work, number: number): Promise<void> {
  const { writer, clusters, registry, times } = work
  let missingSinceMs: number | undefined
  for (;;) {
    work.checkClosed()
    const row = await keepTally(work, writer.row(number))
    if (await isGone(work, row)) return
    const { from } = row
    if (isExpired(row, writer.nowMs)) {
      await allGone(work, row, `cluster '${from.cluster}' was away until their retention was over`)
      return
    }
    try {
      if (registry.cluster(from.cluster) === undefined) {
        throw new MqError('MQ_TOPIC_MISSING', `cluster '${from.cluster}' is not registered any more`)
      }
      const found = await clusters.use(from.cluster, `looking for topic ${from.topic}`, async (admin) => ({
        starts: await admin.startOffsets(from.topic, coveredPartitions(row)),
        ends: await admin.endOffsets(from.topic, coveredPartitions(row)),
      }))
      await back(work, row, found)
      return
    } catch (error) {
      const isMissing = error instanceof MqError && error.code === 'MQ_TOPIC_MISSING'
      if (!isMissing && !isAway(error)) throw error
      if (!isMissing) missingSinceMs = undefined
      else missingSinceMs ??= writer.nowMs
      if (missingSinceMs !== undefined && writer.nowMs - missingSinceMs >= times.lostMs) {
        await allGone(work, row, (error as MqError).message)
        return
      }
    }
    await work.pause(number, times.pollMs)
  }
}

/** Whether the newest record of the old epoch is older than records are kept. */
function isExpired(row: MigrationRecord, nowMs: number): boolean {
  const { retention } = row.data.spec.intent
  const endedMs = stepOf(row, 'open')?.endedAtMs
  return retention.policy === 'time' && endedMs != null && nowMs - endedMs > retention.durationMs
}

/** L3, L4 */
async function back(
  work: Work,
  row: MigrationRecord,
  { starts, ends }: { readonly starts: readonly bigint[]; readonly ends: readonly bigint[] },
): Promise<void> {
  const { writer } = work
  const { number, from } = row
  const ledger = row.data.ledger.map((range) => {
    const [first, to] = [BigInt(range.from), BigInt(range.to)]
    const has = { from: max(first, starts[range.partition] ?? 0n), to: min(to, ends[range.partition] ?? 0n) }
    const left = has.to > has.from ? has.to - has.from : 0n
    return { ...range, gone: String(to - first - left) }
  })
  const gone = sumGone(ledger)
  if (gone > 0n) {
    const why = `${gone} offsets of epoch ${from.epoch} that groups had not read are gone from cluster '${from.cluster}'`
    await writer.journal(number, 'migration-records-gone', why, { migration: number, ledger })
    work.logger.error({ migration: number, mqId: row.mqId, gone: String(gone) }, why)
  }
  await writer.publish(
    number,
    'source-back',
    {
      kind: 'migration-late',
      why: `cluster '${from.cluster}' is back: groups read the rest of epoch ${from.epoch} late`,
      after: { migration: number, ledger },
      apply: ({ epochs }) => ({
        epochs: epochs.map((epoch) =>
          epoch.epoch === from.epoch ? { ...epoch, state: 'sealed', late: true as const } : epoch,
        ),
      }),
    },
    (before) => ({
      ...withDone(before, 'reconcile', writer.nowMs, { back: true, gone: String(gone) }),
      data: settled({ ...before.data, ledger, sourceAway: null }, writer.nowMs),
    }),
  )
}

export async function allGone(work: Work, row: MigrationRecord, reason: string): Promise<void> {
  const { writer } = work
  const { number, from } = row
  const nowMs = writer.nowMs
  const ledger = row.data.ledger.map((range) => ({
    ...range,
    gone: String(BigInt(range.to) - BigInt(range.from)),
    settledAtMs: range.settledAtMs ?? nowMs,
  }))
  const why = `${sumGone(ledger)} offsets of epoch ${from.epoch} are gone: ${reason}`
  work.logger.error({ migration: number, mqId: row.mqId }, why)
  await writer.publish(
    number,
    'drained',
    {
      kind: 'migration-records-gone',
      why,
      after: { migration: number, ledger },
      apply: ({ epochs }) => ({ epochs: epochs.filter((epoch) => epoch.epoch !== from.epoch) }),
    },
    (before) => ({
      ...withStep(
        withDone(before, 'reconcile', nowMs, { back: false, gone: String(sumGone(ledger)) }),
        'delete-topic',
        nowMs,
        {},
      ),
      data: { ...before.data, ledger, sourceAway: null },
    }),
  )
}

/** The data with every range of the ledger marked that its group has read by now. */
export function settled(data: MigrationData, nowMs: number): MigrationData {
  if (data.ledger.length === 0) return data
  const ledger = data.ledger.map((range) => {
    if (range.settledAtMs !== null) return range
    const group = data.groups.find((one) => one.group === range.group)
    const position = data.positions[range.group]?.[range.partition]
    const isRead = group?.drainedAtMs != null || (position !== undefined && BigInt(position) >= BigInt(range.to))
    return isRead ? { ...range, settledAtMs: nowMs } : range
  })
  return { ...data, ledger }
}

const sumGone = (ledger: readonly StrandedRange[]): bigint => ledger.reduce((sum, { gone }) => sum + BigInt(gone), 0n)
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
