/**
 * The routes about drift; a part of the table in routes.ts.
 */
import { z } from 'zod'
import { DriftedTopic, DriftPlan, DriftRequest } from './drift.ts'
import { MqId } from './mq-id.ts'
import { NextCursor, PageQuery } from './paging.ts'

export const driftRoutes = {
  listDrift: {
    method: 'GET',
    path: '/v1/drift',
    permission: 'ids:read',
    list: 'topics',
    summary: 'Topics of mQ IDs that somebody else changed, as last seen',
    query: z.object(PageQuery),
    response: z.object({ nextCursor: NextCursor, topics: z.array(DriftedTopic) }),
  },
  acceptDrift: {
    method: 'POST',
    path: '/v1/ids/:id/drift/accept',
    permission: 'ids:write',
    summary: 'Take what somebody changed over as what is wanted; with plan=true only say what would be done',
    params: z.object({ id: MqId }),
    body: DriftRequest,
    response: DriftPlan,
  },
  repairDrift: {
    method: 'POST',
    path: '/v1/ids/:id/drift/repair',
    permission: 'ids:write',
    summary: 'Put a topic back to how mQ set it up; with plan=true only say what would be done',
    params: z.object({ id: MqId }),
    body: DriftRequest,
    response: DriftPlan,
  },
} as const
