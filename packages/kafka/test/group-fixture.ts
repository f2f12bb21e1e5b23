/** Members of a group on a real cluster, with a history of who held what. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MqError } from '@mq/contract'
import type { Connection } from '@platformatic/kafka'
import { GroupMember } from '../src/group/member.ts'
import type { GroupCluster, GroupOptions, TopicPartition } from '../src/group/types.ts'
import { Cluster } from '../src/net/cluster.ts'
import { limitApis } from './limit-apis.ts'

const name = ({ topic, partition }: TopicPartition): string => `${topic}:${partition}`

/** Everybody's working sets: a partition that two work on at once is the failure that groups exist to prevent. */
export class Timeline {
  readonly holders = new Map<string, string>()
  readonly violations: string[] = []
  readonly events: string[] = []

  take(who: string, partitions: readonly TopicPartition[]): void {
    for (const key of partitions.map(name)) {
      const other = this.holders.get(key)
      if (other !== undefined) this.violations.push(`${who} got ${key} while ${other} worked on it`)
      this.holders.set(key, who)
      this.events.push(`${who} +${key}`)
    }
  }

  drop(who: string, partitions: readonly TopicPartition[]): void {
    for (const key of partitions.map(name)) {
      if (this.holders.get(key) === who) this.holders.delete(key)
      this.events.push(`${who} -${key}`)
    }
  }
}

export interface TestMember {
  readonly who: string
  readonly member: GroupMember
  readonly errors: MqError[]
  /** Those of them that ended the membership. */
  readonly ends: MqError[]
  readonly lost: string[]
  count(): number
  /** As if the process had died: no request leaves or answer arrives any more. */
  die(): void
}

export interface MemberSpec extends Partial<Omit<GroupOptions, 'cluster'>> {
  readonly groupId: string
  readonly topics: readonly string[]
  /** How long giving up takes. */
  readonly revokeMs?: number
  /** As on a cluster that goes by topic names in requests about offsets: up to this version of them. */
  readonly newestOffsetVersion?: number
}

let nextMember = 0

export class Fixture {
  readonly #bootstrap: readonly string[]
  readonly #clusters: Cluster[] = []
  readonly #members: GroupMember[] = []

  constructor(bootstrap: readonly string[]) {
    this.#bootstrap = bootstrap
  }

  member(timeline: Timeline, spec: MemberSpec): TestMember {
    const who = `m${++nextMember}`
    const cluster = new Cluster({ name: 'test', clientId: who, bootstrap: this.#bootstrap })
    this.#clusters.push(cluster)
    const mortal = new MortalCluster(cluster, spec.newestOffsetVersion)
    const errors: MqError[] = []
    const ends: MqError[] = []
    const lost: string[] = []
    const member = new GroupMember({
      sessionTimeoutMs: 6_000,
      rebalanceTimeoutMs: 10_000,
      ...spec,
      cluster: mortal,
      onAssigned: async (added) => {
        timeline.take(who, added)
        await spec.onAssigned?.(added)
      },
      onRevoked: async (removed) => {
        if (spec.revokeMs !== undefined) await sleep(spec.revokeMs)
        await spec.onRevoked?.(removed)
        timeline.drop(who, removed)
      },
      onLost: (gone) => {
        lost.push(...gone.map(name))
        timeline.drop(who, gone)
      },
      onError: (error, isOver) => {
        errors.push(error)
        if (isOver) ends.push(error)
        spec.onError?.(error, isOver)
      },
    })
    this.#members.push(member)
    return { who, member, errors, ends, lost, count: () => member.assignment().length, die: () => mortal.die() }
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close()))
    await Promise.all(this.#clusters.map((cluster) => cluster.close()))
  }
}

/** Limits of waits are meant for an idle machine; only what hangs may reach them on a busy one. */
const PATIENCE = 4

export async function until(what: string, isSo: () => boolean, limitMs = 120_000): Promise<void> {
  const end = performance.now() + limitMs * PATIENCE
  while (!isSo()) {
    if (performance.now() > end) assert.fail(`not within ${limitMs * PATIENCE} ms: ${what}`)
    await sleep(20)
  }
}

export async function untilAsync(what: string, isSo: () => Promise<boolean>, limitMs = 120_000): Promise<void> {
  const end = performance.now() + limitMs * PATIENCE
  while (!(await isSo())) {
    if (performance.now() > end) assert.fail(`not within ${limitMs * PATIENCE} ms: ${what}`)
    await sleep(50)
  }
}

class MortalCluster implements GroupCluster {
  readonly name = 'test'
  readonly #cluster: Cluster
  readonly #opened = new Set<Connection>()
  #isDead = false

  readonly #newestOffsetVersion: number

  constructor(cluster: Cluster, newestOffsetVersion = Number.POSITIVE_INFINITY) {
    this.#cluster = cluster
    this.#newestOffsetVersion = newestOffsetVersion
  }

  die(): void {
    this.#isDead = true
    for (const connection of this.#opened) connection.socket?.destroy()
  }

  connection(nodeId: number, purpose: 'group'): Promise<Connection> {
    return this.#alive(() => this.#cluster.connection(nodeId, purpose))
  }

  anyConnection(purpose: 'group'): Promise<Connection> {
    return this.#alive(() => this.#cluster.anyConnection(purpose))
  }

  openConnection(nodeId: number, purpose: 'group'): Promise<Connection> {
    return this.#alive(() => this.#cluster.openConnection(nodeId, purpose))
  }

  metadata(topics: readonly string[], options?: { refresh?: boolean }): ReturnType<GroupCluster['metadata']> {
    return this.#cluster.metadata(topics, options)
  }

  async #alive(open: () => Promise<Connection>): Promise<Connection> {
    if (this.#isDead) throw new Error('dead')
    const connection = await open()
    this.#opened.add(connection)
    limitApis(connection, [8, 9], this.#newestOffsetVersion)
    if (this.#isDead) connection.socket?.destroy()
    return connection
  }
}
