/** InitProducerId: a new identity for each that asks. */
import { initProducerIdApi } from '@mq/kafka/protocol'
import { Code } from '../codes.ts'
import { handler } from '../context.ts'

const FIRST_ID = 1_000n

export const initProducerId = handler(initProducerIdApi, {
  answer: (_, { cluster }) => {
    cluster.inits += 1
    return { errorCode: Code.NONE, producerId: FIRST_ID + BigInt(cluster.inits), producerEpoch: 0 }
  },
  refuse: (_, errorCode) => ({ errorCode, producerId: -1n, producerEpoch: -1 }),
})
