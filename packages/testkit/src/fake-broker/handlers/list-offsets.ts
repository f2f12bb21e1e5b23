/** ListOffsets: where a partition begins and ends, and the first record of a time. */
import { listOffsetsApi } from '@mq/kafka/protocol'
import { Code } from '../codes.ts'
import { handler } from '../context.ts'
import type { FakeLog } from '../log.ts'
import { locate } from './partitions.ts'

const LATEST = -1n
const EARLIEST = -2n
const NEWEST_TIMESTAMP = -3n

function find(log: FakeLog, timestampMs: bigint): { timestampMs?: bigint; offset?: bigint; leaderEpoch?: number } {
  const { leaderEpoch } = log
  if (timestampMs === LATEST) return { offset: log.nextOffset, leaderEpoch }
  if (timestampMs === EARLIEST) return { offset: log.startOffset, leaderEpoch }
  return (timestampMs === NEWEST_TIMESTAMP ? log.newest() : log.firstFrom(timestampMs)) ?? {}
}

export const listOffsets = handler(listOffsetsApi, {
  answer: ({ topics }, context) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partition, timestampMs, currentLeaderEpoch }) => {
        const found = locate(context, { name }, false, partition, currentLeaderEpoch)
        if (typeof found === 'number') return { partition, errorCode: found }
        return { partition, errorCode: Code.NONE, ...find(found.partition.log, timestampMs) }
      }),
    })),
  }),
  refuse: ({ topics }, errorCode) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partition }) => ({ partition, errorCode })),
    })),
  }),
})
