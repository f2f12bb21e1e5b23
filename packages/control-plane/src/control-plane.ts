/**
 * One control plane: store, registry, provisioning, push and API, started and stopped as one.
 *
 * C1. It starts without Kafka: what needs a cluster says so, everything else works.
 * C2. What was begun before a crash is finished after the start, from the store alone.
 * C3. `close` ends within CLOSE_DEADLINE_MS and leaves no handle open; `stop` lets what is under way end first (stopping.ts).
 */

import { devTimes, usualTimes } from '@mq/autopilot'
import { type ClusterAddress as Address, ClusterAddress, MqError } from '@mq/contract'
import type { ClusterModel } from '@mq/economics'
import { systemDeps, within } from '@mq/kafka'
import type { FastifyInstance } from 'fastify'
import { assembleDeciding, type Deciding } from './autopilot/assemble.ts'
import { configurationOf, logBytesOf, type SeenLog } from './autopilot/configuration.ts'
import type { ControlPlaneOptions } from './control-plane-options.ts'
import { type Controller, Controllers } from './controllers.ts'
import { assembleCosting, type Costing } from './cost/assemble.ts'
import { assembleKeptLetters } from './dead-letters/assemble.ts'
import type { KeptLetters } from './dead-letters/kept-letters.ts'
import { DriftWatch } from './drift/drift-watch.ts'
import { DriftResolver } from './drift/resolver.ts'
import { GroupChanges } from './groups/changes.ts'
import { PositionChanges } from './groups/position-changes.ts'
import { accessOf } from './http/access.ts'
import { checkExposure } from './http/guard.ts'
import { createHandlers } from './http/handlers.ts'
import { listen, urlOf, useTls } from './http/listening.ts'
import { createMonitoringServer } from './http/monitoring.ts'
import { type Readiness, readinessOf } from './http/readiness.ts'
import { createServer, type TlsPair } from './http/server.ts'
import { LAG_EVERY_DEV_MS, LAG_EVERY_MS, LagWatch } from './lag/lag-watch.ts'
import { createLogger, errorFacts } from './logger.ts'
import { Metrics } from './metrics/metrics.ts'
import { ProcessFigures } from './metrics/process.ts'
import { metricsSource } from './metrics/source.ts'
import { Holdings } from './migration/holdings.ts'
import { Migrations } from './migration/migrations.ts'
import { Migrator } from './migration/migrator.ts'
import { clusterModelOf } from './observe/cluster-model.ts'
import { OBSERVE_EVERY_MS } from './observe/watcher.ts'
import { Clusters } from './provision/clusters.ts'
import { kafkaAdminOpener, kafkaClusterOpener } from './provision/kafka-admin.ts'
import { Provisioner } from './provision/provisioner.ts'
import { SideQueues } from './provision/side-queues.ts'
import { PushHub } from './push/hub.ts'
import { CopyWriter } from './recovery/copy-writer.ts'
import { Recovery } from './recovery/recovery.ts'
import type { ActiveId } from './registry/records.ts'
import { Registry } from './registry/registry.ts'
import { every, measured, type OnRound } from './rounds.ts'
import { finishWork } from './stopping.ts'
import { Store } from './store/store.ts'
import { cannotLeave } from './telemetry/applications.ts'
import { ClientDirectory } from './telemetry/client-directory.ts'
import { ClientReports, type TakeReport } from './telemetry/client-reports.ts'
import { EpochUse } from './telemetry/epoch-use.ts'
import { FailingConsumers } from './telemetry/failing-consumers.ts'
import { HandlerTrouble } from './telemetry/handler-trouble.ts'
import { saveRollups } from './telemetry/rollups.ts'
import { Traffic } from './telemetry/traffic.ts'
import { workloadOf } from './telemetry/workload.ts'
import { Calibrations } from './twin/calibrations.ts'
import { TwinWriter } from './twin/twin-writer.ts'
import { Twins, usualTwinTimes } from './twin/twins.ts'
import { readVersion } from './version.ts'

export const DEFAULT_HOST = '127.0.0.1'
const CLOSE_DEADLINE_MS = 10_000
const OBSERVE_EVERY_DEV_MS = 10_000
const ROLLUP_EVERY_MS = 15_000
const DELETE_GRACE_MS = 24 * 3_600_000

export interface ControlPlane {
  /** Base address of the API, such as `http://127.0.0.1:7070`. */
  readonly url: string
  /** Base address of the port for probes and metrics, where there is one. */
  readonly monitoringUrl: string | undefined
  readonly incarnation: number
  /** Another certificate for connections that begin from now on. @throws Error where it does not fit its key */
  useTls(pair: TlsPair): void
  /** Ends at once; what is under way is cut off. */
  close(): Promise<void>
  /** Lets requests and the steps of migrations that producers wait for end, within `graceMs` altogether. */
  stop(graceMs: number): Promise<void>
}

/** Parts a test may look into. */
export interface Assembled {
  readonly app: FastifyInstance
  readonly store: Store
  readonly registry: Registry
  readonly clusters: Clusters
  readonly provisioner: Provisioner
  readonly hub: PushHub
  readonly traffic: Traffic
  readonly migrations: Migrations
  readonly migrator: Migrator
  readonly deciding: Deciding
  readonly twins: Twins
  readonly costing: Costing
  readonly lagWatch: LagWatch
  readonly keptLetters: KeptLetters
  readonly groupChanges: GroupChanges
  readonly recovery: Recovery
  readonly copies: CopyWriter
  readonly controllers: Controllers
  readonly drift: DriftWatch
  /** Probes and metrics on a port of their own, where that was asked for. */
  readonly monitoringApp: FastifyInstance | undefined
  /** @param limitMs for what can hang */
  close(limitMs?: number): Promise<void>
  stop(graceMs: number): Promise<void>
}

/** Starts a control plane and its API. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const host = options.host ?? DEFAULT_HOST
  checkExposure(host, options.token)
  const { monitoring } = options
  if (monitoring !== undefined) {
    checkExposure(monitoring.host, options.monitoringToken ?? options.token, 'the port of probes and metrics')
  }
  const parts = await assemble(options)
  const { app, monitoringApp } = parts
  try {
    await listen(app, host, options.port)
    if (monitoring !== undefined) await listen(monitoringApp!, monitoring.host, monitoring.port)
  } catch (error) {
    await parts.close()
    throw error
  }
  return {
    url: urlOf(app, options.tls === undefined ? 'http' : 'https', host, options.port),
    monitoringUrl:
      monitoring === undefined ? undefined : urlOf(monitoringApp!, 'http', monitoring.host, monitoring.port),
    get incarnation() {
      return parts.store.incarnation
    },
    useTls: (pair) => useTls(app, pair),
    close: () => parts.close(),
    stop: (graceMs) => parts.stop(graceMs),
  }
}

/** Everything but the listening socket. */
export async function assemble(options: ControlPlaneOptions): Promise<Assembled> {
  const deps = options.deps ?? systemDeps
  const logger = options.logger ?? createLogger('info')
  const version = readVersion()
  const addresses = (options.clusters ?? []).map(checkAddress)
  const store = await Store.open(options.dataDir, deps)
  try {
    const hub = new PushHub(deps)
    // Loops begin after everything is assembled.
    const onLoop: OnRound = (loop, ms, result) => metrics.loop(loop, ms, result)
    const registry = await Registry.load(store, deps, (binding) => {
      hub.publish(binding)
      copies.changed(binding.mqId)
    })
    const migrations = await Migrations.load(store.read.migrations, store.feed)
    const reports = new ClientReports()
    const epochUse = new EpochUse(deps, (mqId) => migrations.active().some((record) => record.mqId === mqId))
    const isActive = (id: string): boolean => registry.get(id)?.state === 'active'
    const traffic = new Traffic({ deps, isKnown: isActive })
    const failing = new FailingConsumers(deps.clock, isActive)
    const clients = new ClientDirectory(deps, isActive)
    const clusters: Clusters = new Clusters({
      registry,
      openAdmin: options.openAdmin ?? kafkaAdminOpener(options.credentials ?? {}, deps),
      deps,
      logger,
      onLoop,
      onRound: async () => {
        if (!store.lease.isHeld) return
        await recovery.look()
        await provisioner.resume()
        await copies.flush()
        await drift.look()
      },
      ...(options.checkEveryMs === undefined ? {} : { checkEveryMs: options.checkEveryMs }),
    })
    const copies: CopyWriter = new CopyWriter({ store, registry, migrations, clusters, deps, logger })
    const recovery: Recovery = new Recovery({
      ...{ store, registry, clusters, migrations, deps, logger },
      resumeMigrations: (id) => migrator.resume(id),
      cancelMigration: (number) => migrator.cancel(number),
    })
    // After the recovery has begun: an mQ ID that is unsettled is not published with a new address either.
    for (const address of addresses) await registry.putCluster(address, 'start')
    const provisioner: Provisioner = new Provisioner({
      registry,
      clusters,
      deps,
      logger,
      onFirstUse: options.onFirstUse,
      inUse: (id) => hub.hears(id) || traffic.lastMinute(id) !== null,
      users: (id) => {
        const record = registry.get(id)
        const groups = record?.state === 'active' ? lagWatch.book.groups(record) : []
        return [
          ...hub.appsOf(id).map((app) => `application ${app}`),
          ...groups.flatMap(({ group, members }) =>
            (members ?? 0) > 0 ? [`group ${group} (${members} ${members === 1 ? 'member' : 'members'})`] : [],
          ),
        ]
      },
      migrationOf: (id) => migrations.handingOver(id)?.number,
      ...(options.startWith === undefined ? {} : { startWith: options.startWith }),
    })
    const drift: DriftWatch = new DriftWatch({
      ...{ registry, clusters, provisioner, migrations, store, deps, logger },
      ...{ everyMs: options.driftEveryMs, settleMs: options.driftSettleMs },
    })
    const groupChanges = new GroupChanges({
      ...{ store, registry, clusters, provisioner, deps, logger },
      changes: await PositionChanges.load(store),
      migrationOf: (id) => migrations.handingOver(id)?.number,
      cannotLeave: (id, group) => cannotLeave(clients, id, group),
      ...(options.changeTimes === undefined ? {} : { times: options.changeTimes }),
    })
    const migrator = new Migrator({
      positionChanges: (id) => groupChanges.applied(id),
      store,
      registry,
      clusters,
      provisioner,
      migrations,
      epochUse,
      deps,
      logger,
      ...(options.migrationTimes === undefined ? {} : { times: options.migrationTimes }),
    })
    const calibrations = await Calibrations.load(store, deps)
    const openCluster = options.openCluster ?? kafkaClusterOpener(options.credentials ?? {}, deps)
    const costing = await assembleCosting({
      store,
      registry,
      openCluster,
      deps,
      logger,
      constants: (name) => calibrations.constants(name),
      onLoop,
      observeEveryMs: options.observeEveryMs ?? (options.timing === 'dev' ? OBSERVE_EVERY_DEV_MS : OBSERVE_EVERY_MS),
    })
    const lagWatch = await LagWatch.load({
      store,
      registry,
      openCluster,
      deps,
      logger,
      onLoop,
      everyMs: options.lagEveryMs ?? (options.timing === 'dev' ? LAG_EVERY_DEV_MS : LAG_EVERY_MS),
      ...(options.readPositions === undefined ? {} : { read: options.readPositions }),
    })
    const keptLetters = assembleKeptLetters({ registry, lagWatch, read: options.readLetters, deps, logger })
    const clusterModels = (): ClusterModel[] =>
      registry.clusters().map((record) => {
        const { name } = record.address
        return clusterModelOf(record, costing.watcher.observation(name), calibrations.constants(name))
      })
    const times = { ...(options.timing === 'dev' ? devTimes : usualTimes), ...options.loopTimes }
    const seenLog: SeenLog = (cluster, topic) => {
      const bytes = costing.watcher.topic(cluster, topic)?.leaderBytes ?? null
      const atMs = costing.watcher.observation(cluster)?.startedAtMs
      return bytes === null || atMs === undefined ? null : { atMs, bytes }
    }
    const deciding = await assembleDeciding({
      store,
      registry,
      provisioner,
      clusters,
      migrator,
      migrations,
      traffic,
      ...{ deps, logger, times, clusterModels, seenLog, onLoop, newInstallationMode: options.newInstallationMode },
      ...options.autopilot,
      seenRetentionMs: (cluster, topic) => costing.watcher.topic(cluster, topic)?.configs?.retentionMs ?? null,
    })
    const activeOf = (id: string): ActiveId | undefined => {
      const record = registry.get(id)
      return record?.state === 'active' ? record : undefined
    }
    const twins = new Twins({
      writer: await TwinWriter.load(store, deps),
      calibrations,
      deps,
      logger,
      times: usualTwinTimes,
      onLoop,
      active: activeOf,
      ids: () => registry.all().flatMap((record) => (record.state === 'active' ? [record.id] : [])),
      profile: (id) => traffic.profile(id),
      workload: (profile, active) => workloadOf(profile, active, logBytesOf(seenLog, active)),
      configuration: configurationOf,
      clusterModel: (name) => clusterModels().find((model) => model.name === name),
      addresses: () => registry.clusters().map(({ address }) => address),
      openCluster,
      mayBegin: (id) => {
        const { policies } = deciding
        const policy = policies.effective(id, activeOf(id)?.spec.intent.owner?.team)
        return policies.autopilot.on && policy.mode === 'auto' && migrations.handingOver(id) === undefined
      },
    })
    const holdings = new Holdings({ migrations, deps })
    const trouble = new HandlerTrouble(deps)
    const processFigures = new ProcessFigures()
    const metrics: Metrics = new Metrics(
      metricsSource({
        ...{ version, hub, traffic, store, clusters, registry, drift, lagWatch, migrations },
        ...{ deciding, costing, recovery },
        ...{ trouble, holdings, keptLetters },
        process: processFigures,
        deps,
      }),
    )
    reports.subscribe(
      ...[traffic, trouble, failing, clients, epochUse, holdings].map(
        (one): TakeReport =>
          (report) =>
            one.take(report),
      ),
      (report) => migrator.heard(report),
      (report) => recovery.seen(report.bindings),
    )
    store.onWrite = (ms, result) => metrics.storeWrite(ms, result)
    let stopping = false
    const isStopping = (): boolean => stopping
    const readiness = (): Promise<Readiness> => readinessOf({ store, clusters, recovery, isStopping })
    const handlers = createHandlers({
      ...{ store, registry, clusters, provisioner, hub, traffic },
      sides: new SideQueues(registry, provisioner),
      reports,
      ...{ trouble, keptLetters },
      version,
      createOnFirstUse: options.createOnFirstUse ?? false,
      failing,
      recovery,
      migrator,
      migrations,
      ...{ holdings, epochUse },
      telemetryMs: options.telemetryMs ?? (options.timing === 'dev' ? times.telemetryMs : undefined),
      deciding,
      twins,
      costs: costing.costs,
      budgets: costing.budgets,
      owners: costing.owners,
      clusterModels,
      seenLog,
      lagState: lagWatch.book,
      groupChanges,
      clients,
      deps,
      drift,
      driftResolver: new DriftResolver({
        ...{ registry, migrations, clusters, provisioner, store, deps },
        watch: drift,
      }),
      deleteGraceMs: options.deleteGraceMs ?? DELETE_GRACE_MS,
      readiness,
    })
    const access = accessOf(options)
    const app = await createServer({
      ...{ access, tls: options.tls, handlers, metrics, readiness, isStopping },
      deps,
      logger,
    })
    await app.ready()
    const monitoringApp =
      options.monitoring === undefined
        ? undefined
        : createMonitoringServer({ metrics, readiness, guard: access.monitoring })
    const flush = async (all: boolean): Promise<void> =>
      saveRollups(store, traffic.takeFinished(all), deps.clock.nowMs())
    let stopRollups: (() => Promise<void>) | undefined
    const startRollups = (): void => {
      const save = measured(deps, 'roll-ups', onLoop, () => flush(false))
      const lost = (error: unknown): void => logger.warn(errorFacts(error), 'roll-ups were lost')
      stopRollups = every(deps, () => ROLLUP_EVERY_MS, save, lost)
    }
    // Fake clusters of tests have no topics to sweep, and nothing to look at.
    const looks = options.openAdmin === undefined || options.openCluster !== undefined
    const watch = (name: string, one: { start(): void; close(): Promise<void> }): Controller => ({
      name,
      start: () => (looks ? one.start() : undefined),
      close: () => one.close(),
    })
    const controllers = new Controllers(
      store.lease,
      [
        { name: 'recovery', close: () => recovery.close() },
        { name: 'registry copies', close: () => copies.close() },
        watch('watcher', costing.watcher),
        watch('lag watch', {
          start: () => {
            lagWatch.start()
            keptLetters.start()
          },
          close: async () => void (await Promise.all([keptLetters.close(), lagWatch.close()])),
        }),
        watch('twins', twins),
        { name: 'decisions', start: () => deciding.engine.start(), close: () => deciding.engine.close() },
        { name: 'group changes', start: () => groupChanges.start(), close: () => groupChanges.close() },
        { name: 'migrations', start: () => migrator.resume(), close: () => migrator.close() },
        { name: 'roll-ups', start: startRollups, close: async () => stopRollups?.() },
      ],
      logger,
    )
    clusters.start()
    controllers.start()
    let closing: Promise<void> | undefined
    const shutDown = async (): Promise<void> => {
      stopping = true
      await controllers.stop()
      await hub.close()
      await app.close()
      await monitoringApp?.close()
      await clusters.close()
      processFigures.close()
      await flush(true).catch((error: unknown) => logger.warn(errorFacts(error), 'roll-ups were lost'))
    }
    const close = async (limitMs: number): Promise<void> => {
      const late = (): MqError => new MqError('MQ_INTERNAL', `closing took longer than ${limitMs} ms`)
      try {
        await within(deps, limitMs, late, shutDown())
      } catch (error) {
        logger.error(errorFacts(error), 'closing was not clean')
      }
      await store.close().catch((error: unknown) => logger.error(errorFacts(error), 'closing the store was not clean'))
    }
    return {
      ...{ app, store, registry, clusters, provisioner, hub, traffic, migrations, migrator, deciding, twins },
      ...{ costing, lagWatch, keptLetters, groupChanges, recovery, copies, drift, monitoringApp, controllers },
      close: (limitMs = CLOSE_DEADLINE_MS) => {
        closing ??= close(limitMs)
        return closing
      },
      stop: async (graceMs) => {
        stopping = true
        const leftMs = await finishWork({ app, hub, migrator, deps, logger }, graceMs)
        closing ??= close(leftMs)
        await closing
      },
    }
  } catch (error) {
    await store.close().catch(() => undefined)
    throw error
  }
}

function checkAddress(address: Address): Address {
  const parsed = ClusterAddress.safeParse(address)
  if (parsed.success) return parsed.data
  throw new MqError(
    'MQ_OPTION_INVALID',
    `the address of cluster '${address.name}' is unusable: ${parsed.error.issues[0]?.message}`,
  )
}
