/**
 * One look at a whole cluster. Questions are asked in bulk and in parallel; nothing is written.
 *
 * L1. A part that cannot be had leaves the rest standing (O1); only a cluster that does not answer at all is an error.
 * L2. Ends of logs are read twice, `watchMs` apart, and everything else is done in between: watching costs no time of its own.
 */
import type { MqError } from '@mq/contract'
import {
  type Cluster,
  Survey,
  type Surveyed,
  type SurveyedGroup,
  type TopicMetadata,
  type TopicOffsets,
} from '@mq/kafka'
import { sleep } from '../deadline.ts'
import type {
  ClusterObservation,
  ObservationProblem,
  ObservedGroup,
  ObservedRate,
  ObservedTopic,
} from './observation.ts'
import { quietPartitions, rateOf } from './rates.ts'
import { BatchTally, type PartitionLog, SAMPLING, type SamplingLimits, wishesOf } from './sampling.ts'
import { COSTLY_CONFIGS, topicConfigsOf } from './topic-configs.ts'

export interface ObserveOptions {
  readonly watchMs: number
  /** All topics that may be seen when left out. */
  readonly topics?: readonly string[]
  /** Null: no batch is looked at. */
  readonly sampling?: SamplingLimits | null
  readonly onProgress?: (what: string) => void
}

const DAY_MS = 86_400_000
const UNKNOWN_TOPIC = 3

export async function observeCluster(cluster: Cluster, options: ObserveOptions): Promise<ClusterObservation> {
  const { deps } = cluster
  const { watchMs, sampling = SAMPLING, onProgress = () => {} } = options
  const startedAtMs = deps.clock.nowMs()
  const startMs = deps.clock.monotonicMs()
  const survey = new Survey(cluster)
  const problems: ObservationProblem[] = []
  onProgress('listing topics')
  const { clusterId, brokers, topics: listed } = await survey.topics(options.topics)
  const topics = listed.filter(({ errorCode }) => errorCode === undefined)
  for (const { name, errorCode } of listed) {
    if (errorCode !== undefined) problems.push(topicProblem(name, errorCode))
  }
  onProgress(`asking about ${topics.length} topics`)
  const names = topics.map(({ name }) => name)
  const nodeIds = brokers.map(({ nodeId }) => nodeId)
  const firstLookMs = deps.clock.monotonicMs()
  const [latest, groups] = await Promise.all([survey.offsets(topics, 'latest'), groupsOf(survey, problems)])
  const [earliest, dayAgo, configs, disks] = await Promise.all([
    survey.offsets(topics, 'earliest'),
    survey.offsets(topics, { timestampMs: Math.max(0, startedAtMs - DAY_MS) }),
    survey.configs(names, COSTLY_CONFIGS),
    survey.logDirs(nodeIds),
  ])
  collect(problems, 'topic', 'offsets', latest, earliest, dayAgo)
  collect(problems, 'topic', 'settings', configs)
  collect(problems, 'broker', 'sizes of logs', disks)
  const logsOf = (topic: TopicMetadata): PartitionLog[] =>
    topic.partitions.flatMap(({ index, leader }) => {
      const [from, to] = [earliest, latest].map((offsets) => offsets.found.get(topic.name)?.get(index)?.offset)
      if (from === undefined || to === undefined) return []
      const bytes = disks.found.get(String(leader))?.bytes.get(`${topic.name}:${index}`) ?? null
      return [{ partition: index, earliest: from, latest: to, bytes }]
    })
  const logs = new Map(topics.map((topic) => [topic.name, logsOf(topic)]))
  // What could not be asked of a topic says nothing about its traffic: no answer is not an answer of nothing.
  const dayOf = (name: string): TopicOffsets | undefined =>
    dayAgo.problems.has(name) ? undefined : dayAgo.found.get(name)
  const rates = new Map(
    topics.map(({ name }) => {
      const day = dayOf(name)
      return [name, day === undefined ? null : rateOf(logs.get(name)!, day, startedAtMs)] as const
    }),
  )
  const tally = await sample({ cluster, survey, topics, logs, rates, sampling, problems, onProgress })
  const leftMs = watchMs - (deps.clock.monotonicMs() - firstLookMs)
  if (leftMs > 0) {
    onProgress(`watching for ${Math.ceil(leftMs / 1_000)} s`)
    await sleep(deps, leftMs)
  }
  const watched = watchMs > 0
  const [again, groupsAgain] = watched
    ? await Promise.all([survey.offsets(topics, 'latest'), groupsOf(survey, [])])
    : [latest, groups]
  const watchedMs = watched ? deps.clock.monotonicMs() - firstLookMs : 0
  return {
    cluster: cluster.name,
    clusterId,
    startedAtMs,
    tookMs: deps.clock.monotonicMs() - startMs,
    watchedMs,
    brokers: brokers.map(({ nodeId, host, port, rack }) => {
      const disk = disks.found.get(String(nodeId))
      const logBytes = disk === undefined ? null : [...disk.bytes.values()].reduce((sum, bytes) => sum + bytes, 0)
      const { totalBytes = null, usableBytes = null } = disk ?? {}
      return { nodeId, host, port, rack, logBytes, totalBytes, usableBytes }
    }),
    racks: new Set(brokers.flatMap(({ rack }) => rack ?? [])).size || null,
    topics: topics.map((topic): ObservedTopic => {
      const own = logs.get(topic.name)!
      const complete = own.length === topic.partitions.length
      const end = (offsets: Surveyed<TopicOffsets>): number =>
        [...(offsets.found.get(topic.name)?.values() ?? [])].reduce((sum, { offset }) => sum + offset, 0)
      const watchedPerSecond = watchedMs > 0 && complete ? ((end(again) - end(latest)) / watchedMs) * 1_000 : null
      const copies = topic.partitions.flatMap(({ index, replicas }) =>
        replicas.map((replica) => disks.found.get(String(replica))?.bytes.get(`${topic.name}:${index}`)),
      )
      const texts = configs.found.get(topic.name)
      const known = rates.get(topic.name) ?? null
      const watchedRate: ObservedRate | null =
        watchedPerSecond === null ? null : { recordsPerSecond: watchedPerSecond, basis: 'watched', overMs: watchedMs }
      return {
        name: topic.name,
        internal: topic.name.startsWith('__'),
        partitions: topic.partitions.length,
        replication: topic.partitions[0]?.replicas.length ?? 0,
        underReplicated: topic.partitions.filter(({ replicas, isr }) => isr.length < replicas.length).length,
        configs: texts === undefined ? null : topicConfigsOf(texts),
        retainedRecords: complete ? own.reduce((sum, log) => sum + log.latest - log.earliest, 0) : null,
        endOffset: complete ? end(latest) : null,
        leaderBytes: sumOf(own.map(({ bytes }) => bytes)),
        diskBytes: sumOf(copies.map((bytes) => bytes ?? null)),
        rate: complete ? (known ?? watchedRate) : null,
        watchedPerSecond,
        batches: tally.of(topic.name),
        quietPartitions: complete ? quietPartitions(own, dayOf(topic.name)) : null,
      }
    }),
    groups: groupFacts(groups, groupsAgain, latest, earliest),
    problems,
  }
}

async function sample(work: {
  readonly cluster: Cluster
  readonly survey: Survey
  readonly topics: readonly TopicMetadata[]
  readonly logs: ReadonlyMap<string, readonly PartitionLog[]>
  readonly rates: ReadonlyMap<string, ObservedRate | null>
  readonly sampling: SamplingLimits | null
  readonly problems: ObservationProblem[]
  readonly onProgress: (what: string) => void
}): Promise<BatchTally> {
  const { cluster, survey, topics, logs, rates, sampling, problems, onProgress } = work
  if (sampling === null) return new BatchTally(new Set())
  // What a topic weighs on the bill goes with the bytes it holds and the bytes it moves in a day.
  const weight = (name: string): number => {
    const own = logs.get(name) ?? []
    const bytes = own.reduce((sum, log) => sum + (log.bytes ?? 0), 0)
    const records = own.reduce((sum, log) => sum + log.latest - log.earliest, 0)
    const each = records > 0 && bytes > 0 ? bytes / records : 1_000
    return bytes + (rates.get(name)?.recordsPerSecond ?? 0) * 86_400 * each
  }
  const order = topics.map(({ name }) => name).toSorted((a, b) => weight(b) - weight(a))
  const busiest = order.filter((name) => !name.startsWith('__')).slice(0, sampling.triedTopics)
  const tried = new Set(busiest)
  const tally = new BatchTally(tried)
  const wishes = topics.flatMap((topic) =>
    wishesOf(
      topic,
      logs.get(topic.name) ?? [],
      tried.has(topic.name) ? sampling.triedBytes : sampling.sampledBytes,
      sampling,
    ),
  )
  onProgress(`sampling batches of ${wishes.length} partitions`)
  const told = new Set<string>()
  await survey.sample(wishes, {
    onSample: (wish, batches) => tally.add(wish, batches),
    onProblem: (wish, problem) => {
      if (!told.has(wish.topic)) problems.push(problemOf('topic', wish.topic, 'sampled batches', problem))
      told.add(wish.topic)
    },
  })
  onProgress('trying codecs on the sampled batches')
  await tally.tryCodecs(busiest, cluster.deps, sampling.tryMs, () => sleep(cluster.deps, 0))
  return tally
}

async function groupsOf(survey: Survey, problems: ObservationProblem[]): Promise<Surveyed<SurveyedGroup>> {
  try {
    const groups = await survey.groups()
    collect(problems, 'group', 'positions', groups)
    return groups
  } catch (error) {
    problems.push(problemOf('cluster', 'groups', 'consumer groups', error as MqError))
    return { found: new Map(), problems: new Map() }
  }
}

function groupFacts(
  groups: Surveyed<SurveyedGroup>,
  again: Surveyed<SurveyedGroup>,
  latest: Surveyed<TopicOffsets>,
  earliest: Surveyed<TopicOffsets>,
): ObservedGroup[] {
  return [...groups.found.values()].map(({ groupId, state, members, committed }) => ({
    group: groupId,
    state,
    members,
    topics: [...committed].flatMap(([topic, positions]) => {
      const ends = latest.found.get(topic)
      if (ends === undefined || positions.size === 0) return []
      const later = again.found.get(groupId)?.committed.get(topic)
      let lagRecords = 0
      let lostRecords = 0
      let moving = false
      for (const [partition, position] of positions) {
        const end = ends.get(partition)?.offset ?? position
        const start = earliest.found.get(topic)?.get(partition)?.offset ?? 0
        lagRecords += Math.max(0, end - Math.max(position, start))
        lostRecords += Math.max(0, start - position)
        moving ||= later !== undefined && later.get(partition) !== position
      }
      return [{ topic, lagRecords, lostRecords, moving }]
    }),
  }))
}

function collect(
  problems: ObservationProblem[],
  about: ObservationProblem['about'],
  missing: string,
  ...surveyed: readonly Surveyed<unknown>[]
): void {
  const told = new Set<string>()
  for (const { problems: own } of surveyed) {
    for (const [name, problem] of own) {
      if (told.has(name)) continue
      told.add(name)
      problems.push(problemOf(about, name, missing, problem))
    }
  }
}

function problemOf(
  about: ObservationProblem['about'],
  name: string,
  missing: string,
  problem: MqError,
): ObservationProblem {
  return { about, name, missing, code: problem.code, message: problem.message }
}

function topicProblem(name: string, errorCode: number): ObservationProblem {
  const missing = errorCode === UNKNOWN_TOPIC
  return {
    about: 'topic',
    name,
    missing: 'everything',
    code: missing ? 'MQ_TOPIC_MISSING' : 'MQ_KAFKA_FORBIDDEN',
    message: missing ? `there is no topic ${name}` : `topic ${name} may not be described (Kafka error ${errorCode})`,
  }
}

/** Null when a part is not known. */
function sumOf(parts: readonly (number | null)[]): number | null {
  let sum = 0
  for (const part of parts) {
    if (part === null) return null
    sum += part
  }
  return sum
}
