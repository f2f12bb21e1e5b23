/**
 * Which processes use which mQ IDs, from their reports.
 *
 * B1. A process that has not reported for AWAY_MS is away, and its rates are not known; after FORGET_MS it is forgotten.
 * B2. A producer that sends nothing reports nothing of it: it counts as one of an mQ ID for FORGET_MS after its last record.
 * B3. Memory is bounded: beyond MAX_INSTANCES processes new ones are not kept, nor is what they say of mQ IDs that are not registered.
 */
import type { TelemetryReport } from '@mq/contract'
import type { Deps } from '@mq/kafka'

export const AWAY_MS = 60_000
export const FORGET_MS = 15 * 60_000
const MAX_INSTANCES = 20_000

export interface Producing {
  readonly mqId: string
  readonly perSecond: number
  readonly atMs: number
}

export interface Consuming {
  readonly mqId: string
  readonly group: string
  readonly perSecond: number
  /** Null where the client does not tell. */
  readonly unfinishedRecords: number | null
  readonly handlerErrors: number
  readonly atMs: number
}

export interface ClientInstance {
  readonly app: string
  readonly instance: string
  readonly version: string
  readonly host: string | null
  readonly zone: string | null
  readonly startedAtMs: number | null
  readonly features: readonly string[]
  /** By the clock of the control plane, as `atMs` everywhere. */
  readonly firstSeenAtMs: number
  readonly seenAtMs: number
  readonly produces: readonly Producing[]
  readonly consumes: readonly Consuming[]
}

export class ClientDirectory {
  readonly #deps: Deps
  readonly #isKnown: (mqId: string) => boolean
  readonly #instances = new Map<string, ClientInstance>()

  constructor(deps: Deps, isKnown: (mqId: string) => boolean) {
    this.#deps = deps
    this.#isKnown = isKnown
  }

  take(report: TelemetryReport): void {
    const nowMs = this.#deps.clock.nowMs()
    const key = `${report.app}/${report.instance}`
    const before = this.#instances.get(key)
    if (before === undefined && this.#instances.size >= MAX_INSTANCES) {
      this.#prune(nowMs)
      if (this.#instances.size >= MAX_INSTANCES) return
    }
    const perSecond = (records: number): number => records / (report.windowMs / 1_000)
    const produces = new Map((before?.produces ?? []).map((one) => [one.mqId, { ...one, perSecond: 0 }]))
    for (const { mqId, records } of report.producers) {
      if (!this.#isKnown(mqId)) continue
      const known = produces.get(mqId)
      const sum = (known?.atMs === nowMs ? known.perSecond : 0) + perSecond(records)
      produces.set(mqId, { mqId, perSecond: sum, atMs: nowMs })
    }
    // A consumer is in every report of its process: one that is not has ended.
    const consumes = new Map<string, Consuming>()
    for (const { mqId, group, records, unfinishedRecords, handlerErrors } of report.consumers) {
      if (!this.#isKnown(mqId)) continue
      const known = consumes.get(`${group}@${mqId}`)
      const unfinished = unfinishedRecords ?? null
      consumes.set(`${group}@${mqId}`, {
        ...{ mqId, group, atMs: nowMs },
        perSecond: (known?.perSecond ?? 0) + perSecond(records),
        unfinishedRecords:
          unfinished === null ? (known?.unfinishedRecords ?? null) : (known?.unfinishedRecords ?? 0) + unfinished,
        handlerErrors: (known?.handlerErrors ?? 0) + handlerErrors,
      })
    }
    this.#instances.set(key, {
      ...{ app: report.app, instance: report.instance, version: report.version },
      host: report.host ?? null,
      zone: report.zone ?? null,
      startedAtMs: report.startedAtMs ?? null,
      features: report.features ?? [],
      firstSeenAtMs: before?.firstSeenAtMs ?? nowMs,
      seenAtMs: nowMs,
      produces: [...produces.values()].filter(({ atMs }) => nowMs - atMs < FORGET_MS),
      consumes: [...consumes.values()],
    })
  }

  /** Sorted by application and process. */
  all(): ClientInstance[] {
    this.#prune(this.#deps.clock.nowMs())
    return [...this.#instances.values()].toSorted((a, b) =>
      a.app === b.app ? (a.instance < b.instance ? -1 : 1) : a.app < b.app ? -1 : 1,
    )
  }

  isAway({ seenAtMs }: ClientInstance): boolean {
    return this.#deps.clock.nowMs() - seenAtMs > AWAY_MS
  }

  /** Processes that read for the group now. */
  readers(mqId: string, group: string): ClientInstance[] {
    return this.all().filter(
      (one) => !this.isAway(one) && one.consumes.some((each) => each.mqId === mqId && each.group === group),
    )
  }

  #prune(nowMs: number): void {
    for (const [key, { seenAtMs }] of this.#instances) if (nowMs - seenAtMs > FORGET_MS) this.#instances.delete(key)
  }
}
