/**
 * The HTTP routes of consumer groups: their part of the routes (routes.ts).
 */
import { z } from 'zod'
import { Application, ForeignUse } from './applications.ts'
import { OffsetText } from './binding.ts'
import { GroupChange, GroupChangeRequest } from './group-change.ts'
import { GroupDetail, GroupSummary } from './groups.ts'
import { MqId, Name } from './mq-id.ts'
import { NextCursor, PageQuery } from './paging.ts'
import { IdParams, NumberParams } from './route-params.ts'

const GroupParam = z
  .string()
  .min(1)
  .max(1_000)
  .describe('Its name in mQ, or the Kafka group id of one that is not of mQ')

export const groupRoutes = {
  listGroups: {
    method: 'GET',
    path: '/v1/groups',
    permission: 'groups:read',
    list: 'groups',
    summary: 'Consumer groups of all mQ IDs, or of one: state, members, lag, what is unfinished',
    query: z.object({ id: MqId.optional().describe('Only those of this mQ ID'), ...PageQuery }),
    response: z.object({ nextCursor: NextCursor, groups: z.array(GroupSummary) }),
  },
  listApps: {
    method: 'GET',
    path: '/v1/apps',
    permission: 'ids:read',
    list: 'applications',
    summary: 'Applications: who produces and who consumes, with their processes, hosts, versions and rates',
    query: z.object({
      ...PageQuery,
      id: MqId.optional().describe('Only those that use this mQ ID'),
      app: Name.optional().describe('Only this application'),
    }),
    response: z.object({ nextCursor: NextCursor, applications: z.array(Application), foreign: ForeignUse }),
  },
  getGroup: {
    method: 'GET',
    path: '/v1/ids/:id/group',
    permission: 'groups:read',
    summary:
      'One consumer group, as the brokers know it now: members, and its position in every partition of every epoch',
    params: IdParams,
    query: z.object({ group: GroupParam }),
    response: GroupDetail,
  },
  changeGroup: {
    method: 'POST',
    path: '/v1/ids/:id/groups/positions',
    permission: 'groups:write',
    summary: 'Move the positions of a group: reset, skip one record, replay; with plan=true only say what would change',
    params: IdParams,
    body: GroupChangeRequest,
    response: GroupChange,
  },
  getGroupChange: {
    method: 'GET',
    path: '/v1/group-changes/:number',
    permission: 'groups:read',
    summary: 'One change of positions: how far it is, what it moved, or why it failed',
    params: NumberParams,
    response: GroupChange,
  },
  dropGroup: {
    method: 'POST',
    path: '/v1/ids/:id/groups/drop',
    permission: 'groups:write',
    summary: 'Take the positions of a group away that nobody uses any more, and let migrations go on without it',
    params: IdParams,
    body: z.object({
      group: GroupParam,
      force: z
        .boolean()
        .default(false)
        .describe('Also while it has members: nothing is taken away, and migrations go on without it'),
    }),
    response: z.object({
      group: z.string(),
      kind: z.enum(['mq', 'other']),
      positions: z.number().int().describe('Positions that were taken away'),
      remaining: OffsetText.describe('Records of old epochs that it had not read'),
      migrations: z.array(z.number().int()).describe('Those that go on without it'),
    }),
  },
} as const
