/** FindCoordinator: which broker looks after a group. */
import { findCoordinatorApi } from '@mq/kafka/protocol'
import { Code } from '../codes.ts'
import { handler, type RequestContext } from '../context.ts'

const SEVERAL_VERSION = 4
const COORDINATOR_NOT_AVAILABLE = 15
const NOBODY = { nodeId: -1, host: '', port: -1, errorMessage: null }

function coordinatorOf({ cluster }: RequestContext, key: string) {
  const node = cluster.nodes.find(({ id }) => id === cluster.groups.coordinatorOf(key))
  if (node === undefined || !node.isUp) return { key, ...NOBODY, errorCode: COORDINATOR_NOT_AVAILABLE }
  return { key, nodeId: node.id, ...node.advertised, errorCode: Code.NONE, errorMessage: null }
}

export const findCoordinator = handler(findCoordinatorApi, {
  answer: ({ key, keys }, context) => {
    if (context.version >= SEVERAL_VERSION) return { coordinators: keys.map((one) => coordinatorOf(context, one)) }
    const { key: _, ...found } = coordinatorOf(context, key)
    return found
  },
  refuse: ({ keys }, errorCode) => ({
    ...{ ...NOBODY, errorCode, coordinators: keys.map((key) => ({ key, ...NOBODY, errorCode })) },
  }),
})
