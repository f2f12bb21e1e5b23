/** DescribeCluster (60): who belongs to a cluster, and what it is called. */
import { Api } from '../api.ts'
import { array, bool, int8, int16, int32, nullableText, orElse, since, struct, text } from '../schema.ts'
import { NO_OPERATIONS } from './metadata.ts'

export const describeClusterApi = new Api({
  key: 60,
  name: 'DescribeCluster',
  versions: [0, 2],
  flexibleSince: 0,
  request: {
    includeOperations: orElse(bool),
    endpointType: since(1, int8, 1),
    includeFenced: since(2, bool),
  },
  response: {
    throttleMs: orElse(int32),
    errorCode: int16,
    errorMessage: orElse(nullableText),
    endpointType: since(1, int8, 1),
    clusterId: text,
    controllerId: int32,
    brokers: array(
      struct({ nodeId: int32, host: text, port: int32, rack: orElse(nullableText), isFenced: since(2, bool) }),
    ),
    operations: orElse(int32, NO_OPERATIONS),
  },
})
