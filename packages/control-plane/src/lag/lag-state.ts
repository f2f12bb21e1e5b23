/**
 * How far every group of every mQ ID is behind: the newest answer of the brokers, with what was seen before.
 *
 * B1. What a client reports counts for nothing here: a stopped or killed one changes neither the position nor the end.
 * B2. An answer older than STALE_MS is no answer: what was known then is unknown now, and the problem says why.
 * B3. Histories are bounded for each group (lag-history.ts) and topic (log-ends.ts), and go with the mQ ID or the group.
 */
import { type GroupLag, type GroupLagDetail, type GroupState, groupIdOf, groupOfId } from '@mq/contract'
import type { ActiveId } from '../registry/records.ts'
import { CommitTimes } from './commit-times.ts'
import { type EpochSight, lagOf } from './group-lag.ts'
import { LagHistory } from './lag-history.ts'
import { LogEnds } from './log-ends.ts'
import type { ClusterPositions, LogRange } from './positions.ts'

/** Of one mQ ID more are not kept. */
const MAX_GROUPS = 1_000

interface Look {
  readonly atMs: number
  readonly positions: ClusterPositions
  /** Groups with a place in a topic. */
  readonly byTopic: ReadonlyMap<string, readonly string[]>
  /** Groups that are named after an mQ ID. */
  readonly byMqId: ReadonlyMap<string, readonly string[]>
}

export interface IdLag {
  readonly ends: Map<string, LogEnds>
  readonly groups: Map<string, LagHistory>
  isChanged: boolean
}

/** How a group is, beside how far behind. */
export interface GroupCondition {
  readonly state: GroupState
  readonly lastCommitAtMs: number | null
}

export interface LagStateOptions {
  readonly nowMs: () => number
  readonly staleMs: number
}

export class LagState {
  readonly #options: LagStateOptions
  readonly #looks = new Map<string, Look>()
  readonly #problems = new Map<string, string>()
  readonly #ids: Map<string, IdLag>
  readonly #commits = new CommitTimes()

  constructor(options: LagStateOptions, known: ReadonlyMap<string, IdLag> = new Map()) {
    this.#options = options
    this.#ids = new Map(known)
  }

  /** Histories, to be saved. */
  get ids(): ReadonlyMap<string, IdLag> {
    return this.#ids
  }

  update(cluster: string, positions: ClusterPositions, atMs: number): void {
    const byTopic = new Map<string, string[]>()
    const byMqId = new Map<string, string[]>()
    const add = (map: Map<string, string[]>, key: string, groupId: string): void => {
      const known = map.get(key)
      if (known === undefined) map.set(key, [groupId])
      else known.push(groupId)
    }
    for (const [groupId, { committed }] of positions.groups) {
      for (const topic of committed.keys()) add(byTopic, topic, groupId)
      const at = groupId.lastIndexOf('@')
      if (at > 0) add(byMqId, groupId.slice(at + 1), groupId)
    }
    // A group that could not be looked into is there all the same.
    for (const name of positions.problems.keys()) {
      const at = name.lastIndexOf('@')
      if (at > 0 && !positions.groups.has(name)) add(byMqId, name.slice(at + 1), name)
    }
    this.#looks.set(cluster, { atMs, positions, byTopic, byMqId })
    this.#problems.delete(cluster)
  }

  failed(cluster: string, problem: string): void {
    this.#problems.set(cluster, problem)
  }

  /** Clusters that are gone are not asked any more. */
  keep(clusters: ReadonlySet<string>): void {
    for (const name of this.#looks.keys()) if (!clusters.has(name)) this.#looks.delete(name)
    for (const name of this.#problems.keys()) if (!clusters.has(name)) this.#problems.delete(name)
  }

  /** Adds what the brokers say now to the histories of an mQ ID. */
  record(active: ActiveId): void {
    const nowMs = this.#options.nowMs()
    const own = this.#ids.get(active.id) ?? { ends: new Map(), groups: new Map(), isChanged: false }
    for (const epoch of active.epochs) {
      const look = this.#fresh(epoch.cluster)
      const log = look?.positions.logs.get(epoch.topic)
      if (look === undefined || log === undefined || log.size === 0) continue
      const key = `${epoch.cluster}/${epoch.topic}`
      const ends = own.ends.get(key) ?? new LogEnds()
      const all = Array.from({ length: epoch.partitions }, (_, partition) => log.get(partition)?.end ?? null)
      ends.add(look.atMs, all, epoch.createdAtMs)
      own.ends.set(key, ends)
    }
    const live = new Set(active.epochs.map(({ cluster, topic }) => `${cluster}/${topic}`))
    for (const key of own.ends.keys()) if (!live.has(key)) own.ends.delete(key)
    this.#ids.set(active.id, own)
    const groupIds = this.#groupsOf(active)
    for (const groupId of groupIds.slice(0, MAX_GROUPS)) {
      const { lagRecords, lagMs, lagAtLeastMs } = lagOf(this.#sights(active, groupId), nowMs)
      const history = own.groups.get(groupId) ?? new LagHistory()
      history.add(nowMs, lagRecords, lagMs ?? lagAtLeastMs)
      own.groups.set(groupId, history)
    }
    // A cluster that cannot be asked says nothing about which groups there are.
    if (active.epochs.every(({ cluster }) => this.#fresh(cluster) !== undefined)) {
      this.#commits.saw(active.id, this.#positionsOf(active, groupIds), nowMs)
      const there = new Set(groupIds)
      for (const groupId of own.groups.keys()) if (!there.has(groupId)) own.groups.delete(groupId)
    }
    own.isChanged = true
  }

  /** Histories of mQ IDs that are no more go with them. */
  forget(isActive: (mqId: string) => boolean): void {
    for (const mqId of this.#ids.keys()) if (!isActive(mqId)) this.#ids.delete(mqId)
    this.#commits.forget(isActive)
  }

  /** @param group as consumers name it, or the Kafka group id of one that is not of mQ */
  condition(active: ActiveId, { group, foreign }: Pick<GroupLag, 'group' | 'foreign'>): GroupCondition {
    const groupId = foreign ? group : groupIdOf(active.id, group)
    const seen = active.epochs.flatMap(({ cluster }) => this.#fresh(cluster)?.positions.groups.get(groupId) ?? [])
    const states = seen.map(({ state, members }) => stateOf(state, members))
    return {
      state: STATES.find((state) => states.includes(state)) ?? 'unknown',
      lastCommitAtMs: this.#commits.lastCommitAtMs(active.id, groupId),
    }
  }

  /** Where the log of an epoch ended over time; undefined while nobody looked. */
  ends(mqId: string, { cluster, topic }: { readonly cluster: string; readonly topic: string }): LogEnds | undefined {
    return this.#ids.get(mqId)?.ends.get(`${cluster}/${topic}`)
  }

  /** Where the log of a topic began and ended at the last look; undefined while that is not known. */
  ranges(cluster: string, topic: string): ReadonlyMap<number, LogRange> | undefined {
    return this.#fresh(cluster)?.positions.logs.get(topic)
  }

  groups(active: ActiveId): GroupLag[] {
    return this.details(active).map(({ partitions: _, history: __, ...rest }) => rest)
  }

  details(active: ActiveId): GroupLagDetail[] {
    const nowMs = this.#options.nowMs()
    const known = new Set([...this.#groupsOf(active), ...(this.#ids.get(active.id)?.groups.keys() ?? [])])
    return [...known]
      .map((groupId) => {
        const history = this.#ids.get(active.id)?.groups.get(groupId)
        const name = groupOfId(groupId, active.id)
        return {
          group: name ?? groupId,
          foreign: name === undefined,
          ...lagOf(this.#sights(active, groupId), nowMs),
          trend: history?.trend(nowMs) ?? null,
          recent: history?.recent(nowMs) ?? [],
          ...this.#seen(active, groupId),
          history: history?.points() ?? [],
        }
      })
      .toSorted((a, b) => (a.group < b.group ? -1 : 1))
  }

  #positionsOf({ epochs }: ActiveId, groupIds: readonly string[]): Map<string, number[]> {
    return new Map(
      groupIds.map((groupId) => [
        groupId,
        epochs.flatMap(({ cluster, topic }) => [
          ...(this.#fresh(cluster)?.positions.groups.get(groupId)?.committed.get(topic)?.values() ?? []),
        ]),
      ]),
    )
  }

  #groupsOf({ id, epochs }: ActiveId): string[] {
    const found = new Set<string>()
    for (const { cluster, topic } of epochs) {
      const look = this.#looks.get(cluster)
      for (const groupId of look?.byTopic.get(topic) ?? []) found.add(groupId)
      for (const groupId of look?.byMqId.get(id) ?? []) found.add(groupId)
    }
    return [...found]
  }

  #sights(active: ActiveId, groupId: string): EpochSight[] {
    const own = this.#ids.get(active.id)
    return active.epochs.flatMap((epoch) => {
      if (epoch.state === 'preparing') return []
      const look = this.#fresh(epoch.cluster)
      const hasFailed = look?.positions.problems.has(groupId) === true
      const log = look === undefined || hasFailed ? null : (look.positions.logs.get(epoch.topic) ?? null)
      const group = hasFailed ? undefined : look?.positions.groups.get(groupId)
      return [{ epoch, log, group, ends: own?.ends.get(`${epoch.cluster}/${epoch.topic}`) }]
    })
  }

  /** B2 */
  #fresh(cluster: string): Look | undefined {
    const look = this.#looks.get(cluster)
    return look !== undefined && this.#options.nowMs() - look.atMs <= this.#options.staleMs ? look : undefined
  }

  #seen({ epochs }: ActiveId, groupId: string): Pick<GroupLag, 'seenAtMs' | 'problem'> {
    const seen = epochs.map(({ cluster }) => this.#looks.get(cluster)?.atMs)
    const problems = epochs.flatMap(({ cluster, topic }) => {
      const look = this.#looks.get(cluster)
      if (this.#fresh(cluster) === undefined) {
        return [`cluster ${cluster}: ${this.#problems.get(cluster) ?? 'not asked yet'}`]
      }
      return [look?.positions.problems.get(groupId), look?.positions.problems.get(topic)].filter(
        (text) => text !== undefined,
      )
    })
    return {
      seenAtMs: seen.includes(undefined) ? null : Math.min(...seen.map((atMs) => atMs ?? 0)),
      problem: problems.length === 0 ? null : [...new Set(problems)].join('; '),
    }
  }
}

/** On several clusters a group is what it is on the busiest. */
const STATES: readonly GroupState[] = ['rebalancing', 'running', 'stopped']

export function stateOf(kafkaState: string | null | undefined, members: number | null): GroupState {
  switch (kafkaState) {
    case 'Stable':
      return 'running'
    case 'PreparingRebalance':
    case 'CompletingRebalance':
    case 'Assigning':
    case 'Reconciling':
      return 'rebalancing'
    case 'Empty':
    case 'Dead':
      return 'stopped'
    default:
      return members === null ? 'unknown' : members > 0 ? 'running' : 'stopped'
  }
}
