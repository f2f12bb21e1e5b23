/**
 * What the brokers of one cluster say about positions: asked in bulk, whatever the number of groups.
 */
import { type Cluster, Survey } from '@mq/kafka'

export interface LogRange {
  readonly start: number
  readonly end: number
}

export interface GroupPositions {
  readonly members: number | null
  /** As Kafka writes it, such as `Stable`; left out where it was not told. */
  readonly state?: string
  /** Next offset by topic and partition. */
  readonly committed: ReadonlyMap<string, ReadonlyMap<number, number>>
}

export interface ClusterPositions {
  readonly groups: ReadonlyMap<string, GroupPositions>
  /** By topic and partition; a partition that was not told is not there. */
  readonly logs: ReadonlyMap<string, ReadonlyMap<number, LogRange>>
  /** By group id or topic: why something is missing. */
  readonly problems: ReadonlyMap<string, string>
}

/** Nothing is changed on the cluster. Positions are read before the ends: a group is never ahead of what was read. */
export async function readPositions(cluster: Cluster, topics: readonly string[]): Promise<ClusterPositions> {
  const survey = new Survey(cluster)
  const groups = await survey.groups()
  const described = (await survey.topics(topics)).topics.filter(({ partitions }) => partitions.length > 0)
  const earliest = await survey.offsets(described, 'earliest')
  const latest = await survey.offsets(described, 'latest')
  const logs = new Map<string, Map<number, LogRange>>()
  for (const [topic, ends] of latest.found) {
    const starts = earliest.found.get(topic)
    const ranges = [...ends].flatMap(([partition, { offset }]) => {
      const start = starts?.get(partition)?.offset
      return start === undefined ? [] : [[partition, { start, end: offset }] as const]
    })
    logs.set(topic, new Map(ranges))
  }
  const problems = [...groups.problems, ...earliest.problems, ...latest.problems]
  return {
    groups: groups.found,
    logs,
    problems: new Map(problems.map(([name, problem]) => [name, problem.message])),
  }
}
