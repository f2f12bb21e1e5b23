/** Fetch responses with partitions as a test wants them. */
import { fetchApi } from '../src/protocol/messages/fetch.ts'
import type { AbortedTransaction } from '../src/records/batch-decoder.ts'

export interface HandPartition {
  readonly partition: number
  readonly errorCode?: number
  readonly highWatermark?: number
  readonly aborted?: readonly AbortedTransaction[]
  readonly records?: Buffer
}

export interface HandTopic {
  /** Name or id, as the version has it. */
  readonly topic: string
  readonly partitions: readonly HandPartition[]
}

export function encodeFetchResponse(version: number, topics: readonly HandTopic[]): Buffer {
  const partitionOf = ({ partition, errorCode = 0, highWatermark = -1, aborted = [], records }: HandPartition) => ({
    partition,
    errorCode,
    highWatermark: BigInt(highWatermark),
    aborted: aborted.map(({ producerId, firstOffset }) => ({ producerId, firstOffset: BigInt(firstOffset) })),
    records: records ?? Buffer.alloc(0),
    // As brokers add it: to be passed over.
    currentLeader: { leaderId: 2, leaderEpoch: 5 },
  })
  const response = {
    errorCode: 0,
    topics: topics.map(({ topic, partitions }) => ({
      name: topic,
      topicId: topic,
      partitions: partitions.map(partitionOf),
    })),
  }
  return fetchApi.writeResponse(version, response).concat()
}
