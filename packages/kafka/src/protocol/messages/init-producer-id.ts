/** InitProducerId (22): the identity under which an idempotent producer writes. */
import { Api } from '../api.ts'
import { int16, int32, int64, nullableText, orElse, since } from '../schema.ts'

export const initProducerIdApi = new Api({
  key: 22,
  name: 'InitProducerId',
  versions: [0, 5],
  flexibleSince: 2,
  request: {
    transactionalId: nullableText,
    transactionTimeoutMs: int32,
    producerId: since(3, int64, -1n),
    producerEpoch: since(3, int16, -1),
  },
  response: { throttleMs: orElse(int32), errorCode: int16, producerId: int64, producerEpoch: int16 },
})
