/**
 * The topic of the old epoch as it is now, beside what mQ made.
 *
 * T1. A partition that somebody added belongs to the epoch from when it is seen: it is sealed, proven, read to its end and
 *     looked at before the deletion like the others. One that is added after the seal is sealed from its first moment.
 * T2. A topic that is gone, or was created anew, does not hold the records of the epoch any more. What groups had not read is
 *     told as gone; what stands in the new topic is never deleted by mQ.
 * T3. Whatever somebody else changed during a migration is written down and journalled once.
 */
import { MqError } from '@mq/contract'
import type { ClusterAdmin, TopicFacts } from '../provision/cluster-admin.ts'
import { isOther } from '../provision/topic-drift.ts'
import type { MigrationRecord } from './record.ts'
import { range, type Work } from './work.ts'

export type SourceLook =
  | { readonly kind: 'there'; readonly partitions: number; readonly topicId: string | null }
  | { readonly kind: 'missing'; readonly what: string }
  /** Another topic of the same name. */
  | { readonly kind: 'recreated'; readonly what: string; readonly partitions: number; readonly topicId: string | null }

/** Partitions of the old topic that the migration covers. */
export function coveredPartitions({ data, from }: MigrationRecord): number {
  return data.endOffsets?.length ?? data.partitions ?? from.partitions
}

export async function lookAtSource(admin: ClusterAdmin, row: MigrationRecord): Promise<SourceLook> {
  const { topic } = row.from
  const facts = (await admin.findTopics([topic])).get(topic)
  return sourceLook(row, facts)
}

export function sourceLook({ from, data }: MigrationRecord, facts: TopicFacts | undefined): SourceLook {
  const { topic } = from
  if (facts === undefined) return { kind: 'missing', what: `topic ${topic} was deleted by somebody else` }
  const { partitions, topicId } = facts
  if (!isOther(data.topicId, topicId)) return { kind: 'there', partitions, topicId }
  const what = `topic ${topic} was deleted and created anew by somebody else (topic id ${topicId}, before ${data.topicId})`
  return { kind: 'recreated', what, partitions, topicId }
}

/** @throws MqError MQ_TOPIC_CHANGED while the topic is not the one of the epoch */
export function checkSource(look: SourceLook): { readonly partitions: number } {
  if (look.kind === 'there') return look
  throw new MqError('MQ_TOPIC_CHANGED', look.what)
}

/** T3 */
export async function noteChange(work: Work, row: MigrationRecord, what: string): Promise<MigrationRecord> {
  const { writer } = work
  if (row.data.changes.some((change) => change.what === what)) return row
  work.logger.error({ migration: row.number, mqId: row.mqId }, what)
  await writer.journal(row.number, 'migration-topic-changed', what, { migration: row.number, topic: row.from.topic })
  return writer.update(row.number, (before) => ({
    ...before,
    data: { ...before.data, changes: [...before.data.changes, { atMs: writer.nowMs, what }] },
  }))
}

/** Writes down since when the topic is not there (T2). */
export async function sourceMissing(work: Work, row: MigrationRecord, error: MqError): Promise<MigrationRecord> {
  if (row.data.sourceGone !== null) return row
  const sourceGone = { sinceMs: work.writer.nowMs, what: error.message }
  return work.writer.update(row.number, (before) => ({ ...before, data: { ...before.data, sourceGone } }))
}

/** T1: gives clients the ends of partitions that were added after the ends of the epoch were taken. */
export async function coverAdded(work: Work, row: MigrationRecord): Promise<MigrationRecord> {
  const { writer, clusters } = work
  const { from, number } = row
  const known = row.data.endOffsets ?? []
  const look = await clusters.use(from.cluster, `looking at topic ${from.topic}`, (admin) => lookAtSource(admin, row))
  const { partitions } = checkSource(look)
  if (partitions <= known.length) return row
  const added = range(partitions).slice(known.length)
  const probes = await clusters.use(from.cluster, `probing topic ${from.topic}`, (admin) =>
    admin.probeSeal(from.topic, added, true),
  )
  if (probes.some(({ verdict }) => verdict !== 'sealed')) {
    await clusters.use(from.cluster, `sealing topic ${from.topic} again`, (admin) => admin.requestSeal(from.topic))
    return row
  }
  const ends = await clusters.use(from.cluster, `finding the end of topic ${from.topic}`, (admin) =>
    admin.sealedEnds(from.topic, probes),
  )
  const proofs = added.flatMap((partition) => {
    const probe = probes.find((one) => one.partition === partition)
    const end = ends.find((one) => one.partition === partition)
    if (probe === undefined || end?.kind !== 'end' || end.highWatermark < end.endOffset) return []
    const { leader, leaderEpoch } = probe
    return [{ partition, leader, leaderEpoch, provenAtMs: writer.nowMs, endOffset: String(end.endOffset) }]
  })
  if (proofs.length < added.length) return row
  const addedEnds = proofs.map(({ endOffset }) => endOffset)
  const what = `${added.length} partitions were added to topic ${from.topic} after it was sealed`
  const records = addedEnds.reduce((sum, end) => sum + BigInt(end), 0n)
  work.logger.error({ migration: number, mqId: row.mqId, records: Number(records) }, what)
  return writer.publish(
    number,
    'partitions-added',
    {
      kind: 'migration-partitions-added',
      why: `${what}: groups read them to their ends, which hold ${records} records`,
      after: { migration: number, partitions, addedEnds },
      apply: ({ epochs }) => ({
        epochs: epochs.map((epoch) =>
          epoch.epoch === from.epoch && epoch.endOffsets !== null
            ? { ...epoch, addedEndOffsets: [...(epoch.addedEndOffsets ?? []), ...addedEnds] }
            : epoch,
        ),
      }),
    },
    (before) => ({
      ...before,
      data: {
        ...before.data,
        proofs: [...before.data.proofs, ...proofs],
        endOffsets: [...(before.data.endOffsets ?? []), ...addedEnds],
        startOffsets:
          before.data.startOffsets === null ? null : [...before.data.startOffsets, ...addedEnds.map(() => '0')],
        // Nobody has read what was just found.
        groups: before.data.groups.map((group) => (records > 0n ? { ...group, drainedAtMs: null } : group)),
        changes: [...before.data.changes, { atMs: writer.nowMs, what }],
      },
    }),
  )
}
