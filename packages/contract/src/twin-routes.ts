/**
 * The routes of workload twins: their part of the routes (routes.ts).
 */
import { z } from 'zod'
import { MqId } from './mq-id.ts'
import { HistoryPageQuery, NextCursor } from './paging.ts'
import { IdParams, NumberParams } from './route-params.ts'
import { Twin, TwinRequest } from './twin.ts'

export const twinRoutes = {
  startTwin: {
    method: 'POST',
    path: '/v1/ids/:id/twins',
    permission: 'twins:write',
    summary: 'Try configurations on a shadow topic with made-up traffic of the same shape, and rank them',
    params: IdParams,
    body: TwinRequest,
    response: Twin,
  },
  listTwins: {
    method: 'GET',
    path: '/v1/twins',
    permission: 'twins:read',
    list: 'twins',
    summary: 'Workload twins, newest first',
    query: z.object({
      ...HistoryPageQuery,
      id: MqId.optional().describe('Only those of this mQ ID'),
    }),
    response: z.object({ nextCursor: NextCursor, twins: z.array(Twin) }),
  },
  getTwin: {
    method: 'GET',
    path: '/v1/twins/:number',
    permission: 'twins:read',
    summary: 'One workload twin: how far it is, and its ranking',
    params: NumberParams,
    response: Twin,
  },
  cancelTwin: {
    method: 'POST',
    path: '/v1/twins/:number/cancel',
    permission: 'twins:write',
    summary: 'End a workload twin that is running; its shadow topic is removed',
    params: NumberParams,
    response: Twin,
  },
} as const
