/** DescribeGroups (15): the members of groups of the classic protocol. */
import { Api } from '../api.ts'
import { array, bool, bytes, int16, int32, nullableText, since, struct, text } from '../schema.ts'
import { NO_OPERATIONS } from './metadata.ts'

export const describeGroupsApi = new Api({
  key: 15,
  name: 'DescribeGroups',
  versions: [0, 6],
  flexibleSince: 5,
  request: { groups: array(text), includeOperations: since(3, bool) },
  response: {
    throttleMs: since(1, int32),
    groups: array(
      struct({
        errorCode: int16,
        errorMessage: since(6, nullableText),
        groupId: text,
        state: text,
        protocolType: text,
        protocol: text,
        members: array(
          struct({
            memberId: text,
            instanceId: since(4, nullableText),
            clientId: text,
            host: text,
            metadata: bytes,
            assignment: bytes,
          }),
        ),
        operations: since(3, int32, NO_OPERATIONS),
      }),
    ),
  },
})
