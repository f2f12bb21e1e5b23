/**
 * Back to how it was: the seal is taken back where it was asked for, the old epoch is open again, the new one goes.
 *
 * U1. Where the seal was asked for, leaders are probed first. One that refuses data ends the undoing: the move goes on.
 * U2. Clients hear that the old epoch is open only after its leaders said so themselves, or after SETTLE_MS in which none
 *     refused: a partition without a leader must not hold the others.
 */
import { MqError } from '@mq/contract'
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
  if (stepOf(row, 'seal') !== undefined && !(await release(work, row))) {
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
    (before) => withStep(withDone(before, 'undo', nowMs, { undone: true }), 'delete-topic', nowMs, {}),
  )
}

/** Takes the seal back; false when a leader refused data before that (U1). */
async function release(work: Work, row: MigrationRecord): Promise<boolean> {
  const { clusters, deps } = work
  const { from, data, number } = row
  const probe = () =>
    clusters.use(from.cluster, `probing topic ${from.topic}`, (admin) =>
      admin.probeSeal(from.topic, range(coveredPartitions(row)), true),
    )
  const found = await probe().catch((error: unknown) => {
    // Without the topic there is nothing to take back.
    if (!isMissing(error)) throw error
    return undefined
  })
  if (found === undefined) return true
  if (found.some((one) => one.verdict === 'sealed')) return false
  await clusters.use(from.cluster, `taking back the seal of ${from.topic}`, async (admin) => {
    try {
      await admin.releaseSeal(from.topic, data.sizeLimit)
    } catch (error) {
      // A cluster that forbids the change forbade the seal, too.
      if (!(error instanceof MqError) || error.retryable) throw error
      if ((await admin.sizeLimit(from.topic)) === String(SEALED_TOPIC_BYTES)) throw error
    }
  })
  const untilMs = deps.clock.monotonicMs() + SETTLE_MS
  for (;;) {
    const probes = await probe()
    if (probes.every((one) => one.verdict === 'open')) return true
    const isRefusing = probes.some((one) => one.verdict === 'sealed')
    if (!isRefusing && deps.clock.monotonicMs() >= untilMs) return true
    work.checkClosed()
    await work.pause(number, 20)
  }
}
