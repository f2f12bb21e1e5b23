/**
 * Every HTTP route of the control plane, once: the server registers from it, the OpenAPI document and the typed
 * clients follow from it.
 *
 * H1. A body or response that does not match its schema is an error, never passed on.
 * H6. A field or query that a route does not know is refused (strict.ts), save on the routes of the SDK (`speaksToSdk`): clients of
 *     a later version may say more.
 * H2. Every error response is a `Problem` with a code from the catalogue.
 * H10. Every list comes in pages (paging.ts).
 * H9. Every route names the permission that its caller needs.
 */
import { z } from 'zod'
import { Binding, ClusterAddress } from './binding.ts'
import { ClusterEconomics } from './cluster-economics.ts'
import { Labels, Region } from './cluster-site.ts'
import { costRoutes } from './cost-routes.ts'
import { deadLetterRoutes } from './dead-letter-routes.ts'
import { decisionRoutes } from './decision-routes.ts'
import { driftRoutes } from './drift-routes.ts'
import { groupRoutes } from './group-routes.ts'
import { Declaration, Intent } from './intent.ts'
import { GroupLagDetail } from './lag.ts'
import { migrationRoutes } from './migration-routes.ts'
import { MqId, Name } from './mq-id.ts'
import { HistoryPageQuery, NextCursor, PageQuery } from './paging.ts'
import { policyRoutes } from './policy-routes.ts'
import { ClusterView, JournalEntry, MqIdDetail, MqIdSummary, Plan } from './registry.ts'
import { Flag, IdParams, NameParams, OwnIdParams } from './route-params.ts'
import type { RouteShape } from './route-shape.ts'
import { TelemetryReport } from './telemetry.ts'
import { twinRoutes } from './twin-routes.ts'

/** What every failed request answers with. */
export const Problem = z.object({
  code: z.string().describe('From the error catalogue'),
  message: z.string().describe('What happened'),
  action: z.string().describe('What to do'),
  retryable: z.boolean(),
  details: z.record(z.string(), z.unknown()).optional(),
  requestId: z.string().optional().describe('Stands in the log of the control plane, too'),
})
export type Problem = z.output<typeof Problem>

const MIB = 1_048_576

const TelemetryMs = z
  .number()
  .int()
  .min(100)
  .max(600_000)
  .describe('How often this control plane wants reports; every 10 seconds when left out')

export const routes = {
  health: {
    method: 'GET',
    path: '/v1/health',
    permission: 'none',
    summary: 'The process runs',
    response: z.object({ status: z.literal('ok') }),
  },
  ready: {
    method: 'GET',
    path: '/v1/ready',
    permission: 'status:read',
    summary: 'The store answers and at least one cluster is reachable; 503 otherwise',
    otherStatuses: [503],
    response: z.object({ status: z.enum(['ready', 'not-ready']), checks: z.record(z.string(), z.string()) }),
  },
  info: {
    method: 'GET',
    path: '/v1/info',
    permission: 'status:read',
    summary: 'Version, incarnation and policy of this control plane',
    response: z.object({
      version: z.string(),
      incarnation: z.number().int(),
      revision: z.number().int(),
      createOnFirstUse: z.boolean(),
      connectedClients: z.number().int(),
      telemetryMs: TelemetryMs.optional(),
    }),
  },
  listClusters: {
    method: 'GET',
    path: '/v1/clusters',
    permission: 'clusters:read',
    list: 'clusters',
    summary: 'Clusters mQ may place on',
    query: z.object(PageQuery),
    response: z.object({ nextCursor: NextCursor, clusters: z.array(ClusterView) }),
  },
  putCluster: {
    method: 'PUT',
    path: '/v1/clusters/:name',
    permission: 'clusters:write',
    summary: 'Register a cluster, or change its addresses, its region and labels, or what it costs by',
    params: NameParams,
    body: ClusterAddress.omit({ name: true }).extend({
      economics: ClusterEconomics.nullable().optional().describe('Left out: what is known stays; null: forget it'),
      region: Region.nullable().optional().describe('Left out: what is known stays; null: forget it'),
      labels: Labels.optional().describe('All of them; left out: what is known stays'),
    }),
    response: ClusterView,
  },
  deleteCluster: {
    method: 'DELETE',
    path: '/v1/clusters/:name',
    permission: 'clusters:write',
    summary: 'Forget a cluster no mQ ID lives on',
    params: NameParams,
    response: z.object({ deleted: z.literal(true) }),
  },
  listIds: {
    method: 'GET',
    path: '/v1/ids',
    permission: 'ids:read',
    list: 'ids',
    summary: 'All mQ IDs',
    query: z.object(PageQuery),
    response: z.object({
      nextCursor: NextCursor,
      ids: z.array(MqIdSummary),
      warnings: z
        .array(z.string())
        .default([])
        .describe(
          'Budgets that are over or will be, clusters that do not meet the intent of an mQ ID, and alarms of drift',
        ),
    }),
  },
  getId: {
    method: 'GET',
    path: '/v1/ids/:id',
    permission: 'ids:read',
    summary: 'One mQ ID: intent, choices, epochs, traffic',
    params: IdParams,
    response: MqIdDetail,
  },
  getLag: {
    method: 'GET',
    path: '/v1/ids/:id/lag',
    permission: 'groups:read',
    summary: 'How far each group of an mQ ID is behind, by partition, with its history',
    params: IdParams,
    response: z.object({ groups: z.array(GroupLagDetail) }),
  },
  putId: {
    method: 'PUT',
    path: '/v1/ids/:id',
    permission: 'ids:write',
    summary: 'Declare one mQ ID',
    params: OwnIdParams,
    body: z.object({ intent: Intent }),
    response: MqIdDetail,
  },
  deleteId: {
    method: 'DELETE',
    path: '/v1/ids/:id',
    permission: 'ids:write',
    summary: 'Delete an mQ ID; its records go after a grace time. Refused while it is in use, unless forced',
    params: IdParams,
    query: z.object({
      force: Flag.describe('Also while applications or groups use it'),
      now: Flag.describe('Without the grace time: the records are gone at once'),
    }),
    response: z.object({
      deleted: z.literal(true),
      topics: z.array(z.string()),
      keptUntilMs: z
        .number()
        .int()
        .nullable()
        .default(null)
        .describe('Until when it can be undeleted; null when its records are gone'),
    }),
  },
  undeleteId: {
    method: 'POST',
    path: '/v1/ids/:id/undelete',
    permission: 'ids:write',
    summary: 'Bring a deleted mQ ID back as it was, with its records, while they are kept',
    params: IdParams,
    response: MqIdDetail,
  },
  listDeleted: {
    method: 'GET',
    path: '/v1/deleted-ids',
    permission: 'ids:read',
    list: 'ids',
    summary: 'Deleted mQ IDs whose records are still kept',
    query: z.object(PageQuery),
    response: z.object({
      nextCursor: NextCursor,
      ids: z.array(z.object({ id: MqId, deletedAtMs: z.number().int(), keptUntilMs: z.number().int() })),
    }),
  },
  settleId: {
    method: 'POST',
    path: '/v1/ids/:id/settle',
    permission: 'ids:write',
    summary:
      'Say what holds of an mQ ID that stayed unsettled after a restore: what the store says, or that it is gone',
    params: IdParams,
    body: z.object({ as: z.enum(['stored', 'deleted']) }),
    response: z.object({ settled: z.literal(true) }),
  },
  apply: {
    method: 'POST',
    path: '/v1/apply',
    permission: 'ids:write',
    maxBodyBytes: 16 * MIB,
    summary: 'Declare many mQ IDs; with plan=true only say what would change',
    body: z.object({ declarations: z.array(Declaration).max(10_000), plan: z.boolean().default(false) }),
    response: Plan,
  },
  ...groupRoutes,
  ...deadLetterRoutes,
  ...driftRoutes,
  ...migrationRoutes,
  getBinding: {
    speaksToSdk: true,
    method: 'GET',
    path: '/v1/bindings/:id',
    permission: 'bindings:read',
    summary:
      'The binding of one mQ ID; ETag and If-None-Match are its version; made on first use where the policy allows it',
    params: IdParams,
    query: z.object({ app: Name.optional() }),
    response: Binding,
  },
  streamBindings: {
    speaksToSdk: true,
    method: 'GET',
    path: '/v1/bindings',
    permission: 'bindings:read',
    isStream: true,
    summary: 'Server-sent events: event `binding`, id incarnation.revision, data a Binding; comments as heartbeats',
    query: z.object({
      ids: z.string().describe('mQ IDs, comma-separated'),
      app: Name.optional(),
      instance: z.string().max(100).optional(),
    }),
    response: z.string(),
  },
  listJournal: {
    method: 'GET',
    path: '/v1/journal',
    permission: 'journal:read',
    list: 'entries',
    summary: 'The journal: every change of the registry, newest first',
    query: z.object({
      ...HistoryPageQuery,
      subject: z.string().max(200).optional().describe('Only entries about this mQ ID or cluster'),
    }),
    response: z.object({ nextCursor: NextCursor, entries: z.array(JournalEntry) }),
  },
  ...decisionRoutes,
  ...costRoutes,
  ...policyRoutes,
  ...twinRoutes,
  telemetry: {
    speaksToSdk: true,
    method: 'POST',
    path: '/v1/telemetry',
    permission: 'telemetry:write',
    maxBodyBytes: 8 * MIB,
    summary: 'One report of one client process',
    body: TelemetryReport,
    response: z.object({ accepted: z.literal(true), telemetryMs: TelemetryMs.optional() }),
  },
} as const satisfies Record<string, RouteShape>

export type RouteName = keyof typeof routes
/** Routes of lists in pages. */
export type ListName = { [N in RouteName]: (typeof routes)[N] extends { list: string } ? N : never }[RouteName]
/** The body of a request, after parsing. */
export type RouteBody<N extends RouteName> =
  (typeof routes)[N] extends Record<'body', infer S extends z.ZodType> ? z.output<S> : undefined
export type RouteResponse<N extends RouteName> = z.output<(typeof routes)[N]['response']>

/** Milliseconds between heartbeat comments on the push stream; a client that hears nothing for three of them reconnects. */
export const HEARTBEAT_MS = 15_000
/** Milliseconds between telemetry reports. */
export const TELEMETRY_MS = 10_000
