/**
 * Sends that wait because an epoch takes nothing more: what clients told last.
 *
 * H1. A process that was not heard for FRESH_MS is not counted: it may have gone on, or be gone.
 * H2. Memory is bounded by the number of processes and mQ IDs that a report may name.
 */
import type { TelemetryReport } from '@mq/contract'
import type { Deps } from '@mq/kafka'

/** Clients report every 10 s. */
const FRESH_MS = 30_000
const MOST_PROCESSES = 10_000

export interface HeldReport {
  readonly records: number
  readonly processes: number
  /** The longest wait, by the clock of this process. */
  readonly sinceMs: number
}

interface Told {
  readonly atMs: number
  readonly held: ReadonlyMap<string, { readonly records: number; readonly sinceMs: number }>
}

export class HeldReports {
  readonly #deps: Deps
  readonly #told = new Map<string, Told>()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  take({ instance, held = [] }: TelemetryReport): void {
    this.#told.delete(instance)
    if (held.length === 0 || this.#told.size >= MOST_PROCESSES) return
    const nowMs = this.#deps.clock.nowMs()
    const byId = new Map(held.map(({ mqId, records, forMs }) => [mqId, { records, sinceMs: nowMs - forMs }]))
    this.#told.set(instance, { atMs: this.#deps.clock.monotonicMs(), held: byId })
  }

  /** Of which something was told. */
  ids(): string[] {
    return [...new Set([...this.#told.values()].flatMap(({ held }) => [...held.keys()]))]
  }

  of(mqId: string): HeldReport | undefined {
    const nowMs = this.#deps.clock.monotonicMs()
    let found: HeldReport | undefined
    for (const [instance, { atMs, held }] of this.#told) {
      if (nowMs - atMs > FRESH_MS) this.#told.delete(instance)
      const own = nowMs - atMs > FRESH_MS ? undefined : held.get(mqId)
      if (own === undefined) continue
      const { records = 0, processes = 0, sinceMs = own.sinceMs } = found ?? {}
      found = { records: records + own.records, processes: processes + 1, sinceMs: Math.min(sinceMs, own.sinceMs) }
    }
    return found
  }
}
