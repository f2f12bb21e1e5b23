/**
 * Every HTTP route of the control plane, once: the server registers from it, the OpenAPI document and the typed
 * clients follow from it.
 *
 * H1. A body or response that does not match its schema is an error, never passed on.
 * H6. A field or query that a route does not know is refused (strict.ts), save on the routes of the SDK (`speaksToSdk`): clients of
 *     a later version may say more.
 * H2. Every error response is a `Problem` with a code from the catalogue.
 */
import { z } from 'zod'
import { Binding, ClusterAddress } from './binding.ts'
import { ClusterEconomics } from './cluster-economics.ts'
import { Labels, Region } from './cluster-site.ts'
import { Budget, BudgetRequest, CostQuery, CostReport } from './cost.ts'
import { deadLetterRoutes } from './dead-letter-routes.ts'
import { Decision, DecisionState, Outlook } from './decision.ts'
import { driftRoutes } from './drift-routes.ts'
import { Explanation, WhatIf, WhatIfAnswer } from './explain.ts'
import { groupRoutes } from './group-routes.ts'
import { Declaration, Intent } from './intent.ts'
import { GroupLagDetail } from './lag.ts'
import { Migration, MigrationPlan, MigrationRequest } from './migration.ts'
import { MqId, Name, OwnMqId } from './mq-id.ts'
import { OwnerRules } from './owners.ts'
import { EffectivePolicy, PolicyRule, PolicyScope } from './policy.ts'
import { ClusterView, JournalEntry, MqIdDetail, MqIdSummary, Plan } from './registry.ts'
import type { RouteShape } from './route-shape.ts'
import { TelemetryReport } from './telemetry.ts'
import { Twin, TwinRequest } from './twin.ts'

/** What every failed request answers with. */
export const Problem = z.object({
  code: z.string().describe('From the error catalogue'),
  message: z.string().describe('What happened'),
  action: z.string().describe('What to do'),
  retryable: z.boolean(),
  details: z.record(z.string(), z.unknown()).optional(),
})
export type Problem = z.output<typeof Problem>

const TelemetryMs = z
  .number()
  .int()
  .min(100)
  .max(600_000)
  .describe('How often this control plane wants reports; every 10 seconds when left out')

const IdParams = z.object({ id: MqId })
const OwnIdParams = z.object({ id: OwnMqId })
const NameParams = z.object({ name: Name })
const NumberParams = z.object({ number: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER) })

/** A query parameter that is true or false. */
const Flag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true')

const AutopilotStatus = z.object({
  on: z.boolean(),
  changedAtMs: z.number().int().nullable(),
  changedBy: z.string().nullable(),
  underWay: z.number().int().describe('Decisions that change something now'),
  waiting: z.number().int().describe('Decisions that wait for a person'),
})

export const routes = {
  health: {
    method: 'GET',
    path: '/v1/health',
    summary: 'The process runs',
    response: z.object({ status: z.literal('ok') }),
  },
  ready: {
    method: 'GET',
    path: '/v1/ready',
    summary: 'The store answers and at least one cluster is reachable; 503 otherwise',
    otherStatuses: [503],
    response: z.object({ status: z.enum(['ready', 'not-ready']), checks: z.record(z.string(), z.string()) }),
  },
  info: {
    method: 'GET',
    path: '/v1/info',
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
    summary: 'Clusters mQ may place on',
    response: z.object({ clusters: z.array(ClusterView) }),
  },
  putCluster: {
    method: 'PUT',
    path: '/v1/clusters/:name',
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
    summary: 'Forget a cluster no mQ ID lives on',
    params: NameParams,
    response: z.object({ deleted: z.literal(true) }),
  },
  listIds: {
    method: 'GET',
    path: '/v1/ids',
    summary: 'All mQ IDs',
    response: z.object({
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
    summary: 'One mQ ID: intent, choices, epochs, traffic',
    params: IdParams,
    response: MqIdDetail,
  },
  getLag: {
    method: 'GET',
    path: '/v1/ids/:id/lag',
    summary: 'How far each group of an mQ ID is behind, by partition, with its history',
    params: IdParams,
    response: z.object({ groups: z.array(GroupLagDetail) }),
  },
  putId: {
    method: 'PUT',
    path: '/v1/ids/:id',
    summary: 'Declare one mQ ID',
    params: OwnIdParams,
    body: z.object({ intent: Intent }),
    response: MqIdDetail,
  },
  deleteId: {
    method: 'DELETE',
    path: '/v1/ids/:id',
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
    summary: 'Bring a deleted mQ ID back as it was, with its records, while they are kept',
    params: IdParams,
    response: MqIdDetail,
  },
  listDeleted: {
    method: 'GET',
    path: '/v1/deleted-ids',
    summary: 'Deleted mQ IDs whose records are still kept',
    response: z.object({
      ids: z.array(z.object({ id: MqId, deletedAtMs: z.number().int(), keptUntilMs: z.number().int() })),
    }),
  },
  settleId: {
    method: 'POST',
    path: '/v1/ids/:id/settle',
    summary:
      'Say what holds of an mQ ID that stayed unsettled after a restore: what the store says, or that it is gone',
    params: IdParams,
    body: z.object({ as: z.enum(['stored', 'deleted']) }),
    response: z.object({ settled: z.literal(true) }),
  },
  apply: {
    method: 'POST',
    path: '/v1/apply',
    summary: 'Declare many mQ IDs; with plan=true only say what would change',
    body: z.object({ declarations: z.array(Declaration).max(10_000), plan: z.boolean().default(false) }),
    response: Plan,
  },
  ...groupRoutes,
  ...deadLetterRoutes,
  ...driftRoutes,
  migrate: {
    method: 'POST',
    path: '/v1/ids/:id/migrations',
    summary: 'Move a live mQ ID to another cluster or shape; with plan=true only say what would be done',
    params: IdParams,
    body: MigrationRequest,
    response: z.object({ plan: MigrationPlan, migration: Migration.nullable() }),
  },
  listMigrations: {
    method: 'GET',
    path: '/v1/migrations',
    summary: 'Migrations, newest first',
    query: z.object({
      id: MqId.optional().describe('Only those of this mQ ID'),
      limit: z.coerce.number().int().min(1).max(1_000).default(100),
    }),
    response: z.object({ migrations: z.array(Migration) }),
  },
  getMigration: {
    method: 'GET',
    path: '/v1/migrations/:number',
    summary: 'One migration: state, steps, proofs, drain and report',
    params: NumberParams,
    response: Migration,
  },
  cancelMigration: {
    method: 'POST',
    path: '/v1/migrations/:number/cancel',
    summary: 'Undo a migration; refused once a leader of the old epoch refuses data',
    params: NumberParams,
    response: Migration,
  },
  skipLostSource: {
    method: 'POST',
    path: '/v1/migrations/:number/skip',
    summary: 'Let groups go on without the rest of the old epoch once its cluster has been away for a minute',
    params: NumberParams,
    response: Migration,
  },
  getBinding: {
    speaksToSdk: true,
    method: 'GET',
    path: '/v1/bindings/:id',
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
    summary: 'The journal: every change of the registry, newest first',
    query: z.object({
      subject: z.string().max(200).optional().describe('Only entries about this mQ ID or cluster'),
      limit: z.coerce.number().int().min(1).max(1_000).default(100),
    }),
    response: z.object({ entries: z.array(JournalEntry) }),
  },
  listDecisions: {
    method: 'GET',
    path: '/v1/decisions',
    summary: 'Decisions, newest first, and why the loops propose nothing where they do not',
    query: z.object({
      id: MqId.optional().describe('Only those about this mQ ID'),
      state: DecisionState.optional(),
      limit: z.coerce.number().int().min(1).max(1_000).default(100),
    }),
    response: z.object({ autopilot: z.boolean(), decisions: z.array(Decision), outlooks: z.array(Outlook) }),
  },
  getDecision: {
    method: 'GET',
    path: '/v1/decisions/:number',
    summary: 'One decision: what, why, alternatives, predicted and measured',
    params: NumberParams,
    response: Decision,
  },
  approveDecision: {
    method: 'POST',
    path: '/v1/decisions/:number/approve',
    summary: 'Let a decision that waits or was recommended go on',
    params: NumberParams,
    response: Decision,
  },
  undoDecision: {
    method: 'POST',
    path: '/v1/decisions/:number/undo',
    summary: 'Undo a decision, or turn it down where nothing was touched yet',
    params: NumberParams,
    response: Decision,
  },
  getCosts: {
    method: 'GET',
    path: '/v1/costs',
    summary: 'Showback from recorded history: who caused what, with the rest nobody caused, and budgets',
    query: CostQuery,
    response: CostReport,
  },
  listBudgets: {
    method: 'GET',
    path: '/v1/budgets',
    summary: 'Budgets, what is spent of them this month and where the month will end',
    response: z.object({ budgets: z.array(Budget) }),
  },
  putBudget: {
    method: 'PUT',
    path: '/v1/budgets/:scope',
    summary: 'Set the budget of a scope: global, team=NAME or id=MQ-ID, in US dollars a calendar month',
    params: z.object({ scope: PolicyScope }),
    body: BudgetRequest,
    response: Budget,
  },
  deleteBudget: {
    method: 'DELETE',
    path: '/v1/budgets/:scope',
    summary: 'Remove a budget',
    params: z.object({ scope: PolicyScope }),
    response: z.object({ deleted: z.literal(true) }),
  },
  getOwners: {
    method: 'GET',
    path: '/v1/owners',
    summary: 'Rules by which topics and groups belong to teams',
    response: z.object({ rules: OwnerRules }),
  },
  putOwners: {
    method: 'PUT',
    path: '/v1/owners',
    summary: 'Replace the rules by which topics and groups belong to teams; what was recorded already stays',
    body: z.strictObject({ rules: OwnerRules }),
    response: z.object({ rules: OwnerRules }),
  },
  explainId: {
    method: 'GET',
    path: '/v1/ids/:id/explanation',
    summary:
      'What an mQ ID costs by meter, why it is configured as it is, what else there is, and what each wish costs',
    params: IdParams,
    response: Explanation,
  },
  whatIf: {
    method: 'POST',
    path: '/v1/ids/:id/what-if',
    isIdempotent: true,
    summary: 'The configuration and the bill under other wishes or another workload; changes nothing',
    params: IdParams,
    body: WhatIf,
    response: WhatIfAnswer,
  },
  listPolicies: {
    method: 'GET',
    path: '/v1/policies',
    summary: 'Policy rules by scope; with id also what is in force for that mQ ID',
    query: z.object({ id: MqId.optional() }),
    response: z.object({
      rules: z.array(PolicyRule.extend({ scope: PolicyScope })),
      effective: EffectivePolicy.nullable(),
    }),
  },
  putPolicy: {
    method: 'PUT',
    path: '/v1/policies/:scope',
    summary: 'Set the policy of a scope: global, team=NAME or id=MQ-ID; what is null is inherited',
    params: z.object({ scope: PolicyScope }),
    body: PolicyRule,
    response: PolicyRule.extend({ scope: PolicyScope }),
  },
  getAutopilot: {
    method: 'GET',
    path: '/v1/autopilot',
    summary: 'Whether mQ changes anything by itself',
    response: AutopilotStatus,
  },
  putAutopilot: {
    method: 'PUT',
    path: '/v1/autopilot',
    summary: 'The global switch: off stops every trial and begins nothing new',
    body: z.object({ on: z.boolean() }),
    response: AutopilotStatus,
  },
  startTwin: {
    method: 'POST',
    path: '/v1/ids/:id/twins',
    summary: 'Try configurations on a shadow topic with made-up traffic of the same shape, and rank them',
    params: IdParams,
    body: TwinRequest,
    response: Twin,
  },
  listTwins: {
    method: 'GET',
    path: '/v1/twins',
    summary: 'Workload twins, newest first',
    query: z.object({
      id: MqId.optional().describe('Only those of this mQ ID'),
      limit: z.coerce.number().int().min(1).max(1_000).default(100),
    }),
    response: z.object({ twins: z.array(Twin) }),
  },
  getTwin: {
    method: 'GET',
    path: '/v1/twins/:number',
    summary: 'One workload twin: how far it is, and its ranking',
    params: NumberParams,
    response: Twin,
  },
  cancelTwin: {
    method: 'POST',
    path: '/v1/twins/:number/cancel',
    summary: 'End a workload twin that is running; its shadow topic is removed',
    params: NumberParams,
    response: Twin,
  },
  telemetry: {
    speaksToSdk: true,
    method: 'POST',
    path: '/v1/telemetry',
    summary: 'One report of one client process',
    body: TelemetryReport,
    response: z.object({ accepted: z.literal(true), telemetryMs: TelemetryMs.optional() }),
  },
} as const satisfies Record<string, RouteShape>

export type RouteName = keyof typeof routes
/** What a handler of the route gets, after parsing. */
export type RouteResponse<N extends RouteName> = z.output<(typeof routes)[N]['response']>

/** Milliseconds between heartbeat comments on the push stream; a client that hears nothing for three of them reconnects. */
export const HEARTBEAT_MS = 15_000
/** Milliseconds between telemetry reports. */
export const TELEMETRY_MS = 10_000
