/**
 * The routes about dead letters.
 */
import { z } from 'zod'
import { DeadLetterAction, DeadLetterQueue } from './dead-letters.ts'
import { MqId, Name, OwnMqId } from './mq-id.ts'
import { NextCursor, PageQuery } from './paging.ts'
import { SideRole } from './side-id.ts'

const GroupParams = z.object({ id: OwnMqId, group: Name })

export const deadLetterRoutes = {
  ensureSide: {
    speaksToSdk: true,
    method: 'POST',
    path: '/v1/ids/:id/groups/:group/dead-letters',
    permission: 'dead-letters:write',
    isIdempotent: true,
    summary: 'Make sure that a group has a place for its dead letters, or a way for them to come back to it',
    params: GroupParams,
    body: z.object({ role: SideRole, app: Name.optional() }),
    response: z.object({ id: MqId }),
  },
  listDeadLetters: {
    method: 'GET',
    path: '/v1/dead-letters',
    permission: 'dead-letters:read',
    list: 'queues',
    summary: 'Which groups have dead letters kept, and where; how many is said by what reads them (mq dlq list)',
    query: z.object({ id: MqId.optional().describe('Only those of this mQ ID'), ...PageQuery }),
    response: z.object({ nextCursor: NextCursor, queues: z.array(DeadLetterQueue) }),
  },
  noteDeadLetters: {
    method: 'POST',
    path: '/v1/ids/:id/groups/:group/dead-letters/actions',
    permission: 'dead-letters:write',
    summary: 'Write into the journal that dead letters were handed out again or discarded',
    params: GroupParams,
    body: DeadLetterAction,
    response: z.object({ noted: z.literal(true) }),
  },
} as const
