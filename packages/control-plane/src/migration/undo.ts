/**
 * Back to how it was: the seal is taken back where it was asked for, the old epoch is open again, the new one goes.
 *
 * U1. A new epoch that clients know of is closed first (withdraw.ts). Where that shows that a leader refuses data, or that a client opened
 *     the new epoch by itself, the undoing ends: the migration goes on.
 * U4. While the cluster of the new epoch is away the undoing waits for it, unless a person says that it should not. Then the new topic is closed
 *     as soon as its cluster is back, and no seal of the old topic is asked for before that (N6).
 * U2. Clients hear that the old epoch is open only after its leaders said so themselves, or after SETTLE_MS in which none
 *     refused: a partition without a leader must not hold the others.
 * U3. What the report says of the old topic was looked at when the undoing ended: its size limit, and what its leaders answered.
 */
import { SEALED_TOPIC_BYTES } from '@mq/kafka'
import { type MigrationRecord, stepOf, withDone, withStep } from './record.ts'
import { refused } from './seal.ts'
import { coveredPartitions } from './source-topic.ts'
import { isAnnounced, withdraw } from './withdraw.ts'
import { isMissing, range, type Work } from './work.ts'

const SETTLE_MS = 3_000

export async function undo(work: Work, number: number): Promise<void> {
  const { writer } = work
  const row = await writer.update(number, (before) => withStep(before, 'undo', writer.nowMs, {}))
  const { from, to } = row
  const isAsked = stepOf(row, 'seal') !== undefined
  const withdrawal = isAnnounced(row) ? await withdraw(work, number) : undefined
  if (withdrawal?.kind === 'forward') {
    await goForward(work, number, withdrawal.why)
    return
  }
  const found = isAsked ? await release(work, row) : await lookAtLimit(work, row)
  const { kind, message } = row.data.undo ?? { kind: 'cancel', message: 'asked for' }
  const nowMs = writer.nowMs
  await writer.publish(
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

/** The migration goes on after all (U1). */
async function goForward(work: Work, number: number, why: string): Promise<void> {
  const { writer } = work
  const { nowMs } = writer
  await refused(
    work,
    number,
    (before) => ({
      ...withStep(withDone(before, 'undo', nowMs, { undone: false, why }), 'seal', nowMs, {}),
      data: { ...before.data, undo: null },
    }),
    why,
  )
}

/** Takes the seal back. A request for it that takes effect late is taken back, too: nothing leads forward any more (N4). */
async function release(work: Work, row: MigrationRecord): Promise<Seen> {
  const { clusters, deps } = work
  const { from, data, number } = row
  const partitions = range(coveredPartitions(row))
  const untilMs = deps.clock.monotonicMs() + SETTLE_MS
  try {
    for (;;) {
      await clusters.use(from.cluster, `taking back the seal of ${from.topic}`, async (admin) => {
        // What somebody else has set meanwhile stays.
        if ((await admin.sizeLimit(from.topic)) !== String(SEALED_TOPIC_BYTES)) return
        await admin.releaseSeal(from.topic, data.sizeLimit)
      })
      const probes = await clusters.use(from.cluster, `probing topic ${from.topic}`, (admin) =>
        admin.probeSeal(from.topic, partitions, true),
      )
      const openLeaders = probes.filter((one) => one.verdict === 'open').length
      const isRefusing = probes.some((one) => one.verdict === 'sealed')
      if (openLeaders === probes.length || (!isRefusing && deps.clock.monotonicMs() >= untilMs)) {
        return { ...(await lookAtLimit(work, row)), askedLeaders: probes.length, openLeaders }
      }
      work.checkClosed()
      await work.pause(number, 20)
    }
  } catch (error) {
    // Without the topic there is nothing to take back.
    if (!isMissing(error)) throw error
    return lookAtLimit(work, row)
  }
}
