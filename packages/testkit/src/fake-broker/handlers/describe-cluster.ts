/** DescribeCluster: the brokers that are up. */
import { describeClusterApi } from '@mq/kafka/protocol'
import { Code } from '../codes.ts'
import { handler, type RequestContext } from '../context.ts'

function describe({ cluster }: RequestContext, errorCode: number) {
  const up = cluster.nodes.filter(({ isUp }) => isUp)
  return {
    errorCode,
    clusterId: cluster.clusterId,
    controllerId: up[0]?.id ?? -1,
    brokers: up.map(({ id, advertised }) => ({ nodeId: id, ...advertised })),
  }
}

export const describeCluster = handler(describeClusterApi, {
  answer: (_, context) => describe(context, Code.NONE),
  refuse: (_, errorCode, context) => describe(context, errorCode),
})
