/**
 * One look at a whole cluster. Questions are asked in bulk and in parallel; nothing is written.
 *
 * L1. A part that cannot be had leaves the rest standing (O1); only a cluster that does not answer at all is an error.
 * L2. Ends and sizes of logs are read twice, `watchMs` apart, and everything else is done in between: watching costs no time of its
 *     own. Whether times of records tell when they came is asked at the end, of those that came meanwhile (rates.ts, Q1).
 * L3. A topic with records of which no batch was seen is told among the problems.
 */
import type { MqError } from '@mq/contract'
import {
  type Cluster,
  Survey,
  type Surveyed,
  type SurveyedGroup,
  sleep,
  type TopicMetadata,
  type TopicOffsets,
} from '@mq/kafka'
import type { ClusterObservation, ObservationProblem, ObservedGrowth, ObservedTopic } from './observation.ts'
import { groupFacts, recordShare, recordsIn } from './observed-facts.ts'
import { CLOCK_SKEW_MS, quietPartitions, rateOf, timesOf } from './rates.ts'
import { BatchTally, type PartitionLog, requestsOf, SAMPLING, type SamplingLimits } from './sampling.ts'
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
const REPLICA_SELECTOR = 'replica.selector.class'

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
  const lookStartMs = deps.clock.nowMs()
  const [latest, disks, groups] = await Promise.all([
    survey.offsets(topics, 'latest'),
    survey.logDirs(nodeIds),
    groupsOf(survey, problems),
  ])
  const [earliest, oldest, dayAgo, configs, brokerConfigs] = await Promise.all([
    survey.offsets(topics, 'earliest'),
    survey.offsets(topics, { timestampMs: 0 }),
    survey.offsets(topics, { timestampMs: Math.max(0, startedAtMs - DAY_MS) }),
    survey.configs(names, COSTLY_CONFIGS),
    nodeIds.length === 0 ? undefined : survey.brokerConfigs(nodeIds[0]!, [REPLICA_SELECTOR]),
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
  const tally = await sample({ cluster, survey, topics, logs, sampling, problems, onProgress })
  const leftMs = watchMs - (deps.clock.monotonicMs() - firstLookMs)
  if (leftMs > 0) {
    onProgress(`watching for ${Math.ceil(leftMs / 1_000)} s`)
    await sleep(deps, leftMs)
  }
  const watched = watchMs > 0
  const none: Surveyed<TopicOffsets> = { found: new Map(), problems: new Map() }
  const [again, disksAgain, groupsAgain, recent] = watched
    ? await Promise.all([
        survey.offsets(topics, 'latest'),
        survey.logDirs(nodeIds),
        groupsOf(survey, []),
        survey.offsets(topics, { timestampMs: Math.max(0, lookStartMs - CLOCK_SKEW_MS) }),
      ])
    : [latest, disks, groups, none]
  const earliestAgain = watched ? await survey.offsets(topics, 'earliest') : earliest
  const watchedMs = watched ? deps.clock.monotonicMs() - firstLookMs : 0
  const growthOf = (topic: TopicMetadata): ObservedGrowth | null => {
    if (!watched) return null
    let offsets = 0
    let bytes: number | null = 0
    for (const { index, leader } of topic.partitions) {
      const of = (found: Surveyed<TopicOffsets>): number | undefined => found.found.get(topic.name)?.get(index)?.offset
      const [from, to] = [of(latest), of(again)]
      if (from === undefined || to === undefined || to < from) return null
      offsets += to - from
      const sizes = [disks, disksAgain].map(({ found }) =>
        found.get(String(leader))?.bytes.get(`${topic.name}:${index}`),
      )
      const [before, after] = sizes
      const isWhole = of(earliest) === of(earliestAgain)
      bytes = bytes === null || before === undefined || after === undefined || !isWhole ? null : bytes + after - before
    }
    return { offsets, bytes: bytes === null || bytes < 0 ? null : bytes, overMs: watchedMs }
  }
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
    readsNearby: brokerConfigs === undefined ? null : /RackAware/.test(brokerConfigs.get(REPLICA_SELECTOR) ?? ''),
    racks: new Set(brokers.flatMap(({ rack }) => rack ?? [])).size || null,
    topics: topics.map((topic): ObservedTopic => {
      const own = logs.get(topic.name)!
      const complete = own.length === topic.partitions.length
      const end = (offsets: Surveyed<TopicOffsets>): number =>
        [...(offsets.found.get(topic.name)?.values() ?? [])].reduce((sum, { offset }) => sum + offset, 0)
      const copies = topic.partitions.flatMap(({ index, replicas }) =>
        replicas.map((replica) => disks.found.get(String(replica))?.bytes.get(`${topic.name}:${index}`)),
      )
      const texts = configs.found.get(topic.name)
      const settings = texts === undefined ? null : topicConfigsOf(texts)
      const growth = complete ? growthOf(topic) : null
      const day = dayOf(topic.name) ?? null
      const ends = [...(again.found.get(topic.name) ?? [])].map(
        ([partition, { offset }]) => [partition, offset] as const,
      )
      const times = timesOf(
        settings?.appendTime ?? false,
        growth,
        recent.problems.has(topic.name) ? null : (recent.found.get(topic.name) ?? null),
        new Map(ends),
      )
      const compacted = settings?.compacted ?? false
      const batches = tally.of(topic.name)
      const retainedOffsets = complete ? own.reduce((sum, log) => sum + log.latest - log.earliest, 0) : null
      const leaderBytes = sumOf(own.map(({ bytes }) => bytes))
      const rate = complete ? rateOf({ logs: own, day, watched: growth, times, compacted, nowMs: startedAtMs }) : null
      const share = recordShare(batches)
      const oldestMs = [...(oldest.found.get(topic.name)?.values() ?? [])].reduce<number | null>(
        (least, { timestampMs }) =>
          timestampMs === null ? least : least === null ? timestampMs : Math.min(least, timestampMs),
        null,
      )
      return {
        name: topic.name,
        internal: topic.name.startsWith('__'),
        partitions: topic.partitions.length,
        replication: topic.partitions[0]?.replicas.length ?? 0,
        underReplicated: topic.partitions.filter(({ replicas, isr }) => isr.length < replicas.length).length,
        configs: settings,
        retainedOffsets,
        retainedRecords: recordsIn(retainedOffsets, leaderBytes, compacted, batches),
        startOffset: complete ? end(earliest) : null,
        endOffset: complete ? end(latest) : null,
        oldestMs,
        leaderBytes,
        diskBytes: sumOf(copies.map((bytes) => bytes ?? null)),
        rate:
          rate === null
            ? null
            : {
                ...rate,
                recordsPerSecond: rate.recordsPerSecond * share,
                from: rate.from * share,
                to: rate.to * share,
              },
        watched: growth,
        times,
        batches,
        quietPartitions: complete ? quietPartitions(own, day, times) : null,
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
  readonly sampling: SamplingLimits | null
  readonly problems: ObservationProblem[]
  readonly onProgress: (what: string) => void
}): Promise<BatchTally> {
  const { cluster, survey, topics, logs, sampling, problems, onProgress } = work
  if (sampling === null) return new BatchTally(new Set())
  // What a topic weighs on the bill goes with the bytes it holds, and with what went through it: a short log says nothing of that.
  const weight = (name: string): number => {
    const own = logs.get(name) ?? []
    const bytes = own.reduce((sum, log) => sum + (log.bytes ?? 0), 0)
    const kept = own.reduce((sum, log) => sum + log.latest - log.earliest, 0)
    const each = kept > 0 && bytes > 0 ? bytes / kept : 1_000
    return own.reduce((sum, log) => sum + log.latest, 0) * each + bytes
  }
  const order = topics.map(({ name }) => name).toSorted((a, b) => weight(b) - weight(a))
  const busiest = order.filter((name) => !name.startsWith('__')).slice(0, sampling.triedTopics)
  const tried = new Set(busiest)
  const tally = new BatchTally(tried)
  const requests = topics.flatMap((topic) =>
    requestsOf(
      topic,
      logs.get(topic.name) ?? [],
      tried.has(topic.name) ? sampling.triedBytes : sampling.sampledBytes,
      sampling,
    ),
  )
  onProgress(`sampling batches of ${requests.length} partitions`)
  const told = new Set<string>()
  await survey.sample(requests, {
    onSample: (request, batches, span) => tally.add(request, batches, span),
    onProblem: (request, problem) => {
      if (!told.has(request.topic)) problems.push(problemOf('topic', request.topic, 'sampled batches', problem))
      told.add(request.topic)
    },
  })
  // L3
  for (const { name } of topics) {
    const holds = (logs.get(name) ?? []).some(({ earliest, latest }) => latest > earliest)
    if (!holds || told.has(name) || tally.has(name)) continue
    problems.push({
      about: 'topic',
      name,
      missing: 'sampled batches',
      code: 'MQ_BATCH_UNSEEN',
      message: 'no whole batch of records lies where the end of its log was looked at: markers, or a batch over 32 MiB',
    })
  }
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
