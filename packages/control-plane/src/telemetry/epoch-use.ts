/**
 * Which clients still use an epoch, from their reports: what decides when an old epoch may be forgotten.
 *
 * U1. Only mQ IDs that are asked about are kept, so memory is bounded by the migrations under way.
 * U2. Times are those of arrival; a client that is silent for longer than the asker's window does not count.
 * U3. A consumer that follows a sealed epoch reports it until the binding drops it, so such a report counts as use of the
 *     records only while it still reads or lags.
 */
import type { TelemetryReport } from '@mq/contract'
import type { Deps } from '@mq/kafka'

const MAX_INSTANCES = 20_000

interface Use {
  /** When records of the epoch were last sent or read, or were still to be read. */
  busyAtMs: number
  /** When the epoch was last named at all. */
  namedAtMs: number
}

interface IdUse {
  readonly epochs: Map<number, Use>
  readonly positions: Map<string, { incarnation: number; revision: number; atMs: number }>
}

export class EpochUse {
  readonly #deps: Deps
  readonly #isWatched: (mqId: string) => boolean
  readonly #ids = new Map<string, IdUse>()

  constructor(deps: Deps, isWatched: (mqId: string) => boolean) {
    this.#deps = deps
    this.#isWatched = isWatched
  }

  take(report: TelemetryReport): void {
    const now = this.#deps.clock.monotonicMs()
    const instance = `${report.app}/${report.instance}`
    for (const { mqId, incarnation, revision } of report.bindings) {
      const positions = this.#of(mqId)?.positions
      if (positions === undefined || (positions.size >= MAX_INSTANCES && !positions.has(instance))) continue
      positions.set(instance, { incarnation, revision, atMs: now })
    }
    for (const one of report.producers) this.#name(one.mqId, one.epoch, true, now)
    for (const one of report.consumers) {
      this.#name(one.mqId, one.epoch, one.records > 0 || (one.lagRecords ?? 0) > 0, now)
    }
    for (const mqId of this.#ids.keys()) if (!this.#isWatched(mqId)) this.#ids.delete(mqId)
  }

  /** Whether within the last `windowMs` a client sent to the epoch, or read or had to read records of it (U2, U3). */
  isBusy(mqId: string, epoch: number, windowMs: number): boolean {
    const use = this.#ids.get(mqId)?.epochs.get(epoch)
    return use !== undefined && use.busyAtMs > this.#deps.clock.monotonicMs() - windowMs
  }

  isNamed(mqId: string, epoch: number, windowMs: number): boolean {
    const use = this.#ids.get(mqId)?.epochs.get(epoch)
    return use !== undefined && use.namedAtMs > this.#deps.clock.monotonicMs() - windowMs
  }

  /** Clients whose latest report within the window runs on a binding older than `revision`. */
  behind(mqId: string, incarnation: number, revision: number, windowMs: number): number {
    const since = this.#deps.clock.monotonicMs() - windowMs
    const positions = this.#ids.get(mqId)?.positions ?? new Map()
    let count = 0
    for (const [instance, one] of positions) {
      if (one.atMs <= since) positions.delete(instance)
      else if (one.incarnation < incarnation || (one.incarnation === incarnation && one.revision < revision)) count++
    }
    return count
  }

  #of(mqId: string): IdUse | undefined {
    let use = this.#ids.get(mqId)
    if (use !== undefined || !this.#isWatched(mqId)) return use
    use = { epochs: new Map(), positions: new Map() }
    this.#ids.set(mqId, use)
    return use
  }

  #name(mqId: string, epoch: number, isBusy: boolean, now: number): void {
    const epochs = this.#of(mqId)?.epochs
    if (epochs === undefined) return
    const use = epochs.get(epoch) ?? { busyAtMs: Number.NEGATIVE_INFINITY, namedAtMs: now }
    use.namedAtMs = now
    if (isBusy) use.busyAtMs = now
    epochs.set(epoch, use)
  }
}
