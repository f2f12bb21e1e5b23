/**
 * How many bytes every copy of every partition takes on the disks of its broker.
 */
import type { AdminCalls } from '../admin/calls.ts'
import { toMqError } from '../protocol/kafka-errors.ts'
import * as requests from '../protocol/requests.ts'
import { answerInPart, SurveyAnswers, type Surveyed } from './answers.ts'

export interface BrokerDisk {
  /** Bytes by `topic:partition` of the copies that serve; one being moved to another disk counts once. */
  readonly bytes: ReadonlyMap<string, number>
  /** Null where a broker does not tell (before Kafka 3.3). */
  readonly totalBytes: number | null
  readonly usableBytes: number | null
}

/** By node id as text; one request to each broker, all of them at the same time. */
export async function surveyLogDirs(calls: AdminCalls, nodeIds: readonly number[]): Promise<Surveyed<BrokerDisk>> {
  const what = 'describe log dirs'
  const answers = new SurveyAnswers<BrokerDisk>()
  await Promise.all(
    nodeIds.map(async (nodeId) => {
      const context = calls.context(`${what} of broker ${nodeId}`)
      try {
        const answer = await calls.retrying(
          what,
          () =>
            answerInPart(
              calls.askBroker(nodeId, what, (connection) => requests.describeLogDirs.send(connection, null)),
            ),
          { attempts: 2 },
        )
        if (answer.errorCode !== 0) throw toMqError(answer.errorCode, context)
        const bytes = new Map<string, number>()
        let totalBytes = 0
        let usableBytes = 0
        for (const dir of answer.results) {
          if (dir.errorCode !== 0) {
            // One disk that is away: the rest of the broker still counts.
            answers.fail([String(nodeId)], dir.errorCode, `${context}, ${dir.logDir}`)
            continue
          }
          totalBytes += Number(dir.totalBytes)
          usableBytes += Number(dir.usableBytes)
          for (const { name, partitions } of dir.topics) {
            for (const { partitionIndex, partitionSize, isFutureKey } of partitions) {
              if (!isFutureKey) bytes.set(`${name}:${partitionIndex}`, Number(partitionSize))
            }
          }
        }
        const known = totalBytes > 0
        answers.found.set(String(nodeId), {
          bytes,
          totalBytes: known ? totalBytes : null,
          usableBytes: known ? usableBytes : null,
        })
      } catch (error) {
        answers.fail([String(nodeId)], error, context)
      }
    }),
  )
  return answers
}
