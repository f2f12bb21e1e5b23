/**
 * What each route of the contract does. The table is total: a route without a handler does not compile.
 */

import { viewOf as decisionView } from '@mq/autopilot'
import {
  type ClusterAddress,
  type Declaration,
  type GroupLag,
  Intent,
  isSideId,
  isUnderWay,
  MqError,
  type MqIdDetail,
  type MqIdSummary,
  type Plan,
  type PlanEntry,
  type RouteResponse,
} from '@mq/contract'
import type { Deps } from '@mq/kafka'
import { actorOf, type Caller } from '../app/caller.ts'
import type { Deciding } from '../autopilot/assemble.ts'
import type { SeenLog } from '../autopilot/configuration.ts'
import type { Budgets } from '../cost/budgets.ts'
import type { Costs } from '../cost/costs.ts'
import type { Owners } from '../cost/owners.ts'
import type { KeptLetters } from '../dead-letters/kept-letters.ts'
import type { DriftWatch } from '../drift/drift-watch.ts'
import { DriftResolver } from '../drift/resolver.ts'
import type { GroupChanges } from '../groups/changes.ts'
import type { LagBook } from '../lag/lag-book.ts'
import type { Holdings } from '../migration/holdings.ts'
import type { Migrations } from '../migration/migrations.ts'
import type { Migrator } from '../migration/migrator.ts'
import { viewOf } from '../migration/view.ts'
import { checkEconomics } from '../observe/cluster-model.ts'
import type { Clusters } from '../provision/clusters.ts'
import { homeWarning } from '../provision/home.ts'
import { deletedError, unknownError } from '../provision/provision-errors.ts'
import type { Provisioner } from '../provision/provisioner.ts'
import type { SideQueues } from '../provision/side-queues.ts'
import type { PushHub } from '../push/hub.ts'
import type { Recovery } from '../recovery/recovery.ts'
import type { ActiveId } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import type { Store } from '../store/store.ts'
import { applicationsOf } from '../telemetry/applications.ts'
import type { ClientBook } from '../telemetry/client-book.ts'
import type { EpochUse } from '../telemetry/epoch-use.ts'
import type { FailingReaders } from '../telemetry/failing-readers.ts'
import type { HandlerTrouble } from '../telemetry/handler-trouble.ts'
import { emptySlice } from '../telemetry/slice.ts'
import type { Traffic } from '../telemetry/traffic.ts'
import type { Twins } from '../twin/twins.ts'
import { activeOf } from './active.ts'
import { bindingHandlers } from './binding-handlers.ts'
import { costHandlers } from './cost-handlers.ts'
import { deadLetterHandlers } from './dead-letter-handlers.ts'
import type { Handlers } from './exchange.ts'
import { type ExplainServices, explainHandlers } from './explain-handlers.ts'
import { groupHandlers } from './group-handlers.ts'
import type { Readiness } from './readiness.ts'

/** Declarations made true at the same time. */
const APPLY_WIDTH = 8
const STORE_CODES: ReadonlySet<string> = new Set(['MQ_STORE_FAILED', 'MQ_STORE_DAMAGED'])
const MINUTE_MS = 60_000

export interface Services {
  readonly version: string
  readonly createOnFirstUse: boolean
  readonly store: Store
  readonly registry: Registry
  readonly clusters: Clusters
  readonly provisioner: Provisioner
  readonly hub: PushHub
  readonly traffic: Traffic
  readonly failing: FailingReaders
  readonly recovery: Recovery
  readonly migrator: Migrator
  readonly migrations: Migrations
  readonly holdings: Holdings
  readonly epochUse: EpochUse
  readonly costs: Costs
  readonly budgets: Budgets
  readonly owners: Owners
  /** How often clients are to report; what they do by themselves when left out. */
  readonly telemetryMs: number | undefined
  readonly deciding: Deciding
  readonly twins: Twins
  readonly clusterModels: ExplainServices['clusterModels']
  readonly seenLog: SeenLog
  readonly drift: DriftWatch
  readonly lagBook: LagBook
  readonly groupChanges: GroupChanges
  readonly clients: ClientBook
  readonly deps: Deps
  readonly sides: SideQueues
  readonly trouble: HandlerTrouble
  readonly keptLetters: KeptLetters
  /** How long the records of a deleted mQ ID are kept. */
  readonly deleteGraceMs: number
  readonly readiness: () => Promise<Readiness>
}

export function createHandlers(services: Services): Handlers {
  const wanted = services.telemetryMs === undefined ? {} : { telemetryMs: services.telemetryMs }
  const { store, registry, clusters, provisioner, hub, traffic, recovery, migrator, migrations, deciding } = services
  const driftResolver = new DriftResolver({ ...services, watch: services.drift })
  return {
    ...costHandlers(services),
    ...explainHandlers(services),
    ...groupHandlers(services),
    ...deadLetterHandlers(services),
    ...bindingHandlers(services),
    health: async () => ({ status: 'ok' }),
    ready: async (_, { reply }) => {
      const { serves, reachesKafka, checks } = await services.readiness()
      const isReady = serves && reachesKafka
      if (!isReady) reply.code(503)
      return { status: isReady ? 'ready' : 'not-ready', checks: { ...checks } }
    },
    info: async () => ({
      version: services.version,
      incarnation: store.incarnation,
      revision: store.revision,
      createOnFirstUse: services.createOnFirstUse,
      connectedClients: hub.size,
      ...wanted,
    }),

    listClusters: async () => ({ clusters: clusters.views() }),
    putCluster: async ({ params, body, caller }) => {
      const { economics, region, labels, ...address } = body
      if (economics != null) checkEconomics(economics)
      await clusters.checkDescribed({ name: params.name, ...address })
      await putCluster(services, caller, { name: params.name, ...address })
      if (economics !== undefined) await registry.setEconomics(params.name, economics, actorOf(caller))
      const site = { ...(region === undefined ? {} : { region }), ...(labels === undefined ? {} : { labels }) }
      await registry.setSite(params.name, site, actorOf(caller))
      await clusters.check(params.name)
      return clusters.view(params.name)
    },
    deleteCluster: async ({ params, caller }) => {
      const [user] = migrations.on(params.name)
      if (user !== undefined) {
        throw new MqError(
          'MQ_CLUSTER_IN_USE',
          `migration ${user.number} of '${user.mqId}' (${user.state}) still needs cluster '${params.name}'`,
          { details: { migration: user.number } },
        )
      }
      await registry.deleteCluster(params.name, actorOf(caller))
      await clusters.drop(params.name)
      return { deleted: true }
    },

    listIds: async () => ({
      ids: registry
        .all()
        .flatMap((record) =>
          record.state === 'active' && record.spec.side === undefined ? [summary(services, record)] : [],
        ),
      warnings: [
        ...registry.all().flatMap(({ id }) => services.holdings.warnings(id)),
        ...(await services.costs.warnings()).flatMap(({ warning }) => warning ?? []),
        ...registry.all().flatMap((record) => (record.state === 'active' ? (homeWarning(clusters, record) ?? []) : [])),
        ...registry
          .all()
          .flatMap(({ id }) => services.drift.of(id).flatMap(({ alarm, what }) => (alarm ? [what] : []))),
      ],
    }),
    getId: async ({ params }) => detail(services, params.id),
    getLag: async ({ params }) => ({ groups: services.lagBook.details(activeOf(services, params.id)) }),
    putId: async ({ params, body, caller }) => {
      await provisioner.declare(params.id, body.intent, 'apply', actorOf(caller))
      await services.sides.follow(params.id, actorOf(caller))
      return detail(services, params.id)
    },
    settleId: async ({ params, body, caller }) => {
      await services.recovery.settleAs(params.id, body.as, actorOf(caller))
      return { settled: true }
    },
    deleteId: async ({ params, query, caller }) => {
      const graceMs = query.now ? 0 : services.deleteGraceMs
      const removed = await provisioner.remove(params.id, actorOf(caller), { graceMs, force: query.force })
      const topics = [...removed.topics, ...(await services.sides.remove(params.id, actorOf(caller), { graceMs }))]
      return { deleted: true, ...removed, topics }
    },
    undeleteId: async ({ params, caller }) => {
      await provisioner.undelete(params.id, actorOf(caller))
      await services.sides.undelete(params.id, actorOf(caller))
      return detail(services, params.id)
    },
    listDeleted: async () => ({
      ids: registry
        .all()
        .flatMap(({ id, state, spec, pending, updatedAtMs }) =>
          state === 'deleted' && spec.side === undefined && pending?.kind === 'delete' && pending.notBeforeMs > 0
            ? [{ id, deletedAtMs: updatedAtMs, keptUntilMs: pending.notBeforeMs }]
            : [],
        ),
    }),
    apply: async ({ body, caller }) => apply(services, caller, body.declarations, body.plan),

    listDrift: async () => ({ topics: services.drift.topics() }),
    acceptDrift: async ({ params, body, caller }) => {
      const { only, plan } = body
      return plan
        ? driftResolver.plan(params.id, 'accept', only)
        : driftResolver.resolve(params.id, 'accept', only, actorOf(caller))
    },
    repairDrift: async ({ params, body, caller }) => {
      const { only, plan } = body
      return plan
        ? driftResolver.plan(params.id, 'repair', only)
        : driftResolver.resolve(params.id, 'repair', only, actorOf(caller))
    },

    migrate: async ({ params, body, caller }) => {
      const { plan: planOnly, ...wish } = body
      if (planOnly) return { plan: await migrator.plan(params.id, wish), migration: null }
      const { plan, record } = await migrator.start(params.id, wish, actorOf(caller))
      return { plan, migration: viewOf(record, services.holdings.nowMs) }
    },
    listMigrations: async ({ query }) => ({
      migrations: (
        await migrations.list({ limit: query.limit, ...(query.id === undefined ? {} : { mqId: query.id }) })
      ).map((record) => viewOf(record, services.holdings.nowMs)),
    }),
    getMigration: async ({ params }) => viewOf(await migrations.find(params.number), services.holdings.nowMs),
    dropGroup: ({ params, body, caller }) => migrator.dropGroup(params.id, body.group, body.force, actorOf(caller)),
    skipLostSource: async ({ params }) => viewOf(await migrator.skip(params.number), services.holdings.nowMs),
    cancelMigration: async ({ params }) => viewOf(await migrator.cancel(params.number), services.holdings.nowMs),

    startTwin: async ({ params, body, caller }) => services.twins.begin(params.id, body, actorOf(caller), 'asked for'),
    listTwins: async ({ query }) => ({ twins: await services.twins.list({ mqId: query.id, limit: query.limit }) }),
    getTwin: async ({ params }) => services.twins.get(params.number),
    cancelTwin: async ({ params }) => services.twins.cancel(params.number),

    listJournal: async ({ query }) => ({
      entries: await store.read.journal.list({
        limit: query.limit,
        ...(query.subject === undefined ? {} : { subject: query.subject }),
      }),
    }),
    listDecisions: async ({ query }) => {
      if (query.id !== undefined && registry.get(query.id) === undefined) throw unknownError(query.id)
      return {
        autopilot: deciding.policies.autopilot.on,
        decisions: (
          await deciding.decisions.list({
            limit: query.limit,
            ...(query.id === undefined ? {} : { mqId: query.id }),
            ...(query.state === undefined ? {} : { state: query.state }),
          })
        ).map((record) => decisionView(deciding.decisions.current(record.number) ?? record)),
        outlooks: deciding.engine.outlooks(query.id),
      }
    },
    getDecision: async ({ params }) => decisionView(await deciding.decisions.find(params.number)),
    approveDecision: async ({ params, caller }) => deciding.engine.approve(params.number, actorOf(caller)),
    undoDecision: async ({ params, caller }) => deciding.engine.undo(params.number, actorOf(caller)),
    listPolicies: async ({ query }) => {
      const record = query.id === undefined ? undefined : registry.get(query.id)
      if (query.id !== undefined && record?.state !== 'active') throw unknownError(query.id)
      return {
        rules: deciding.policies.rules(),
        effective:
          record === undefined ? null : deciding.policies.effective(record.id, record.spec?.intent.owner?.team),
      }
    },
    putPolicy: async ({ params, body, caller }) => {
      await deciding.policies.set(params.scope, body, actorOf(caller))
      return { scope: params.scope, ...body }
    },
    getAutopilot: async () => autopilotView(deciding),
    putAutopilot: async ({ body, caller }) => {
      await deciding.engine.turn(body.on, actorOf(caller))
      return autopilotView(deciding)
    },

    telemetry: async ({ body }) => {
      traffic.take(body)
      services.trouble.take(body)
      services.failing.take(body)
      services.clients.take(body)
      services.epochUse.take(body)
      migrator.heard(body)
      services.holdings.take(body)
      await recovery.seen(body.bindings)
      return { accepted: true, ...wanted }
    },
  }
}

function autopilotView({ policies, decisions }: Deciding): RouteResponse<'getAutopilot'> {
  const live = decisions.live()
  return {
    ...policies.autopilot,
    underWay: live.filter(({ state }) => isUnderWay(state)).length,
    waiting: live.filter(({ state }) => state === 'waiting').length,
  }
}

/** Registers a cluster; new addresses of one in use must lead to the same Kafka cluster. */
async function putCluster(services: Services, caller: Caller, address: ClusterAddress): Promise<void> {
  const { registry, clusters } = services
  const known = registry.cluster(address.name)
  const users = registry.idsOn(address.name)
  if (known?.kafkaId != null && users.length > 0 && JSON.stringify(known.address) !== JSON.stringify(address)) {
    const { clusterId } = await clusters.probe(address)
    if (clusterId !== known.kafkaId) {
      throw new MqError(
        'MQ_CLUSTER_IN_USE',
        `the new addresses of '${address.name}' lead to Kafka cluster ${clusterId}, and ${users.length} mQ ID${users.length === 1 ? ' lives' : 's live'} on ${known.kafkaId}`,
      )
    }
  }
  await registry.putCluster(address, actorOf(caller))
}

/** All or nothing where it can be known beforehand: one refused declaration, and nothing is touched. */
async function apply(
  services: Services,
  caller: Caller,
  declarations: readonly Declaration[],
  planOnly: boolean,
): Promise<Plan> {
  const seen = new Set<string>()
  for (const { id } of declarations) {
    if (seen.has(id)) throw new MqError('MQ_REQUEST_INVALID', `'${id}' is declared twice in one request`)
    seen.add(id)
  }
  const plans = await inParallel(declarations, ({ id, intent }) => services.provisioner.plan(id, intent))
  if (planOnly || plans.some((plan) => plan.action === 'refuse'))
    return { applied: false, executed: false, entries: plans }
  if (plans.some((plan) => plan.action === 'create')) await services.clusters.reachable()
  const entries = await inParallel(declarations, async ({ id, intent }, index): Promise<PlanEntry> => {
    try {
      const entry = await services.provisioner.declare(id, intent, 'apply', actorOf(caller))
      if (entry.action === 'update') await services.sides.follow(id, actorOf(caller))
      return entry
    } catch (error) {
      if (!(error instanceof MqError)) throw error
      // A store that cannot be written fails the request as a whole: nothing after it can succeed either.
      if (STORE_CODES.has(error.code) || error.code === 'MQ_INTERNAL') throw error
      const isPending = services.registry.get(id)?.pending != null
      return {
        ...plans[index]!,
        action: 'refuse',
        refusal: { code: error.code, message: error.message },
        ...(isPending ? { pending: true } : {}),
      }
    }
  })
  return { applied: entries.every((entry) => entry.action !== 'refuse'), executed: true, entries }
}

async function inParallel<T, R>(items: readonly T[], work: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length)
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index]!, index)
  }
  await Promise.all(Array.from({ length: Math.min(APPLY_WIDTH, items.length) }, worker))
  return results
}

function summary(services: Services, record: ActiveId): MqIdSummary {
  const last = record.epochs.find(({ state }) => state === 'open' || state === 'sealing') ?? record.epochs.at(-1)!
  const { intent } = record.spec
  return {
    id: record.id,
    incarnation: services.store.incarnation,
    revision: record.revision,
    format: intent.format,
    ordering: intent.ordering,
    durability: intent.durability,
    cluster: last.cluster,
    epoch: last.epoch,
    partitions: last.partitions,
    team: intent.owner?.team ?? null,
    createdBy: record.createdBy,
    unsettled: services.registry.unsettled(record.id)?.message ?? null,
    messagesPerSecond: services.traffic.messagesPerSecond(record.id),
    createdAtMs: record.createdAtMs,
    updatedAtMs: record.updatedAtMs,
  }
}

/** Of the mQ ID itself and of its team. */
async function budgetWarnings({ costs }: Services, record: ActiveId): Promise<string[]> {
  const scopes = [`id=${record.id}`, `team=${record.spec.intent.owner?.team ?? ''}`]
  return (await costs.warnings()).flatMap(({ scope, warning }) => (scopes.includes(scope) ? (warning ?? []) : []))
}

async function detail(services: Services, id: string): Promise<MqIdDetail> {
  const record = activeOf(services, id)
  const { spec } = record
  const groups = services.lagBook.groups(record)
  return {
    ...summary(services, record),
    intent: spec.intent,
    epochs: [...record.epochs],
    producer: spec.producer,
    consumer: spec.consumer,
    replication: spec.replication,
    minInsyncReplicas: spec.minInsyncReplicas,
    choices: spec.choices,
    warnings: [
      ...services.holdings.warnings(id),
      ...spec.warnings,
      ...[homeWarning(services.clusters, record) ?? []].flat(),
      ...(await budgetWarnings(services, record)),
      ...(record.pending === null
        ? []
        : [`a change (${record.pending.kind}) was begun and is finished as soon as it can be`]),
    ],
    deadLetters: services.sides.of(id).flatMap((kept) => {
      const side = kept.state === 'active' ? kept.spec.side : undefined
      return side?.role === 'dead-letters'
        ? [
            {
              group: side.group,
              id: kept.id,
              ...(services.keptLetters.count(id, side.group) ?? { kept: null, oldestAtMs: null }),
            },
          ]
        : []
    }),
    side: spec.side ?? null,
    drift: [...services.drift.of(id)],
    traffic: trafficOf(services, id, groups),
    groups,
    applications: applicationsOf(services.clients, { mqId: id }),
    failing: services.failing
      .groupsOf(id)
      .map(({ group, failingRecords, failing }) => ({ group, failingRecords, failing })),
  }
}

/** A group that does not run still has a place, and is behind: it stands here, too. */
function trafficOf(services: Services, id: string, known: readonly GroupLag[]): MqIdDetail['traffic'] {
  const minute = services.traffic.lastMinute(id)
  if (minute === null && known.length === 0) return null
  const { producer, sendLatency, groups } = minute?.slice ?? emptySlice()
  const lags = new Map(known.map(({ group, lagRecords }) => [group, lagRecords]))
  const names = new Set([...groups.keys(), ...known.flatMap(({ group, foreign }) => (foreign ? [] : [group]))])
  return {
    windowMs: minute?.windowMs ?? MINUTE_MS,
    recordsIn: producer.records,
    recordBytesIn: producer.recordBytes,
    wireBytesIn: producer.wireBytes,
    batches: producer.batches,
    sendP50Ms: sendLatency.quantileMs(0.5),
    sendP99Ms: sendLatency.quantileMs(0.99),
    groups: [...names].toSorted().map((group) => ({
      group,
      records: groups.get(group)?.counts.records ?? 0,
      endToEndP50Ms: groups.get(group)?.endToEnd.quantileMs(0.5) ?? null,
      endToEndP99Ms: groups.get(group)?.endToEnd.quantileMs(0.99) ?? null,
      lagRecords: lags.get(group) ?? null,
    })),
  }
}
