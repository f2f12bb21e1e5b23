/**
 * What each route of the contract calls: the parts of the request become the input of a use case, its result the body of the answer.
 */

import { applyDeclarations } from '../app/apply.ts'
import { takeReport } from '../app/client-reports.ts'
import { deleteCluster, listClusters, putCluster } from '../app/clusters.ts'
import type { AppContext } from '../app/context.ts'
import { deleteBudget, listBudgets, replaceOwners, setBudget } from '../app/costs.ts'
import { ensureSide, listDeadLetters, noteDeadLetters } from '../app/dead-letters.ts'
import {
  approveDecision,
  getAutopilot,
  getDecision,
  listDecisions,
  outlooksOf,
  replayDecision,
  switchAutopilot,
  undoDecision,
} from '../app/decisions.ts'
import { acceptDrift, listDrift, repairDrift } from '../app/drift.ts'
import { answerWhatIf, explainId } from '../app/explanations.ts'
import { changeGroup, foreignUse, getGroup, lagOf, listApps, listGroups } from '../app/groups.ts'
import { detailOf } from '../app/id-detail.ts'
import { cancelMigration, dropGroup, getMigration, listMigrations, migrate, skipLostSource } from '../app/migrations.ts'
import { declareId, deleteId, listDeleted, listIds, settleId, undeleteId, warningsOfAll } from '../app/mq-ids.ts'
import { effectivePolicy, listPolicies, setPolicy } from '../app/policies.ts'
import { infoOf, listJournal } from '../app/status.ts'
import { cancelTwin, listTwins, startTwin } from '../app/twins.ts'
import { bindingHandlers } from './binding-handlers.ts'
import { namePage, nextCursorOf, numberPage } from './cursors.ts'
import type { Handlers } from './exchange.ts'
import type { Readiness } from './readiness.ts'
import type { StreamServices } from './stream.ts'

export interface HandlerContext extends AppContext, StreamServices {
  readonly readiness: () => Promise<Readiness>
}

export function createHandlers(context: HandlerContext): Handlers {
  return {
    ...statusHandlers(context),
    ...clusterHandlers(context),
    ...idHandlers(context),
    ...groupHandlers(context),
    ...migrationHandlers(context),
    ...bindingHandlers(context),
    ...decisionHandlers(context),
    ...costHandlers(context),
    ...twinHandlers(context),
  }
}

type Part<N extends keyof Handlers> = Pick<Handlers, N>

function statusHandlers(context: HandlerContext): Part<'health' | 'ready' | 'info' | 'listJournal' | 'telemetry'> {
  const { telemetryMs } = context
  return {
    health: async () => ({ status: 'ok' }),
    ready: async (_, { reply }) => {
      const { serves, reachesKafka, checks } = await context.readiness()
      const isReady = serves && reachesKafka
      if (!isReady) reply.code(503)
      return { status: isReady ? 'ready' : 'not-ready', checks: { ...checks } }
    },
    info: async () => infoOf(context),
    listJournal: async ({ query }) => {
      const page = await listJournal(context, query.subject, numberPage('listJournal', query))
      return { entries: page.items, nextCursor: nextCursorOf('listJournal', page) }
    },
    telemetry: async ({ body }) => {
      await takeReport(context, body)
      return { accepted: true, ...(telemetryMs === undefined ? {} : { telemetryMs }) }
    },
  }
}

function clusterHandlers(context: HandlerContext): Part<'listClusters' | 'putCluster' | 'deleteCluster'> {
  return {
    listClusters: async ({ query }) => {
      const page = listClusters(context, namePage('listClusters', query))
      return { clusters: page.items, nextCursor: nextCursorOf('listClusters', page) }
    },
    putCluster: ({ params, body, caller }) => putCluster(context, caller, { ...params, ...body }),
    deleteCluster: async ({ params, caller }) => {
      await deleteCluster(context, caller, params.name)
      return { deleted: true }
    },
  }
}

type IdRoutes =
  | 'listIds'
  | 'getId'
  | 'putId'
  | 'settleId'
  | 'deleteId'
  | 'undeleteId'
  | 'listDeleted'
  | 'apply'
  | 'listDrift'
  | 'acceptDrift'
  | 'repairDrift'
  | 'explainId'
  | 'whatIf'

function idHandlers(context: HandlerContext): Part<IdRoutes> {
  return {
    listIds: async ({ query }) => {
      const page = listIds(context, namePage('listIds', query))
      const warnings = query.cursor === undefined ? await warningsOfAll(context) : []
      return { ids: page.items, warnings, nextCursor: nextCursorOf('listIds', page) }
    },
    getId: ({ params }) => detailOf(context, params.id),
    putId: ({ params, body, caller }) => declareId(context, caller, { ...params, ...body }),
    settleId: async ({ params, body, caller }) => {
      await settleId(context, caller, { ...params, ...body })
      return { settled: true }
    },
    deleteId: ({ params, query, caller }) =>
      deleteId(context, caller, { id: params.id, force: query.force, isNow: query.now }),
    undeleteId: ({ params, caller }) => undeleteId(context, caller, params.id),
    listDeleted: async ({ query }) => {
      const page = listDeleted(context, namePage('listDeleted', query))
      return { ids: page.items, nextCursor: nextCursorOf('listDeleted', page) }
    },
    apply: ({ body, caller }) =>
      applyDeclarations(context, caller, { declarations: body.declarations, planOnly: body.plan }),
    listDrift: async ({ query }) => {
      const page = listDrift(context, namePage('listDrift', query))
      return { topics: page.items, nextCursor: nextCursorOf('listDrift', page) }
    },
    acceptDrift: ({ params, body, caller }) => acceptDrift(context, caller, { ...params, ...body }),
    repairDrift: ({ params, body, caller }) => repairDrift(context, caller, { ...params, ...body }),
    explainId: ({ params }) => explainId(context, params.id),
    whatIf: async ({ params, body }) => answerWhatIf(context, { ...params, ...body }),
  }
}

type GroupRoutes =
  | 'listGroups'
  | 'listApps'
  | 'getGroup'
  | 'getLag'
  | 'changeGroup'
  | 'getGroupChange'
  | 'dropGroup'
  | 'ensureSide'
  | 'listDeadLetters'
  | 'noteDeadLetters'

function groupHandlers(context: HandlerContext): Part<GroupRoutes> {
  return {
    listGroups: async ({ query }) => {
      const page = listGroups(context, query.id, namePage('listGroups', query))
      return { groups: page.items, nextCursor: nextCursorOf('listGroups', page) }
    },
    listApps: async ({ query }) => {
      const filter = { mqId: query.id, app: query.app }
      const page = listApps(context, filter, namePage('listApps', query))
      const foreign = query.cursor === undefined ? foreignUse(context, filter) : { groups: [] }
      return { applications: page.items, foreign, nextCursor: nextCursorOf('listApps', page) }
    },
    getGroup: ({ params, query }) => getGroup(context, { id: params.id, group: query.group }),
    getLag: async ({ params }) => ({ groups: lagOf(context, params.id) }),
    changeGroup: ({ params, body, caller }) => changeGroup(context, caller, { ...params, ...body }),
    getGroupChange: ({ params }) => context.groupChanges.find(params.number),
    dropGroup: ({ params, body, caller }) => dropGroup(context, caller, { ...params, ...body }),
    ensureSide: async ({ params, body, caller }) => ({
      id: await ensureSide(context, caller, { ...params, role: body.role, app: body.app }),
    }),
    listDeadLetters: async ({ query }) => {
      const page = listDeadLetters(context, query.id, namePage('listDeadLetters', query))
      return { queues: page.items, nextCursor: nextCursorOf('listDeadLetters', page) }
    },
    noteDeadLetters: async ({ params, body, caller }) => {
      await noteDeadLetters(context, caller, { ...params, ...body })
      return { noted: true }
    },
  }
}

type MigrationRoutes = 'migrate' | 'listMigrations' | 'getMigration' | 'skipLostSource' | 'cancelMigration'

function migrationHandlers(context: HandlerContext): Part<MigrationRoutes> {
  return {
    migrate: ({ params, body, caller }) => migrate(context, caller, { ...params, ...body }),
    listMigrations: async ({ query }) => {
      const page = await listMigrations(context, query.id, numberPage('listMigrations', query))
      return { migrations: page.items, nextCursor: nextCursorOf('listMigrations', page) }
    },
    getMigration: ({ params }) => getMigration(context, params.number),
    skipLostSource: ({ params, caller }) => skipLostSource(context, caller, params.number),
    cancelMigration: ({ params, query, caller }) => cancelMigration(context, caller, { ...params, ...query }),
  }
}

type DecisionRoutes =
  | 'listDecisions'
  | 'getDecision'
  | 'replayDecision'
  | 'approveDecision'
  | 'undoDecision'
  | 'listPolicies'
  | 'putPolicy'
  | 'getAutopilot'
  | 'putAutopilot'

function decisionHandlers(context: HandlerContext): Part<DecisionRoutes> {
  return {
    listDecisions: async ({ query }) => {
      const filter = { mqId: query.id, state: query.state }
      const page = await listDecisions(context, filter, numberPage('listDecisions', query))
      return {
        autopilot: context.deciding.policies.autopilot.on,
        decisions: page.items,
        outlooks: query.cursor === undefined ? outlooksOf(context, query.id) : [],
        nextCursor: nextCursorOf('listDecisions', page),
      }
    },
    getDecision: ({ params }) => getDecision(context, params.number),
    replayDecision: ({ params }) => replayDecision(context, params.number),
    approveDecision: ({ params, caller }) => approveDecision(context, caller, params.number),
    undoDecision: ({ params, caller }) => undoDecision(context, caller, params.number),
    listPolicies: async ({ query }) => {
      const effective = query.id === undefined ? null : effectivePolicy(context, query.id)
      const page = listPolicies(context, namePage('listPolicies', query))
      return { effective, rules: page.items, nextCursor: nextCursorOf('listPolicies', page) }
    },
    putPolicy: ({ params, body, caller }) => setPolicy(context, caller, { ...params, ...body }),
    getAutopilot: async () => getAutopilot(context),
    putAutopilot: ({ body, caller }) => switchAutopilot(context, caller, body.on),
  }
}

type CostRoutes = 'getCosts' | 'listBudgets' | 'putBudget' | 'deleteBudget' | 'getOwners' | 'putOwners'

function costHandlers(context: HandlerContext): Part<CostRoutes> {
  const { costs, owners } = context
  return {
    getCosts: ({ query }) => costs.report(query.by, query.since),
    getOwners: async () => ({ rules: [...owners.rules] }),
    putOwners: async ({ body, caller }) => ({ rules: await replaceOwners(context, caller, body.rules) }),
    listBudgets: async ({ query }) => {
      const page = await listBudgets(context, namePage('listBudgets', query))
      return { budgets: page.items, nextCursor: nextCursorOf('listBudgets', page) }
    },
    putBudget: ({ params, body, caller }) => setBudget(context, caller, { ...params, ...body }),
    deleteBudget: async ({ params, caller }) => {
      await deleteBudget(context, caller, params.scope)
      return { deleted: true }
    },
  }
}

function twinHandlers(context: HandlerContext): Part<'startTwin' | 'listTwins' | 'getTwin' | 'cancelTwin'> {
  const { twins } = context
  return {
    startTwin: ({ params, body, caller }) => startTwin(context, caller, { ...params, ...body }),
    listTwins: async ({ query }) => {
      const page = await listTwins(context, query.id, numberPage('listTwins', query))
      return { twins: page.items, nextCursor: nextCursorOf('listTwins', page) }
    },
    getTwin: ({ params }) => twins.get(params.number),
    cancelTwin: ({ params, caller }) => cancelTwin(context, caller, params.number),
  }
}
