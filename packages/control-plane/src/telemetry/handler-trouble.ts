/**
 * What clients tell of messages their handlers fail on: counts since this control plane started, and how many fail now.
 *
 * HT1. Counts only rise; a restart of the control plane begins at zero, as counters do.
 * HT2. What fails now is the sum over the processes that reported within the last minute.
 */
import type { TelemetryReport } from '@mq/contract'
import type { Deps } from '@mq/kafka'

const FRESH_MS = 60_000
const MOST_GROUPS = 20_000

export interface GroupTrouble {
  readonly id: string
  readonly group: string
  readonly deadLetters: number
  readonly handlerFailures: number
  readonly retries: number
  readonly failingRecords: number
}

interface Counts {
  deadLetters: number
  handlerFailures: number
  retries: number
  readonly failing: Map<string, { readonly records: number; readonly atMs: number }>
}

export class HandlerTrouble {
  readonly #deps: Pick<Deps, 'clock'>
  readonly #groups = new Map<string, Map<string, Counts>>()
  #size = 0

  constructor(deps: Pick<Deps, 'clock'>) {
    this.#deps = deps
  }

  take({ app, instance, consumers }: TelemetryReport): void {
    const atMs = this.#deps.clock.nowMs()
    const told = new Map<Counts, number>()
    for (const one of consumers) {
      const counts = this.#of(one.mqId, one.group)
      if (counts === undefined) continue
      counts.deadLetters += one.deadLetters ?? 0
      counts.handlerFailures += one.handlerErrors
      counts.retries += one.redeliveries
      told.set(counts, (told.get(counts) ?? 0) + (one.failingRecords ?? 0))
    }
    for (const [counts, records] of told) {
      if (records === 0) counts.failing.delete(`${app}/${instance}`)
      else counts.failing.set(`${app}/${instance}`, { records, atMs })
    }
  }

  deadLetters(id: string, group: string): number {
    return this.#groups.get(id)?.get(group)?.deadLetters ?? 0
  }

  all(): GroupTrouble[] {
    const since = this.#deps.clock.nowMs() - FRESH_MS
    return [...this.#groups].flatMap(([id, groups]) =>
      [...groups].map(([group, { deadLetters, handlerFailures, retries, failing }]) => {
        for (const [instance, { atMs }] of failing) if (atMs < since) failing.delete(instance)
        const failingRecords = [...failing.values()].reduce((sum, { records }) => sum + records, 0)
        return { id, group, deadLetters, handlerFailures, retries, failingRecords }
      }),
    )
  }

  #of(id: string, group: string): Counts | undefined {
    const groups = this.#groups.get(id) ?? new Map<string, Counts>()
    const known = groups.get(group)
    if (known !== undefined || this.#size >= MOST_GROUPS) return known
    const counts = { deadLetters: 0, handlerFailures: 0, retries: 0, failing: new Map() }
    groups.set(group, counts)
    this.#groups.set(id, groups)
    this.#size++
    return counts
  }
}
