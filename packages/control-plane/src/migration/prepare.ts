/**
 * From `planned` to `sealing`: everything that can be done before a producer notices.
 *
 * P1. Nothing here touches the old topic; every call may be repeated.
 * P2. Groups have their start on the new topic before any client hears of it.
 * P3. A topic of the wanted name that is not ours ends the migration.
 */
import { groupOfId, MqError } from '@mq/contract'
import type { TopicGroup } from '../provision/cluster-admin.ts'
import { foreignTopic } from '../provision/provision-errors.ts'
import { withTimeLimit } from '../provision/time-limit.ts'
import { awaitLeaders, createTopic, isOurs, timeLimitOf } from '../provision/topic.ts'
import { findForeign } from './foreign.ts'
import { stepOf, withDone, withStep } from './record.ts'
import { rehearse } from './seal.ts'
import { checkFormerSuccessors } from './withdraw.ts'
import { range, type Work } from './work.ts'

const WARM_POLL_MS = 100
/** Clients report every 10 s at most. */
const WROTE_LATELY_MS = 60_000
/** Producers open their connections in this, also where nobody consumes. */
const LEAST_WARM_MS = 200

export async function prepare(work: Work, number: number): Promise<void> {
  const { writer, clusters, deps } = work
  const { from, to, data, mqId } = await writer.update(number, (row) => withStep(row, 'prepare', writer.nowMs, {}))
  const { spec } = data
  const { replication } = to
  await clusters.reach(from.cluster)
  await clusters.reach(to.cluster)
  await work.sealChecks.check(from.cluster)
  // Clients probe the new topic, too, before they open it, and a cancel closes it (withdraw.ts).
  await work.sealChecks.check(to.cluster)
  await clusters.use(from.cluster, `checking topic ${from.topic}`, (admin) => admin.validateSeal(from.topic))
  work.checkpoint(number)
  const topic = { name: to.topic, partitions: to.partitions, replication, configs: spec.topicConfigs }
  const limit = await clusters.use(to.cluster, `making topic ${to.topic}`, async (admin) => {
    try {
      return await createTopic(admin, topic)
    } catch (error) {
      if (!(error instanceof MqError) || error.code !== 'MQ_TOPIC_EXISTS') throw error
      if (!(await isOurs(admin, to.topic, to.partitions, replication))) throw foreignTopic(to.topic, to.cluster)
      return await timeLimitOf(admin, to.topic)
    }
  })
  const { topicId } = await awaitLeaders(clusters, deps, to.cluster, to.topic, to.partitions)
  work.checkpoint(number)
  const canary = await clusters.use(to.cluster, 'a canary', (admin) =>
    admin.canary(
      {
        name: `mq.canary.${number}`,
        replication,
        configs: { 'min.insync.replicas': String(spec.minInsyncReplicas), 'retention.ms': '3600000' },
      },
      { producer: spec.producer, consumer: spec.consumer },
    ),
  )
  work.checkpoint(number)
  const groups = await clusters.use(from.cluster, `reading the groups of ${from.topic}`, (admin) =>
    admin.groupsOf(mqId, from.topic),
  )
  const seeds: Record<string, string> = {}
  for (const { groupId } of groups) {
    const group = groupOfId(groupId, mqId) ?? groupId
    seeds[group] = await clusters.use(to.cluster, `seeding group ${groupId}`, (admin) =>
      admin.seedGroup(groupId, to.topic, to.partitions),
    )
    work.checkpoint(number)
  }
  const nowMs = writer.nowMs
  await writer.publish(
    number,
    'prepared',
    {
      kind: 'migration-prepared',
      why: `epoch ${to.epoch} stands on cluster '${to.cluster}', verified by a canary`,
      after: { migration: number, to },
      apply: ({ epochs }) => ({
        epochs: [
          ...epochs.filter((epoch) => epoch.epoch !== to.epoch),
          {
            epoch: to.epoch,
            state: 'preparing',
            cluster: to.cluster,
            topic: to.topic,
            partitions: to.partitions,
            endOffsets: null,
            topicId,
            createdAtMs: nowMs,
          },
        ],
      }),
    },
    (row) => ({
      ...withStep(
        withDone(row, 'prepare', nowMs, {
          canaryWriteMs: Math.round(canary.writeMs),
          canaryReadMs: Math.round(canary.readMs),
          groups: seeds,
        }),
        'warm',
        nowMs,
        {},
      ),
      // Should a group be deleted before it is looked at again, it is known how far it was.
      data: {
        ...row.data,
        spec: withTimeLimit(row.data.spec, limit),
        positions: positionsOf(groups, mqId, row.data.partitions ?? from.partitions),
      },
    }),
  )
}

/**
 * Waits until the groups that read the old epoch hold every partition of the new one, spread over as many members, but not for
 * ever: a member without its share would handle nothing until the group has come to rest.
 */
export async function warm(work: Work, number: number): Promise<void> {
  const { writer, clusters, times } = work
  const { from, to, mqId, steps } = writer.row(number)
  const sinceMs = stepOf(writer.row(number), 'warm')?.startedAtMs ?? steps.at(-1)!.startedAtMs
  const spentMs = (): number => writer.nowMs - sinceMs
  const groups = await clusters.use(from.cluster, `reading the groups of ${from.topic}`, (admin) =>
    admin.groupsOf(mqId, from.topic),
  )
  let cold = groups.filter((group) => group.members > 0).map((group) => group.groupId)
  for (;;) {
    work.checkpoint(number)
    const waiting: string[] = []
    for (const groupId of cold) {
      const looking = `looking at group ${groupId}`
      const [before, after] = await Promise.all([
        clusters.use(from.cluster, looking, (admin) => admin.groupOn(groupId, from.topic)),
        clusters.use(to.cluster, looking, (admin) => admin.groupOn(groupId, to.topic)),
      ])
      if (!isWarm(before, after, to.partitions)) waiting.push(groupId)
    }
    cold = waiting
    if (spentMs() >= Math.min(times.warmMs, LEAST_WARM_MS) && (cold.length === 0 || spentMs() >= times.warmMs)) break
    await work.pause(number, Math.min(WARM_POLL_MS, times.warmMs))
  }
  checkFormerSuccessors(work, writer.row(number))
  const { partitions } = await rehearse(work, number)
  const sizeLimit = await clusters.use(from.cluster, `checking topic ${from.topic}`, (admin) =>
    admin.sizeLimit(from.topic),
  )
  const foreign = await findForeign({ clusters, heard: work.heard, nowMs: () => writer.nowMs }, mqId, {
    ...from,
    partitions,
  })
  const writers = work.heard.writersSince(mqId, WROTE_LATELY_MS)
  work.checkpoint(number)
  const nowMs = writer.nowMs
  await writer.transition(number, 'seal-begins', (row) => ({
    ...withStep(withDone(row, 'warm', nowMs, { notJoined: cold }), 'seal', nowMs, {}),
    data: { ...row.data, foreign: foreign.producers, foreignUnknown: foreign.unknown, writers, partitions, sizeLimit },
  }))
}

function isWarm(before: TopicGroup, after: TopicGroup, partitions: number): boolean {
  const { assigned, subscribed, isSettled } = after
  if (assigned.size < partitions || isSettled === false) return false
  return subscribed === undefined || before.subscribed === undefined || subscribed >= before.subscribed
}

function positionsOf(groups: readonly TopicGroup[], mqId: string, partitions: number): Record<string, string[]> {
  return Object.fromEntries(
    groups.map(({ groupId, committed }) => [
      groupOfId(groupId, mqId) ?? groupId,
      range(partitions).map((partition) => String(committed.get(partition) ?? 0n)),
    ]),
  )
}
