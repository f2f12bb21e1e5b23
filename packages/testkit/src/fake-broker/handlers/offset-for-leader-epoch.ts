/** OffsetForLeaderEpoch: where the records of an epoch of a leader end. */
import { offsetForLeaderEpochApi } from '@mq/kafka/protocol'
import { Code } from '../codes.ts'
import { handler } from '../context.ts'
import { locate } from './partitions.ts'

export const offsetForLeaderEpoch = handler(offsetForLeaderEpochApi, {
  answer: ({ topics }, context) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
        const found = locate(context, { name }, false, partition, currentLeaderEpoch)
        if (typeof found === 'number') return { partition, errorCode: found }
        return { partition, errorCode: Code.NONE, ...found.partition.log.endOfEpoch(leaderEpoch) }
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
