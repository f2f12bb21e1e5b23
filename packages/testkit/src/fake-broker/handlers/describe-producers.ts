/** DescribeProducers: who wrote to partitions. */
import { describeProducersApi } from '@mq/kafka/protocol'
import { Code } from '../codes.ts'
import { handler } from '../context.ts'
import { locate } from './partitions.ts'

export const describeProducers = handler(describeProducersApi, {
  answer: ({ topics }, context) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((partition) => {
        const found = locate(context, { name }, false, partition)
        if (typeof found === 'number') return { partition, errorCode: found, producers: [] }
        const producers = found.partition.log.producers().map(({ id, epoch, lastSequence, lastTimestampMs }) => ({
          ...{ producerId: id, producerEpoch: epoch, lastSequence, lastTimestampMs },
        }))
        return { partition, errorCode: Code.NONE, producers }
      }),
    })),
  }),
  refuse: ({ topics }, errorCode) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((partition) => ({ partition, errorCode, producers: [] })),
    })),
  }),
})
