/**
 * What clients tell about migrations: how long they paused, which gap they saw, under which producer ids they write.
 *
 * C1. Memory is bounded: migrations are kept only for epochs of migrations that are not over, producer ids by the hour and by count.
 * C2. What was taken is forgotten here: the one who takes it writes it down.
 */
import type { TelemetryReport } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import { Sketch } from '../telemetry/sketch.ts'
import type { ClientTally } from './record.ts'

const MOST_IDS = 100_000
const KEEP_IDS_MS = 3_600_000
const MOST_INSTANCES = 10_000
/** A process that sent nothing for longer is not asked about. */
const KEEP_INSTANCES_MS = 600_000
/** Clients report every 10 s; who was not heard for this long is taken for gone. */
const REPORTING_MS = 30_000

interface Pending {
  readonly pauses: Sketch
  readonly gaps: Sketch
  pauseMaxMs: number
  gapMaxMs: number
  handedOver: number
  found: number
  uncertain: number
  failed: number
  untold: number
  errors: number
  readonly reporters: Set<string>
}

interface Writers {
  /** When each process last reported records it had sent. */
  readonly instances: Map<string, number>
  /** When each producer id was last named. */
  readonly ids: Map<string, number>
  /** When a client last reported records without saying under which ids. */
  silentAtMs: number
}

export class MigrationTelemetry {
  readonly #deps: Deps
  readonly #isWatched: (mqId: string, toEpoch: number) => boolean
  readonly #isKnown: (mqId: string) => boolean
  /** The new epoch of the migration in whose hand-over the epoch takes part now. */
  readonly #handsOverTo: (mqId: string, epoch: number) => number | undefined
  readonly #pendings = new Map<string, Pending>()
  readonly #writers = new Map<string, Writers>()
  /** When a client last reported records it had written to an epoch of a migration. */
  readonly #wrote = new Map<string, number>()
  readonly #sinceMs: number
  #ids = 0

  constructor(
    deps: Deps,
    isKnown: (mqId: string) => boolean,
    isWatched: (mqId: string, toEpoch: number) => boolean,
    handsOverTo: (mqId: string, epoch: number) => number | undefined,
  ) {
    this.#deps = deps
    this.#handsOverTo = handsOverTo
    this.#isKnown = isKnown
    this.#isWatched = isWatched
    this.#sinceMs = deps.clock.monotonicMs()
  }

  take(report: TelemetryReport): void {
    const nowMs = this.#deps.clock.monotonicMs()
    for (const { mqId, epoch, producerIds, records, errors } of report.producers) {
      const toEpoch = errors > 0 ? this.#handsOverTo(mqId, epoch) : undefined
      const moving = toEpoch === undefined ? undefined : this.#pending(mqId, toEpoch)
      if (moving !== undefined) moving.errors += errors
      if (records > 0 && this.#isWatched(mqId, epoch)) this.#wrote.set(`${mqId}:${epoch}`, nowMs)
      if (!this.#isKnown(mqId) || (producerIds === undefined && records === 0)) continue
      const writers = this.#writers.get(mqId) ?? {
        ids: new Map(),
        instances: new Map(),
        silentAtMs: Number.NEGATIVE_INFINITY,
      }
      this.#writers.set(mqId, writers)
      if (producerIds === undefined) writers.silentAtMs = nowMs
      if (records > 0) keepInstance(writers.instances, report.instance, nowMs)
      for (const id of producerIds ?? []) {
        if (!writers.ids.has(id)) {
          if (this.#ids >= MOST_IDS) this.#forget(nowMs)
          if (this.#ids >= MOST_IDS) continue
          this.#ids++
        }
        writers.ids.set(id, nowMs)
      }
    }
    for (const map of [this.#pendings, this.#wrote]) {
      for (const key of map.keys()) {
        const at = key.lastIndexOf(':')
        if (!this.#isWatched(key.slice(0, at), Number(key.slice(at + 1)))) map.delete(key)
      }
    }
    for (const move of report.migrations?.producers ?? []) {
      const pending = this.#pending(move.mqId, move.toEpoch)
      if (pending === undefined) continue
      pending.pauses.add(coarse(move.writePauseMs), 1)
      pending.pauseMaxMs = Math.max(pending.pauseMaxMs, move.writePauseMs)
      pending.handedOver += move.handedOver
      pending.found += move.found
      pending.uncertain += move.uncertain
      pending.failed += move.failed ?? 0
      if (move.failed === undefined) pending.untold++
      if (pending.reporters.size < MOST_INSTANCES) pending.reporters.add(report.instance)
    }
    for (const move of report.migrations?.consumers ?? []) {
      const pending = this.#pending(move.mqId, move.toEpoch)
      pending?.gaps.add(coarse(move.gapMs), 1)
      if (pending !== undefined) pending.gapMaxMs = Math.max(pending.gapMaxMs, move.gapMs)
    }
  }

  /** Whether a client told within the last `windowMs` that records it sent to the epoch were stored. */
  wroteSince(mqId: string, epoch: number, windowMs: number): boolean {
    const atMs = this.#wrote.get(`${mqId}:${epoch}`)
    return atMs !== undefined && this.#deps.clock.monotonicMs() - atMs < windowMs
  }

  /** Processes that reported within the last `windowMs` that they sent records to the mQ ID; null where some may not have been heard. */
  writersSince(mqId: string, windowMs: number): string[] | null {
    const nowMs = this.#deps.clock.monotonicMs()
    if (nowMs - this.#sinceMs < REPORTING_MS) return null
    const instances = this.#writers.get(mqId)?.instances ?? new Map<string, number>()
    if (instances.size >= MOST_INSTANCES) return null
    return [...instances].flatMap(([instance, atMs]) => (nowMs - atMs < windowMs ? [instance] : []))
  }

  /** Whether a client of mQ writes to the mQ ID under this producer id. */
  isOurs(mqId: string, producerId: string): boolean {
    return this.#writers.get(mqId)?.ids.has(producerId) ?? false
  }

  /** Why nothing can be said about who else writes to the mQ ID; undefined when something can. */
  whyUnknown(mqId: string, windowMs = REPORTING_MS): string | undefined {
    const nowMs = this.#deps.clock.monotonicMs()
    // Who wrote within the window and has ended since reported before it did, perhaps to the process before this one.
    if (nowMs - this.#sinceMs < Math.max(windowMs, REPORTING_MS)) {
      return 'the control plane has not run for long enough to have heard of every client'
    }
    const silentAtMs = this.#writers.get(mqId)?.silentAtMs ?? Number.NEGATIVE_INFINITY
    return nowMs - silentAtMs < REPORTING_MS ? 'a client is too old to say under which ids it writes' : undefined
  }

  /** What was heard of the migration since it was last taken, added to what is known already (C2). */
  takeTally(mqId: string, toEpoch: number, known: ClientTally | null): ClientTally | undefined {
    const key = `${mqId}:${toEpoch}`
    const pending = this.#pendings.get(key)
    if (pending === undefined) return undefined
    this.#pendings.delete(key)
    if (known !== null) {
      for (const [valueUs, count] of known.pausesUs) pending.pauses.add(valueUs, count)
      for (const [valueUs, count] of known.gapsUs) pending.gaps.add(valueUs, count)
    }
    return {
      pausesUs: pending.pauses.entries(),
      pauseMaxMs: Math.max(pending.pauseMaxMs, known?.pauseMaxMs ?? 0),
      gapsUs: pending.gaps.entries(),
      gapMaxMs: Math.max(pending.gapMaxMs, known?.gapMaxMs ?? 0),
      handedOver: pending.handedOver + (known?.handedOver ?? 0),
      found: pending.found + (known?.found ?? 0),
      uncertain: pending.uncertain + (known?.uncertain ?? 0),
      failed: pending.failed + (known?.failed ?? 0),
      untold: pending.untold + (known?.untold ?? 0),
      errors: pending.errors + (known?.errors ?? 0),
      reporters: [...new Set([...(known?.reporters ?? []), ...pending.reporters])],
    }
  }

  #pending(mqId: string, toEpoch: number): Pending | undefined {
    const key = `${mqId}:${toEpoch}`
    const known = this.#pendings.get(key)
    if (known !== undefined || !this.#isWatched(mqId, toEpoch)) return known
    const pending = {
      pauses: new Sketch(),
      gaps: new Sketch(),
      pauseMaxMs: 0,
      gapMaxMs: 0,
      handedOver: 0,
      found: 0,
      uncertain: 0,
      failed: 0,
      untold: 0,
      errors: 0,
      reporters: new Set<string>(),
    }
    this.#pendings.set(key, pending)
    return pending
  }

  /** C1 */
  #forget(nowMs: number): void {
    this.#ids = 0
    for (const [mqId, { ids }] of this.#writers) {
      for (const [id, atMs] of ids) if (nowMs - atMs > KEEP_IDS_MS) ids.delete(id)
      this.#ids += ids.size
      if (ids.size === 0) this.#writers.delete(mqId)
    }
  }
}

function keepInstance(instances: Map<string, number>, instance: string, nowMs: number): void {
  if (!instances.has(instance) && instances.size >= MOST_INSTANCES) {
    for (const [name, atMs] of instances) if (nowMs - atMs > KEEP_INSTANCES_MS) instances.delete(name)
    if (instances.size >= MOST_INSTANCES) return
  }
  instances.set(instance, nowMs)
}

/** Microseconds, to a tenth of a millisecond: what differs by less is one entry. */
const coarse = (ms: number): number => Math.round(ms * 10) * 100
