/** Whether a broker coordinates a group, for all requests of groups. */
import { Code } from '../codes.ts'
import type { RequestContext } from '../context.ts'

/** The code with which a broker refuses that does not. */
export function notCoordinating({ cluster, node }: RequestContext, groupId: string): number | undefined {
  return cluster.groups.coordinatorOf(groupId) === node.id ? undefined : Code.NOT_COORDINATOR
}
