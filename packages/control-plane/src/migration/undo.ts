/**
 * Back to how it was: the seal is taken back where it was asked for, the old epoch is open again, the new one goes.
 *
 * U1. Where the seal was asked for, leaders are probed first. One that refuses data ends the undoing: the move goes on.
 * U2. Clients hear that the old epoch is open only after its leaders said so themselves, or after SETTLE_MS in which none
 *     refused: a partition without a leader must not hold the others.
 * U3. What the report says of the old topic was looked at when the undoing ended: its size limit, and what its leaders answered.
 */
import { SEALED_TOPIC_BYTES } from '@mq/kafka'
import { type MigrationRecord, stepOf, withDone, withStep } from './record.ts'
import { refused } from './seal.ts'
import { coveredPartitions } from './source-topic.ts'
import { isMissing, range, type Work } from './work.ts'

const SETTLE_MS = 3_000

export async function undo(work: Work, number: number): Promise<void> {
  const { logbook } = work
  const row = await logbook.note(number, (before) => withStep(before, 'undo', logbook.nowMs, {}))
  const { from, to } = row
  const isAsked = stepOf(row, 'seal') !== undefined
  const found = isAsked ? await release(work, row) : await lookAtLimit(work, row)
  if (found === undefined) {
    await refused(work, number, (before) => ({
      ...withDone(before, 'undo', logbook.nowMs, { undone: false }),
      data: { ...before.data, undo: null },
    }))
    return
  }
  const { kind, message } = row.data.undo ?? { kind: 'cancel', message: 'asked for' }
  const nowMs = logbook.nowMs
  await logbook.publish(
    number,
    kind === 'cancel' ? 'undone-cancel' : 'undone-fail',
    {
      kind: 'migration-undone',
      why: message,
      after: { migration: number, epoch: from.epoch },
      apply: ({ epochs }) => ({
        epochs: epochs
          .filter((epoch) => epoch.epoch !== to.epoch)
          .map((epoch) => (epoch.epoch === from.epoch ? { ...epoch, state: 'open' } : epoch)),
      }),
    },
    (before) => withStep(withDone(before, 'undo', nowMs, { undone: true, ...found }), 'delete-topic', nowMs, {}),
  )
}

/** What was seen of the old topic when the undoing ended, for the report (U3). */
interface Seen {
  /** Null where it could not be asked for. */
  readonly limit: string | null
  readonly limitBefore: string
  /** Leaders that were asked whether they take records, and those that do; none were asked where no seal was. */
  readonly askedLeaders: number
  readonly openLeaders: number
}

/** U3, where the seal was never asked for: leaders that were never told to refuse are not asked. */
async function lookAtLimit({ clusters }: Work, { from, data }: MigrationRecord): Promise<Seen> {
  const limit = await clusters
    .use(from.cluster, `checking topic ${from.topic}`, (admin) => admin.sizeLimit(from.topic))
    .catch(() => null)
  return { limit, limitBefore: data.sizeLimit, askedLeaders: 0, openLeaders: 0 }
}

/** Takes the seal back; undefined when a leader refused data before that (U1). */
async function release(work: Work, row: MigrationRecord): Promise<Seen | undefined> {
  const { clusters, deps } = work
  const { from, data, number } = row
  const partitions = range(coveredPartitions(row))
  const probe = () =>
    clusters.use(from.cluster, `probing topic ${from.topic}`, (admin) => admin.probeSeal(from.topic, partitions, true))
  const found = await probe().catch((error: unknown) => {
    // Without the topic there is nothing to take back.
    if (!isMissing(error)) throw error
    return undefined
  })
  if (found === undefined) return lookAtLimit(work, row)
  if (found.some((one) => one.verdict === 'sealed')) return undefined
  await clusters.use(from.cluster, `taking back the seal of ${from.topic}`, async (admin) => {
    // What somebody else has set meanwhile stays.
    if ((await admin.sizeLimit(from.topic)) !== String(SEALED_TOPIC_BYTES)) return
    await admin.releaseSeal(from.topic, data.sizeLimit)
  })
  const untilMs = deps.clock.monotonicMs() + SETTLE_MS
  for (;;) {
    const probes = await probe()
    const openLeaders = probes.filter((one) => one.verdict === 'open').length
    const isRefusing = probes.some((one) => one.verdict === 'sealed')
    if (openLeaders === probes.length || (!isRefusing && deps.clock.monotonicMs() >= untilMs)) {
      return { ...(await lookAtLimit(work, row)), askedLeaders: probes.length, openLeaders }
    }
    work.checkClosed()
    await work.pause(number, 20)
  }
}
