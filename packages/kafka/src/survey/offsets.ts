/**
 * Offsets of many topics at once: where their logs begin and end, and which record was the first after a moment.
 *
 * O1. One request to each leader names all its partitions (V3); partitions whose leader just changed are asked once more.
 * O2. A topic is answered when all its partitions are; else what is known of it stands beside the problem (V2).
 */
import type { AdminCalls } from '../admin/calls.ts'
import type { OffsetPoint } from '../admin/offsets.ts'
import { timestampOf } from '../admin/offsets.ts'
import type { PartitionMetadata, TopicMetadata } from '../net/metadata-cache.ts'
import { KafkaCode } from '../protocol/kafka-errors.ts'
import * as requests from '../protocol/requests.ts'
import { answerInPart, isPassing, partsOf, SurveyAnswers, type Surveyed } from './answers.ts'

export interface SurveyedOffset {
  readonly offset: number
  /** Of the record there, where the question was about time; else null. */
  readonly timestampMs: number | null
}

export type TopicOffsets = ReadonlyMap<number, SurveyedOffset>

interface Question {
  readonly topic: string
  readonly partition: PartitionMetadata
}

const CONSUMER = -1
const READ_UNCOMMITTED = 0
const PARTITIONS_A_REQUEST = 2_000

/** By topic; no entry for a partition without such a record. */
export async function surveyOffsets(
  calls: AdminCalls,
  topics: readonly TopicMetadata[],
  point: OffsetPoint,
): Promise<Surveyed<TopicOffsets>> {
  const timestamp = timestampOf(point)
  const answers = new SurveyAnswers<Map<number, SurveyedOffset>>()
  for (const topic of topics) answers.found.set(topic.name, new Map())
  const ask = (questions: readonly Question[]) => askLeaders(calls, questions, timestamp, answers)
  const again = await ask(
    topics.flatMap(({ name, partitions }) => partitions.map((partition) => ({ topic: name, partition }))),
  )
  if (again.length > 0) {
    const names = [...new Set(again.map(({ topic }) => topic))]
    const fresh = await calls.retrying('look for leaders', () => calls.cluster.metadata(names, { refresh: true }))
    const byName = new Map(fresh.map((topic) => [topic.name, topic]))
    const asked = again.flatMap(({ topic, partition }) => {
      const now = byName.get(topic)?.partitions.find(({ index }) => index === partition.index)
      return now === undefined ? [] : [{ topic, partition: now }]
    })
    for (const { topic } of asked) answers.problems.delete(topic)
    await ask(asked)
  }
  return answers
}

/** Asks every partition at its leader; gives back those that may be answered elsewhere or later. */
async function askLeaders(
  calls: AdminCalls,
  questions: readonly Question[],
  timestamp: bigint,
  answers: SurveyAnswers<Map<number, SurveyedOffset>>,
): Promise<Question[]> {
  const what = 'list offsets of topics'
  const again: Question[] = []
  const byLeader = Map.groupBy(questions, ({ partition }) => partition.leader)
  const leaderless = byLeader.get(-1) ?? []
  byLeader.delete(-1)
  again.push(...leaderless)
  for (const { topic, partition } of leaderless) {
    answers.fail([topic], KafkaCode.LEADER_NOT_AVAILABLE, `look for the leader of ${topic}:${partition.index}`)
  }
  const askPart = async (nodeId: number, part: readonly Question[]): Promise<void> => {
    const request = [...Map.groupBy(part, ({ topic }) => topic)].map(([name, own]) => ({
      name,
      partitions: own.map(({ partition }) => ({
        partitionIndex: partition.index,
        currentLeaderEpoch: partition.leaderEpoch,
        timestamp,
      })),
    }))
    try {
      const answer = await answerInPart(
        calls.askBroker(nodeId, what, (connection) =>
          requests.listOffsets.send(connection, CONSUMER, READ_UNCOMMITTED, request),
        ),
      )
      for (const { name, partitions } of answer.topics) {
        for (const { partitionIndex, errorCode, offset, timestamp: atMs } of partitions) {
          if (errorCode !== 0) {
            answers.fail([name], errorCode, calls.context(`list offsets of ${name}:${partitionIndex}`))
            const question = part.find((one) => one.topic === name && one.partition.index === partitionIndex)
            if (isPassing(errorCode) && question !== undefined) again.push(question)
          } else if (offset >= 0n) {
            const timestampMs = atMs >= 0n ? Number(atMs) : null
            answers.found.get(name)?.set(partitionIndex, { offset: Number(offset), timestampMs })
          }
        }
      }
    } catch (error) {
      answers.fail(new Set(part.map(({ topic }) => topic)), error, calls.context(what))
    }
  }
  await Promise.all(
    [...byLeader].map(async ([nodeId, led]) => {
      for (const part of partsOf(led, PARTITIONS_A_REQUEST)) await askPart(nodeId, part)
    }),
  )
  return again
}
