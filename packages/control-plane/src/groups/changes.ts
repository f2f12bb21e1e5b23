/**
 * Changes positions of groups: as a row, from what was asked to what came of it.
 *
 * C1. Kafka is the barrier: it takes positions from outside only while a group has no members. A group that runs is asked to leave by
 *     its binding (`holds`), is changed while nobody is in it, and comes back when the hold is gone. Whoever does not follow (an old
 *     client, one that is not of mQ, one that hears nothing) stays a member, and then nothing is changed.
 * C2. What is to be set is worked out while the group is empty, written down, and only then set.
 * C3. A change is applied at most once. After a restart it goes on by itself while its hold surely keeps members away; later the positions
 *     are compared with what stands in the row: all set means done, anything else is told and never set a second time.
 * C4. One change of a group at a time; none while a migration hands over, and none while a live epoch cannot be written to. That is looked
 *     at again right before positions are set, also by a change that goes on after a restart.
 * C5. A change that is over and its line in the journal are one transaction, together with the binding without the hold.
 * C6. Positions that move back in an old epoch keep a migration from retiring it (`applied`).
 */
import { type GroupChange, type GroupChangeRequest, type GroupHold, groupOfId, MqError } from '@mq/contract'
import { type Deps, sleep, withinOrUndefined } from '@mq/kafka'
import { errorFacts, type Logger } from '../logger.ts'
import type { Clusters } from '../provision/clusters.ts'
import { unknownError } from '../provision/provision-errors.ts'
import type { Provisioner } from '../provision/provisioner.ts'
import type { ActiveId } from '../registry/records.ts'
import { type Registry, withoutStamp } from '../registry/registry.ts'
import { every } from '../rounds.ts'
import type { NewEntry } from '../store/ports/journal.ts'
import type { WriteTransaction } from '../store/ports/repositories.ts'
import type { Store } from '../store/store.ts'
import { type GroupChangeRow, positionOf, type StoredTarget, storedPosition } from './change-row.ts'
import { late, retired, stays } from './change-words.ts'
import { isSame } from './finished-set.ts'
import { findGroup, type GroupSight, lookAtGroup, membersOf } from './group-view.ts'
import type { PositionChanges } from './position-changes.ts'
import { countMoves, preview } from './preview.ts'
import { resolveTargets, type Target, type UseAdmin } from './targets.ts'

export interface ChangeTimes {
  /** How long members have to leave. */
  readonly leaveMs: number
  /** How long they stay away by themselves. */
  readonly holdMs: number
  readonly pollMs: number
  /** A change that was taken up again and again is given up. */
  readonly totalMs: number
}

export const usualChangeTimes: ChangeTimes = { leaveMs: 60_000, holdMs: 120_000, pollMs: 200, totalMs: 600_000 }

/** Positions are not set any more when members may come back so soon. */
const MARGIN_MS = 20_000
const SWEEP_EVERY_MS = 60_000
/** How long a request waits for a change that needs nobody to leave. */
const ANSWER_MS = 25_000

export interface GroupChangesOptions {
  readonly store: Store
  readonly registry: Registry
  readonly clusters: Clusters
  readonly provisioner: Provisioner
  readonly changes: PositionChanges
  readonly deps: Deps
  readonly logger: Logger
  readonly times?: Partial<ChangeTimes>
  /** Number of the migration that hands the mQ ID over. */
  readonly migrationOf: (mqId: string) => number | undefined
  /** Clients of the group that do not leave when asked, in words: those of a version before. */
  readonly cannotLeave: (mqId: string, group: string) => readonly string[]
}

export class GroupChanges {
  readonly #options: GroupChangesOptions
  readonly #times: ChangeTimes
  readonly #use: UseAdmin
  readonly #drivers = new Map<number, Promise<void>>()
  readonly #applied = new Map<string, number>()
  /** Groups whose change is being written down (C4). */
  readonly #asking = new Set<string>()
  readonly #closed = new AbortController()
  #stopSweep: (() => Promise<void>) | undefined

  constructor(options: GroupChangesOptions) {
    this.#options = options
    this.#times = { ...usualChangeTimes, ...options.times }
    this.#use = (cluster, doing, work) => options.clusters.use(cluster, doing, work)
  }

  /** How many changes of an mQ ID were applied since this process began (C6). */
  applied(mqId: string): number {
    return this.#applied.get(mqId) ?? 0
  }

  /** Goes on with what is not over (C3), and ends holds that nobody waits for. */
  start(): void {
    const { deps, logger, changes } = this.#options
    for (const { number } of changes.live()) void this.#drive(number, true)
    this.#stopSweep = every(
      deps,
      () => SWEEP_EVERY_MS,
      () => this.#sweep(),
      (error) => logger.warn(errorFacts(error), 'holds of groups were not looked at'),
    )
    void this.#sweep().catch((error: unknown) => logger.warn(errorFacts(error), 'holds of groups were not looked at'))
  }

  /** What a change would do; touches nothing. */
  async plan(mqId: string, request: GroupChangeRequest, actor: string): Promise<GroupChange> {
    const draft = await this.#draft(mqId, request, actor)
    return draft.view
  }

  /** Begins a change; a running group is done with later, everything else at once. */
  async ask(mqId: string, request: GroupChangeRequest, actor: string): Promise<GroupChange> {
    const { changes, deps } = this.#options
    const { view, groupId, epochs } = await this.#draft(mqId, request, actor)
    const busy = changes.live().find((row) => row.groupId === groupId)
    if (busy !== undefined) {
      throw new MqError(
        'MQ_GROUP_CHANGE_REFUSED',
        `change ${busy.number} of the positions of group '${view.group}' is under way (${busy.view.state})`,
        { details: { change: busy.number } },
      )
    }
    if (this.#asking.has(groupId)) {
      const what = `another change of the positions of group '${view.group}' was asked for at the same moment`
      throw new MqError('MQ_GROUP_CHANGE_REFUSED', what)
    }
    this.#asking.add(groupId)
    const none = { moves: [], readAgain: 0, skipped: 0, readAgainTimes: null, skippedTimes: null }
    const row = await changes
      .add({
        view: { ...view, state: 'waiting', ...none },
        ...{ groupId, epochs, targets: null, heldAtMs: null, attempt: 0 },
      })
      .finally(() => this.#asking.delete(groupId))
    const running = this.#drive(row.number, false)
    if (!view.isLive) await withinOrUndefined(deps, ANSWER_MS, running)
    return (await changes.find(row.number)).view
  }

  async find(number: number): Promise<GroupChange> {
    return (await this.#options.changes.find(number)).view
  }

  async close(): Promise<void> {
    this.#closed.abort()
    await this.#stopSweep?.()
    await Promise.all(this.#drivers.values())
  }

  /** C4 */
  async #draft(
    mqId: string,
    request: GroupChangeRequest,
    actor: string,
  ): Promise<{ view: GroupChange; groupId: string; epochs: number[] }> {
    const { clusters, deps, cannotLeave } = this.#options
    const active = this.#active(mqId)
    this.#checkPlace(active)
    const { groupId, foreign, sights } = await findGroup(clusters, active, request.group)
    const group = groupOfId(groupId, mqId) ?? groupId
    const members = membersOf(sights)
    const named = members.map(({ clientId, host }) => `${clientId}@${host}`)
    const stay = foreign ? named : members.length === 0 ? [] : cannotLeave(mqId, group)
    const wanted = { action: request.action, partition: request.partition ?? null, epoch: request.epoch ?? null }
    const nowMs = deps.clock.nowMs()
    const { targets, notes } = await resolveTargets(this.#use, sights, wanted, { isOwn: !foreign, nowMs })
    if (members.length > 0 && stay.length > 0 && !request.plan) throw stays(group, stay, foreign)
    const by = request.by === undefined ? actor : `${actor} (${request.by})`
    const view: GroupChange = {
      number: null,
      ...{ mqId, group, foreign, ...wanted, actor: by, state: 'planned', createdAtMs: nowMs, endedAtMs: null },
      ...{ isLive: members.length > 0, members, problem: null },
      ...(await preview(this.#use, active.epochs, targets)),
      notes: [...notes, ...(stay.length === 0 || members.length === 0 ? [] : [stays(group, stay, foreign).message])],
    }
    return { view, groupId, epochs: active.epochs.map(({ epoch }) => epoch) }
  }

  #active(mqId: string): ActiveId {
    const { registry } = this.#options
    const unsettled = registry.unsettled(mqId)
    if (unsettled !== undefined) throw unsettled
    const record = registry.get(mqId)
    if (record?.state !== 'active') throw unknownError(mqId)
    return record
  }

  /** C4 */
  #checkPlace(active: ActiveId): void {
    const moved = this.#options.migrationOf(active.id)
    if (moved !== undefined) {
      throw new MqError(
        'MQ_MIGRATION_RUNNING',
        `'${active.id}' is being moved (migration ${moved}); its groups can be changed once its new epoch is open`,
        { details: { mqId: active.id, migration: moved } },
      )
    }
    const lost = active.epochs.find(({ state }) => state === 'lost')
    if (lost === undefined) return
    throw new MqError(
      'MQ_GROUP_CHANGE_REFUSED',
      `epoch ${lost.epoch} of '${active.id}' is on cluster '${lost.cluster}', which is away: positions there cannot be set`,
    )
  }

  #drive(number: number, isResumed: boolean): Promise<void> {
    const running = this.#run(number, isResumed).finally(() => this.#drivers.delete(number))
    this.#drivers.set(number, running)
    return running
  }

  async #run(number: number, isResumed: boolean): Promise<void> {
    const { logger, changes } = this.#options
    try {
      const row = await changes.find(number)
      if (isResumed && row.view.state === 'applying') {
        if (await this.#settleAfterRestart(row)) return
      }
      await this.#carryOut(number)
    } catch (error) {
      if (this.#closed.signal.aborted) return
      logger.warn({ change: number, ...errorFacts(error) }, 'a change of positions failed')
      await this.#fail(number, error).catch((worse: unknown) => {
        logger.error({ change: number, ...errorFacts(worse) }, 'the end of a change of positions cannot be written')
      })
    }
  }

  async #carryOut(number: number): Promise<void> {
    const { deps, changes, provisioner } = this.#options
    const first = await changes.find(number)
    const { mqId } = first.view
    if (first.view.isLive && first.view.state === 'waiting') await this.#hold(first)
    for (;;) {
      this.#closed.signal.throwIfAborted()
      const isDone = await provisioner.exclusively(mqId, () => this.#apply(number))
      if (isDone) return
      const row = await changes.find(number)
      if (!row.view.isLive) await this.#hold({ ...row, view: { ...row.view, isLive: true } })
      this.#checkTime(await changes.find(number))
      await sleep(deps, this.#times.pollMs, this.#closed.signal)
    }
  }

  /** Asks the members to leave (C1). */
  async #hold(row: GroupChangeRow): Promise<void> {
    const { deps } = this.#options
    const { view, groupId } = row
    if (view.foreign) {
      throw stays(
        view.group,
        view.members.map(({ clientId, host }) => `${clientId}@${host}`),
        true,
      )
    }
    const nowMs = deps.clock.nowMs()
    if (nowMs - view.createdAtMs > this.#times.totalMs) throw late(view)
    const attempt = row.attempt + 1
    const hold: GroupHold = { group: view.group, change: row.number, attempt, forMs: this.#times.holdMs }
    await this.#publish({ ...row, heldAtMs: nowMs, attempt }, [hold], {
      kind: 'group-hold',
      subject: view.mqId,
      actor: view.actor,
      why: `the members of group '${view.group}' leave for change ${row.number} of its positions`,
      before: null,
      after: { change: row.number, attempt, groupId },
    })
  }

  #checkTime({ view, heldAtMs }: GroupChangeRow): void {
    const { deps } = this.#options
    if (heldAtMs === null || deps.clock.nowMs() - heldAtMs < this.#times.leaveMs) return
    throw late(view)
  }

  /** @returns false while members are there */
  async #apply(number: number): Promise<boolean> {
    const { changes, clusters, deps } = this.#options
    let row = await changes.find(number)
    const { view, groupId } = row
    const active = this.#active(view.mqId)
    this.#checkPlace(active)
    if (row.targets === null) {
      const sights = await this.#sights(active, row)
      const members = membersOf(sights)
      if (members.length > 0) {
        changes.commitToMemory({ ...row, view: { ...view, members } })
        return false
      }
      const { action, partition, epoch } = view
      const wanted = { action, partition, epoch }
      const nowMs = deps.clock.nowMs()
      const { targets, notes } = await resolveTargets(this.#use, sights, wanted, { isOwn: !view.foreign, nowMs })
      const seen = view.foreign ? countMoves(targets) : await preview(this.#use, active.epochs, targets)
      row = {
        ...row,
        targets: targets.map(storedTarget),
        view: { ...view, ...seen, state: 'applying', members: [], notes: [...new Set([...view.notes, ...notes])] },
      }
      // C2
      await changes.save(row)
    }
    if (row.heldAtMs !== null && deps.clock.nowMs() - row.heldAtMs > this.#times.holdMs - MARGIN_MS)
      throw late(row.view)
    // C6: also where only some of it gets through.
    this.#applied.set(view.mqId, this.applied(view.mqId) + 1)
    for (const [epoch, targets] of Map.groupBy(row.targets ?? [], (target) => target.epoch)) {
      const place = active.epochs.find((one) => one.epoch === epoch)
      if (place === undefined) throw retired(row.view, epoch)
      const positions = new Map(targets.map(({ partition, after }) => [partition, positionOf(after)]))
      await clusters.use(place.cluster, `setting positions of ${groupId}`, (admin) =>
        admin.setPositions(groupId, place.topic, positions, !row.view.foreign),
      )
    }
    await this.#finish(row)
    return true
  }

  async #sights(active: ActiveId, row: GroupChangeRow): Promise<GroupSight[]> {
    const there = new Set(active.epochs.map(({ epoch }) => epoch))
    const gone = row.epochs.find((epoch) => !there.has(epoch))
    if (gone !== undefined) throw retired(row.view, gone)
    return lookAtGroup(this.#options.clusters, active, row.groupId)
  }

  /** C3. @returns whether it is over */
  async #settleAfterRestart(row: GroupChangeRow): Promise<boolean> {
    const { clusters, deps } = this.#options
    const active = this.#active(row.view.mqId)
    const sights = await lookAtGroup(clusters, active, row.groupId)
    const isSafe = row.heldAtMs !== null && deps.clock.nowMs() - row.heldAtMs < this.#times.holdMs - MARGIN_MS
    const stands = (row.targets ?? []).map((target) => standOf(sights, target))
    if (stands.every((stand) => stand === 'after')) {
      await this.#options.provisioner.exclusively(row.view.mqId, () => this.#finish(row))
      return true
    }
    if (isSafe && membersOf(sights).length === 0 && stands.every((stand) => stand !== 'other')) return false
    const what = stands.every((stand) => stand === 'before')
      ? 'its positions stand as they did before: nothing was changed'
      : 'its members have read on meanwhile: look where it stands, and ask again if it is still wanted'
    throw new MqError(
      'MQ_GROUP_CHANGE_REFUSED',
      `the control plane ended while the positions of group '${row.view.group}' were set; ${what}`,
    )
  }

  /** C5 */
  async #finish(row: GroupChangeRow): Promise<void> {
    const { deps } = this.#options
    const { view } = row
    const done = { ...row, view: { ...view, state: 'done' as const, endedAtMs: deps.clock.nowMs() } }
    const { number, group, moves, readAgain, skipped, action } = done.view
    await this.#end(done, {
      kind: 'group-positions',
      subject: view.mqId,
      actor: view.actor,
      why: `positions of group '${group}' were moved: ${readAgain} records are read again, ${skipped} are skipped`,
      before: { group, positions: moves.map(({ epoch, partition, before }) => ({ epoch, partition, offset: before })) },
      after: {
        ...{ change: number, group, action, readAgain, skipped },
        positions: moves.map(({ epoch, partition, after }) => ({ epoch, partition, offset: after })),
      },
    })
  }

  async #fail(number: number, error: unknown): Promise<void> {
    const { deps, changes, provisioner } = this.#options
    const row = await changes.find(number)
    const problem =
      error instanceof MqError
        ? error
        : new MqError('MQ_INTERNAL', error instanceof Error ? error.message : String(error))
    const { code, message } = problem
    const { view } = row
    const isBegun = view.state === 'applying' && !/nothing was changed/.test(message)
    const told = isBegun ? `${message}. Some positions may be set already: see mq group show` : message
    const failed = {
      ...row,
      view: { ...view, state: 'failed' as const, endedAtMs: deps.clock.nowMs(), problem: { code, message: told } },
    }
    await provisioner.exclusively(view.mqId, () =>
      this.#end(failed, {
        kind: 'group-positions',
        subject: view.mqId,
        actor: view.actor,
        why: `the positions of group '${view.group}' were not moved: ${told}`,
        before: null,
        after: { change: number, group: view.group, action: view.action, problem: code },
      }),
    )
  }

  /** C5. Within the lock of the mQ ID. */
  async #end(row: GroupChangeRow, entry: NewEntry): Promise<void> {
    const { registry, store, changes, deps } = this.#options
    const record = registry.get(row.view.mqId)
    const isHeld = record?.state === 'active' && (record.spec.holds ?? []).some(({ change }) => change === row.number)
    if (!isHeld || registry.unsettled(row.view.mqId) !== undefined) {
      await store.write(`ending change of positions ${row.number}`, async (tx) => {
        await changes.saveIn(tx, row)
        await tx.journal.append(entry, deps.clock.nowMs(), store.revision)
      })
      return
    }
    await this.#write(record, row, [], entry)
  }

  async #publish(row: GroupChangeRow, holds: readonly GroupHold[], entry: NewEntry): Promise<void> {
    const { provisioner } = this.#options
    await provisioner.exclusively(row.view.mqId, async () => {
      await this.#write(this.#active(row.view.mqId), row, holds, entry)
    })
  }

  async #write(record: ActiveId, row: GroupChangeRow, holds: readonly GroupHold[], entry: NewEntry): Promise<void> {
    const { registry, changes } = this.#options
    const others = (record.spec.holds ?? []).filter(({ group }) => group !== row.view.group)
    const spec = { ...record.spec, holds: [...others, ...holds] }
    await registry.publish({ ...withoutStamp(record), spec }, entry, (tx: WriteTransaction) => changes.saveIn(tx, row))
  }

  /** Holds whose change is over, as a restored backup may bring them back. */
  async #sweep(): Promise<void> {
    const { registry, changes, provisioner } = this.#options
    const live = new Set(changes.live().map(({ number }) => number))
    for (const found of registry.all()) {
      if (found.state !== 'active' || (found.spec.holds ?? []).every(({ change }) => live.has(change))) continue
      if (registry.unsettled(found.id) !== undefined) continue
      await provisioner.exclusively(found.id, async () => {
        const record = registry.get(found.id)
        if (record?.state !== 'active') return
        const holds = (record.spec.holds ?? []).filter(({ change }) => live.has(change))
        const why = 'nobody waits any more for members that were asked to leave'
        const entry = { kind: 'group-hold', subject: found.id, actor: 'mq', why, before: null, after: null } as const
        await registry.publish({ ...withoutStamp(record), spec: { ...record.spec, holds } }, entry)
      })
    }
  }
}

function storedTarget({ epoch, partition, before, after }: Target): StoredTarget {
  return { epoch, partition, before: before === undefined ? null : String(before.offset), after: storedPosition(after) }
}

function standOf(sights: readonly GroupSight[], target: StoredTarget): 'before' | 'after' | 'other' {
  const sight = sights.find(({ epoch }) => epoch.epoch === target.epoch)
  const now = sight?.standing.positions.get(target.partition)
  if (now !== undefined && isSame(now, positionOf(target.after))) return 'after'
  return (now === undefined ? null : String(now.offset)) === target.before ? 'before' : 'other'
}
