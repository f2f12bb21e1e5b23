/**
 * The routes of migrations: their part of the routes (routes.ts).
 */
import { z } from 'zod'
import { Migration, MigrationPlan, MigrationRequest } from './migration.ts'
import { MqId } from './mq-id.ts'
import { HistoryPageQuery, NextCursor } from './paging.ts'
import { Flag, IdParams, NumberParams } from './route-params.ts'

export const migrationRoutes = {
  migrate: {
    method: 'POST',
    path: '/v1/ids/:id/migrations',
    permission: 'migrations:write',
    summary: 'Move a live mQ ID to another cluster or shape; with plan=true only say what would be done',
    params: IdParams,
    body: MigrationRequest,
    response: z.object({ plan: MigrationPlan, migration: Migration.nullable() }),
  },
  listMigrations: {
    method: 'GET',
    path: '/v1/migrations',
    permission: 'migrations:read',
    list: 'migrations',
    summary: 'Migrations, newest first',
    query: z.object({
      ...HistoryPageQuery,
      id: MqId.optional().describe('Only those of this mQ ID'),
    }),
    response: z.object({ nextCursor: NextCursor, migrations: z.array(Migration) }),
  },
  getMigration: {
    method: 'GET',
    path: '/v1/migrations/:number',
    permission: 'migrations:read',
    summary: 'One migration: state, steps, proofs, drain and report',
    params: NumberParams,
    response: Migration,
  },
  cancelMigration: {
    method: 'POST',
    path: '/v1/migrations/:number/cancel',
    permission: 'migrations:write',
    summary: 'Undo a migration; refused once a leader of the old epoch refuses data',
    params: NumberParams,
    query: z.object({
      force: Flag.describe('Do not wait for a new cluster that does not answer, although a client may use it'),
    }),
    response: Migration,
  },
  skipLostSource: {
    method: 'POST',
    path: '/v1/migrations/:number/skip',
    permission: 'migrations:write',
    summary: 'Let groups go on without the rest of the old epoch once its cluster has been away for a minute',
    params: NumberParams,
    response: Migration,
  },
} as const
