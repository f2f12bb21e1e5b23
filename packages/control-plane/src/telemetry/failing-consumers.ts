/**
 * What the processes of a group said last of messages they have not finished, and of those whose handler failed.
 *
 * F1. The last report of a process counts, for a minute: these are levels, not counts.
 * F2. Clients of before this was told are not taken for clients on which nothing fails: what nobody tells is null.
 */
import type { FailingView, TelemetryReport } from '@mq/contract'
import type { Clock } from '@mq/kafka'
import { INSTANCE_AWAY_MS } from './id-traffic.ts'
import { MAX_GROUPS } from './slice.ts'

const MOST_INSTANCES = 20_000
const MOST_SHOWN = 10

interface Told {
  readonly atMs: number
  readonly unfinishedRecords: number
  readonly failingRecords: number
  readonly failing: readonly FailingView[]
}

export interface GroupFailing {
  readonly unfinishedRecords: number | null
  readonly failingRecords: number | null
  readonly failing: FailingView[]
}

export class FailingConsumers {
  readonly #clock: Clock
  readonly #isKnown: (mqId: string) => boolean
  /** By mQ ID, group, and process. */
  readonly #ids = new Map<string, Map<string, Map<string, Told>>>()

  constructor(clock: Clock, isKnown: (mqId: string) => boolean) {
    this.#clock = clock
    this.#isKnown = isKnown
  }

  take({ app, instance, consumers }: TelemetryReport): void {
    const atMs = this.#clock.nowMs()
    const told = new Map<string, { mqId: string; group: string; told: Told }>()
    for (const one of consumers) {
      const { mqId, group, epoch, unfinishedRecords, failingRecords = 0, failing = [] } = one
      if (unfinishedRecords === undefined || !this.#isKnown(mqId)) continue
      const name = `${mqId} ${group}`
      const before = told.get(name)?.told
      told.set(name, {
        mqId,
        group,
        told: {
          atMs,
          unfinishedRecords: (before?.unfinishedRecords ?? 0) + unfinishedRecords,
          failingRecords: (before?.failingRecords ?? 0) + failingRecords,
          failing: [...(before?.failing ?? []), ...failing.map((message) => ({ ...message, epoch, app, instance }))],
        },
      })
    }
    for (const { mqId, group, told: newest } of told.values()) {
      const instances = this.#instances(mqId, group)
      if (instances === undefined) continue
      if (!instances.has(instance) && instances.size >= MOST_INSTANCES) continue
      instances.set(instance, newest)
    }
  }

  /** F1, F2 */
  of(mqId: string, group: string): GroupFailing {
    const told = this.#live(this.#ids.get(mqId)?.get(group))
    if (told.length === 0) return { unfinishedRecords: null, failingRecords: null, failing: [] }
    const sum = (count: (one: Told) => number): number => told.reduce((all, one) => all + count(one), 0)
    return {
      unfinishedRecords: sum((one) => one.unfinishedRecords),
      failingRecords: sum((one) => one.failingRecords),
      failing: told
        .flatMap(({ failing }) => failing)
        .toSorted((a, b) => b.attempts - a.attempts)
        .slice(0, MOST_SHOWN),
    }
  }

  /** Groups of an mQ ID with a message whose handler failed. */
  groupsOf(mqId: string): (GroupFailing & { readonly group: string; readonly failingRecords: number })[] {
    return [...(this.#ids.get(mqId)?.keys() ?? [])].toSorted().flatMap((group) => {
      const { failingRecords, ...rest } = this.of(mqId, group)
      return failingRecords === null || failingRecords === 0 ? [] : [{ ...rest, group, failingRecords }]
    })
  }

  #live(instances: Map<string, Told> | undefined): Told[] {
    const sinceMs = this.#clock.nowMs() - INSTANCE_AWAY_MS
    for (const [instance, { atMs }] of instances ?? []) if (atMs < sinceMs) instances!.delete(instance)
    return [...(instances?.values() ?? [])]
  }

  #instances(mqId: string, group: string): Map<string, Told> | undefined {
    for (const known of this.#ids.keys()) if (!this.#isKnown(known)) this.#ids.delete(known)
    const groups = this.#ids.get(mqId) ?? new Map<string, Map<string, Told>>()
    this.#ids.set(mqId, groups)
    for (const [name, instances] of groups) if (this.#live(instances).length === 0) groups.delete(name)
    const instances = groups.get(group) ?? new Map<string, Told>()
    if (!groups.has(group) && groups.size >= MAX_GROUPS) return undefined
    groups.set(group, instances)
    return instances
  }
}
