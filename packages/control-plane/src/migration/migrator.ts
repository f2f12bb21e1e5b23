/**
 * Makes migrations: one driver per migration carries it from its row to its end.
 *
 * X1. A driver knows nothing but the row: after a restart another one goes on from it.
 * X2. What may pass is tried again; what will fail again undoes the migration as long as that is possible.
 * X3. A cancel is answered when it is decided: undone, or too late.
 * X5. A process that stops begins no step at which producers would wait, and ends the one they wait at.
 * X4. One migration of an mQ ID at a time, until its new epoch is open; older ones may still drain.
 */
import {
  type MigrationPlan,
  type MigrationState,
  type MigrationStepName,
  MqError,
  type TelemetryReport,
} from '@mq/contract'
import { backoffMs, type Deps, pause, sleep, withinOrUndefined } from '@mq/kafka'
import { errorFacts, type Logger } from '../logger.ts'
import type { Clusters } from '../provision/clusters.ts'
import { unknownError } from '../provision/provision-errors.ts'
import type { Provisioner } from '../provision/provisioner.ts'
import type { ActiveId } from '../registry/records.ts'
import { type Registry, withoutStamp } from '../registry/registry.ts'
import type { Entry } from '../store/ports/journal.ts'
import { requestIdOf } from '../store/request-scope.ts'
import type { Store } from '../store/store.ts'
import type { EpochUse } from '../telemetry/epoch-use.ts'
import { deleteTopic } from './delete-topic.ts'
import { drain } from './drain.ts'
import { type Dropped, dropGroup } from './drop-group.ts'
import { isCancellable, isEnd, isHandingOver, transition } from './machine.ts'
import { MigrationTelemetry } from './migration-telemetry.ts'
import { MigrationWriter } from './migration-writer.ts'
import type { Migrations } from './migrations.ts'
import { type MigrationTarget, planMigration, planOrRefuse } from './plan.ts'
import { prepare, warm } from './prepare.ts'
import { MigrationData, type MigrationRecord, stepOf, withStep } from './record.ts'
import { open, seal } from './seal.ts'
import { SealChecks } from './seal-checks.ts'
import { reconcile } from './stranded.ts'
import { undo } from './undo.ts'
import { watch } from './watch.ts'
import { CancelAsked, defaultTimes, type MigrationTimes, type Work } from './work.ts'

const CANCEL_WITHIN_MS = 20_000
const CANCEL_POLL_MS = 5
const FIRST_RETRY_MS = 50
const LONGEST_RETRY_MS = 2_000
const LONGEST_LATE_RETRY_MS = 30_000

export interface MigratorOptions {
  readonly store: Store
  readonly registry: Registry
  readonly clusters: Clusters
  readonly provisioner: Provisioner
  readonly migrations: Migrations
  readonly epochUse: EpochUse
  readonly deps: Deps
  readonly logger: Logger
  readonly times?: Partial<MigrationTimes>
  /** How many changes of positions of the groups of an mQ ID were applied so far. */
  readonly positionChanges?: (mqId: string) => number
}

/** Sends that fail in these may have failed for the migration. */
const HANDING_OVER: ReadonlySet<MigrationState> = new Set<MigrationState>(['sealing', 'refusing', 'sealed', 'open'])

interface Driver {
  cancelAsked: boolean
  /** Who asked for the cancel, where that is known. */
  cancelledBy?: Pick<Entry, 'actor' | 'requestId'>
  wake: (() => void) | undefined
  running: Promise<void>
}

/** Between its epochs: producers may hold what they send until it goes on. */
const PRODUCERS_WAIT: ReadonlySet<MigrationState> = new Set<MigrationState>([
  'sealing',
  'refusing',
  'sealed',
  'undoing',
])
const SETTLE_POLL_MS = 20

const stepInState: Record<MigrationState, MigrationStepName> = {
  planned: 'prepare',
  prepared: 'warm',
  sealing: 'seal',
  refusing: 'seal',
  sealed: 'open',
  open: 'watch',
  draining: 'drain',
  stranded: 'reconcile',
  undoing: 'undo',
  retired: 'delete-topic',
  cancelled: 'delete-topic',
  failed: 'delete-topic',
}

const doInState: Record<MigrationState, (work: Work, number: number) => Promise<void>> = {
  planned: prepare,
  prepared: warm,
  sealing: seal,
  refusing: seal,
  sealed: open,
  open: watch,
  draining: drain,
  stranded: reconcile,
  undoing: undo,
  retired: deleteTopic,
  cancelled: deleteTopic,
  failed: deleteTopic,
}

export class Migrator {
  readonly #options: MigratorOptions
  readonly #work: Work
  readonly #heard: MigrationTelemetry
  readonly #drivers = new Map<number, Driver>()
  #closed = false
  #stopping = false

  constructor(options: MigratorOptions) {
    this.#options = options
    const { deps, store, registry, migrations } = options
    this.#heard = new MigrationTelemetry(
      deps,
      (mqId) => registry.get(mqId)?.state === 'active',
      (mqId, epoch) => migrations.active().some((record) => record.mqId === mqId && record.to.epoch === epoch),
      (mqId, epoch) =>
        migrations
          .active()
          .find(
            ({ mqId: id, from, to, state }) =>
              id === mqId && HANDING_OVER.has(state) && (from.epoch === epoch || to.epoch === epoch),
          )?.to.epoch,
    )
    this.#work = {
      ...options,
      heard: this.#heard,
      sealChecks: new SealChecks(options.clusters, deps),
      writer: new MigrationWriter(options),
      times: { ...defaultTimes, ...options.times },
      incarnation: () => store.incarnation,
      listeningSinceMs: deps.clock.monotonicMs(),
      checkpoint: (number) => {
        this.#checkClosed()
        if (this.#mayNotGoOn(migrations.current(number)?.state)) throw closing()
        if (this.#drivers.get(number)?.cancelAsked === true) throw new CancelAsked()
      },
      checkClosed: () => this.#checkClosed(),
      goBack: (number) => this.#goBack(number),
      pause: (number, ms) => this.#pause(number, ms),
    }
  }

  /** Goes on with everything that is not over (X1), or with what is not over of one mQ ID; what is unsettled waits. */
  resume(id?: string): void {
    const { migrations, registry } = this.#options
    for (const { number, mqId } of migrations.active()) {
      if ((id === undefined || mqId === id) && registry.unsettled(mqId) === undefined) this.#drive(number)
    }
  }

  /** A report of a client. */
  heard(report: TelemetryReport): void {
    this.#heard.take(report)
  }

  plan(id: string, request: MigrationTarget): Promise<MigrationPlan> {
    return planOrRefuse(this.#planner, id, request)
  }

  /** Begins a migration; it goes on by itself. @throws MqError the reason why it cannot be made */
  async start(
    id: string,
    request: MigrationTarget,
    actor: string,
  ): Promise<{ plan: MigrationPlan; record: MigrationRecord }> {
    const { registry, migrations, provisioner, deps, store } = this.#options
    return provisioner.exclusively(id, async () => {
      const { plan, spec, sizeLimit, foreign, topicId, partitions } = await planMigration(this.#planner, id, request)
      const { from, to } = plan
      const why = `move from ${from.partitions} partitions on '${from.cluster}' to ${to.partitions} on '${to.cluster}'`
      const nowMs = deps.clock.nowMs()
      const row: Omit<MigrationRecord, 'number'> = {
        mqId: id,
        state: 'planned',
        actor,
        from,
        to,
        createdAtMs: nowMs,
        updatedAtMs: nowMs,
        endedAtMs: null,
        steps: [],
        data: MigrationData.parse({
          ...{
            spec,
            sizeLimit,
            topicId,
            partitions,
            why,
            undo: null,
            proofs: [],
            endOffsets: null,
            groups: [],
            stragglers: [],
          },
          ...{ foreign: foreign.producers, foreignUnknown: foreign.unknown, onLostSource: request.onLostSource },
        }),
      }
      let record: MigrationRecord | undefined
      const before = registry.get(id) as ActiveId
      // The number of the new epoch is used up from here on, whatever becomes of the migration.
      await registry.keep({ ...withoutStamp(before), lastEpoch: to.epoch }, async (tx) => {
        record = await migrations.add(tx, row)
        const after = { migration: record.number, from, to }
        const decision = { kind: 'migrate', subject: id, actor, why, before: null, after } as const
        await tx.journal.append(decision, nowMs, store.revision)
      })
      this.#drive(record!.number)
      return { plan, record: record! }
    })
  }

  /** Undoes a migration (X3). @throws MqError MQ_MIGRATION_SEALED */
  async cancel(
    number: number,
    { actor, force = false }: { readonly actor?: string; readonly force?: boolean } = {},
  ): Promise<MigrationRecord> {
    const { migrations, deps } = this.#options
    if (force) await this.#force(number, actor)
    const untilMs = deps.clock.monotonicMs() + CANCEL_WITHIN_MS
    for (;;) {
      const record = migrations.current(number) ?? (await migrations.find(number))
      const answer = transition(record.state, 'cancel')
      if (answer.kind === 'refuse') {
        throw new MqError(
          answer.code,
          isEnd(record.state)
            ? `migration ${number} of '${record.mqId}' is over`
            : `a leader of epoch ${record.from.epoch} of '${record.mqId}' refuses data already: migration ${number} goes on to its end`,
          { details: { number, state: record.state } },
        )
      }
      if (isEnd(record.state)) return record
      const driver = this.#drivers.get(number)
      if (driver !== undefined && isCancellable(record.state)) {
        driver.cancelAsked = true
        if (actor !== undefined) driver.cancelledBy ??= { actor, requestId: requestIdOf(actor) }
        driver.wake?.()
      }
      if (deps.clock.monotonicMs() >= untilMs || this.#closed) return record
      await sleep(deps, CANCEL_POLL_MS)
    }
  }

  /** A person's word that an undoing is not to wait for the cluster of the new epoch. */
  async #force(number: number, actor = 'mq'): Promise<void> {
    const record = this.#options.migrations.current(number)
    if (record === undefined || isEnd(record.state) || transition(record.state, 'cancel').kind === 'refuse') return
    await this.#work.writer.update(number, (before) => ({ ...before, data: { ...before.data, isForced: true } }), {
      kind: 'migration-cancel',
      actor,
      why: `undoing migration ${number} is not to wait for the new cluster`,
    })
    this.#drivers.get(number)?.wake?.()
  }

  /** Lets groups go on without the rest of the old epoch, should its cluster stay away. */
  async skip(number: number, actor: string): Promise<MigrationRecord> {
    const { migrations } = this.#options
    const record = migrations.current(number) ?? (await migrations.find(number))
    if (isEnd(record.state)) {
      throw new MqError('MQ_MIGRATION_REFUSED', `migration ${number} of '${record.mqId}' is over (${record.state})`)
    }
    const why = `groups of migration ${number} go on without the rest of the old epoch, should its cluster stay away`
    const after = await this.#work.writer.update(
      number,
      (before) => ({ ...before, data: { ...before.data, onLostSource: 'skip' } }),
      { kind: 'migration-skip', actor, why },
    )
    this.#drivers.get(number)?.wake?.()
    return after
  }

  /** Lets migrations go on without a group that nobody uses any more, and takes its positions away. */
  async dropGroup(mqId: string, group: string, force: boolean, actor: string): Promise<Dropped> {
    const { registry, clusters, migrations, store } = this.#options
    const { writer } = this.#work
    const record = registry.get(mqId)
    if (record === undefined || record.state === 'absent') throw unknownError(mqId)
    const dropped = await dropGroup({ registry, clusters, migrations, store, writer }, mqId, group, force, actor)
    for (const number of dropped.migrations) this.#drivers.get(number)?.wake?.()
    return dropped
  }

  async #goBack(number: number): Promise<number> {
    const { mqId, from } = this.#work.writer.row(number)
    const { cluster: to, partitions, replication } = from
    const { record } = await this.start(
      mqId,
      { to, partitions, replication, allowFewerCopies: true },
      `mq, after migration ${number}`,
    )
    return record.number
  }

  /** Before `close`: lets migrations whose producers may wait come out of that, within `waitMs` (X5). @returns whether all did */
  async settle(waitMs: number): Promise<boolean> {
    const { deps, migrations } = this.#options
    this.#stopping = true
    const untilMs = deps.clock.monotonicMs() + waitMs
    const waiting = (): boolean =>
      [...this.#drivers.keys()].some((number) => !this.#mayNotGoOn(migrations.current(number)?.state))
    while (waiting() && deps.clock.monotonicMs() < untilMs) await sleep(deps, SETTLE_POLL_MS)
    return !waiting()
  }

  /** Ends the drivers where they stand; one that hangs in a request is not waited for longer than `waitMs`. */
  async close(waitMs = 2_000): Promise<void> {
    const { deps, migrations } = this.#options
    if (this.#closed) return
    this.#closed = true
    for (const driver of this.#drivers.values()) driver.wake?.()
    const all = Promise.all([...this.#drivers.values()].map((driver) => driver.running))
    await withinOrUndefined(deps, waitMs, all)
    migrations.close()
  }

  get #planner() {
    const { registry, clusters, migrations, provisioner } = this.#options
    return {
      registry,
      clusters,
      migrations,
      heard: this.#heard,
      sealChecks: this.#work.sealChecks,
      nowMs: () => this.#options.deps.clock.nowMs(),
      nameClash: (id: string, epoch: number) => provisioner.nameClash(id, epoch),
    }
  }

  #drive(number: number): void {
    if (this.#drivers.has(number) || this.#closed || this.#stopping) return
    const driver: Driver = { cancelAsked: false, wake: undefined, running: Promise.resolve() }
    this.#drivers.set(number, driver)
    driver.running = this.#run(number, driver).finally(() => this.#drivers.delete(number))
  }

  async #run(number: number, driver: Driver): Promise<void> {
    const { migrations, logger, deps } = this.#options
    let failures = 0
    for (;;) {
      const row = migrations.current(number)
      if (row === undefined || this.#closed) return
      if (this.#mayNotGoOn(row.state)) return
      try {
        // Also a step that fails before its first checkpoint can be cancelled.
        if (driver.cancelAsked && isCancellable(row.state)) throw new CancelAsked()
        await doInState[row.state](this.#work, number)
        failures = 0
        const after = migrations.current(number)
        if (after !== undefined && after.state !== row.state) {
          if (!isCancellable(after.state)) driver.cancelAsked = false
          logger.info({ migration: number, mqId: row.mqId, from: row.state, to: after.state }, 'migration goes on')
        }
      } catch (error) {
        if (this.#closed || this.#mayNotGoOn(migrations.current(number)?.state)) return
        failures++
        await this.#failed(number, error).catch((worse: unknown) => {
          logger.error({ migration: number, ...errorFacts(worse) }, 'the state of a migration cannot be written')
        })
        const longest = !isHandingOver(row.state) ? LONGEST_LATE_RETRY_MS : LONGEST_RETRY_MS
        if (!(error instanceof CancelAsked)) {
          await this.#pause(
            number,
            backoffMs(failures, deps.random, { baseMs: FIRST_RETRY_MS, maxMs: longest }, 'none'),
          )
        }
      }
    }
  }

  /** Writes down what went wrong, and undoes the migration where it has to be (X2). */
  async #failed(number: number, error: unknown): Promise<void> {
    const { writer, logger, times } = this.#work
    const row = writer.row(number)
    if (error instanceof CancelAsked) {
      const by = this.#drivers.get(number)?.cancelledBy
      const message = by === undefined ? 'asked for' : `asked for by ${by.actor}`
      await writer.transition(
        number,
        'cancel',
        (before) => ({
          ...before,
          data: { ...before.data, undo: { kind: 'cancel', code: 'MQ_MIGRATION_REFUSED', message } },
        }),
        { kind: 'migration-cancel', why: `migration ${number} is undone`, ...(by ?? { actor: 'mq' }) },
      )
      return
    }
    const problem =
      error instanceof MqError
        ? error
        : new MqError('MQ_INTERNAL', error instanceof Error ? error.message : String(error), { cause: error })
    const name = stepInState[row.state]
    const step = stepOf(row, name)
    const spentMs = writer.nowMs - (step?.startedAtMs ?? writer.nowMs)
    const limitMs = row.state === 'sealing' ? times.sealMs : times.prepareMs
    const facts = { migration: number, mqId: row.mqId, state: row.state, ...errorFacts(problem) }
    const noted = (before: MigrationRecord): MigrationRecord =>
      withStep(before, name, writer.nowMs, {
        attempts: (step?.attempts ?? 0) + 1,
        problem: `${problem.code}: ${problem.message}`,
      })
    if (isCancellable(row.state) && (!problem.retryable || spentMs > limitMs)) {
      logger.error(facts, 'the migration is undone')
      const { code, message } = problem
      await writer.transition(number, 'fail', (before) => ({
        ...noted(before),
        data: { ...before.data, undo: { kind: 'fail', code, message } },
      }))
      return
    }
    logger.warn(facts, 'a step of the migration is tried again')
    await writer.update(number, noted)
  }

  async #pause(number: number, ms: number): Promise<void> {
    const driver = this.#drivers.get(number)
    if (this.#closed) return
    const woken = new AbortController()
    if (driver !== undefined) driver.wake = () => woken.abort()
    await pause(this.#options.deps, ms, woken.signal)
    if (driver !== undefined) driver.wake = undefined
  }

  /** X5 */
  #mayNotGoOn(state: MigrationState | undefined): boolean {
    return this.#stopping && (state === undefined || !PRODUCERS_WAIT.has(state))
  }

  #checkClosed(): void {
    if (this.#closed) throw closing()
  }
}

function closing(): MqError {
  return new MqError('MQ_CLOSED', 'the control plane is closing')
}
