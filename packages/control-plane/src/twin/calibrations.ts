/**
 * Constants of the models that were measured on clusters, kept in the store.
 *
 * B1. Of each cluster the last KEPT calibrations count. Of how long the way takes the calm ones decide (CALM_SHARE): a busy moment is
 *     load of others or of the machine that measures, which comes and goes, and never makes the way shorter. A way that became longer
 *     is believed once most of the measurements say so. Of everything else the median counts.
 * B2. A cluster that was never measured has none, and the defaults stand.
 * B3. What is older than FRESH_MS gives way to what is newer, and nothing counts for longer than LAST_MS.
 * B4. Rounds of one calibration that are further apart than MOST_APART times measured something else than the cluster: none is kept.
 */
import { calibrated, DEFAULT_CONSTANTS, type ModelConstants } from '@mq/economics'
import type { Deps } from '@mq/kafka'
import type { KeptCalibration } from '../store/ports/calibrations.ts'
import type { Store } from '../store/store.ts'
import type { Calibration } from './calibrate.ts'
import { median, quantile } from './quantile.ts'

const KEPT = 5
const DAY_MS = 86_400_000
const FRESH_MS = 7 * DAY_MS
const LAST_MS = 30 * DAY_MS
/** The second of five; the first of fewer than four. */
const CALM_SHARE = 1 / 3
export const MOST_APART = 3
/** Less than that is how clocks and timers differ. */
const LEAST_APART_MS = 5
const WAYS = ['produceRttMs', 'produceRttP99Ms', 'fetchRttMs', 'fetchRttP99Ms'] as const

export class Calibrations {
  readonly #store: Store
  readonly #deps: Deps
  readonly #byCluster = new Map<string, readonly KeptCalibration[]>()

  private constructor(store: Store, deps: Deps) {
    this.#store = store
    this.#deps = deps
  }

  static async load(store: Store, deps: Deps): Promise<Calibrations> {
    const calibrations = new Calibrations(store, deps)
    for (const [cluster, kept] of await store.read.calibrations.all()) calibrations.#byCluster.set(cluster, kept)
    store.feed.mirror(({ changes }) => {
      for (const change of changes) {
        if (change.of === 'calibration') calibrations.#byCluster.set(change.cluster, change.kept)
      }
    })
    return calibrations
  }

  /** Undefined for a cluster that was never measured (B2), or not for long (B3). */
  constants(cluster: string): ModelConstants | undefined {
    const nowMs = this.#deps.clock.nowMs()
    const all = (this.#byCluster.get(cluster) ?? []).filter(({ atMs }) => atMs > nowMs - LAST_MS)
    const fresh = all.filter(({ atMs }) => atMs > nowMs - FRESH_MS)
    const counted = fresh.length > 0 ? fresh : all.slice(-1)
    if (counted.length === 0) return undefined
    return calibrated(DEFAULT_CONSTANTS, calmOf(counted.map(({ constants }) => constants)))
  }

  async add(cluster: string, constants: Calibration): Promise<void> {
    if (Object.keys(constants).length === 0) return
    const atMs = this.#deps.clock.nowMs()
    const all = [...(this.#byCluster.get(cluster) ?? []), { atMs, constants }].slice(-KEPT)
    await this.#store.write('a calibration', (tx) => tx.calibrations.save(cluster, all, atMs))
  }
}

/** Of measurements at different times (B1). */
export function calmOf(all: readonly Calibration[]): Calibration {
  const calm = together(all, (values) =>
    quantile(
      values.toSorted((a, b) => a - b),
      CALM_SHARE,
    ),
  )
  const ways = WAYS.flatMap((name) => (calm[name] === undefined ? [] : [[name, calm[name]]]))
  return ordered({ ...merged(all), ...Object.fromEntries(ways) })
}

/** Of rounds of one measurement: the median. What is no number (how broker CPU is counted) is that of the latest. */
export function merged(all: readonly Calibration[]): Calibration {
  return together(all, median)
}

/** The way that the rounds disagree about most, in words; null where none is further apart than MOST_APART times (B4). */
export function disagreement(rounds: readonly Calibration[]): string | null {
  let worst: { readonly factor: number; readonly words: string } | null = null
  for (const name of WAYS) {
    const seen = rounds.flatMap((one) => one[name] ?? [])
    const [least, most] = [Math.min(...seen), Math.max(...seen)]
    if (seen.length < 2 || most - least < LEAST_APART_MS) continue
    const factor = most / Math.max(least, 1e-3)
    if (factor <= MOST_APART || factor <= (worst?.factor ?? 0)) continue
    worst = {
      factor,
      words: `${WORDS[name]} took ${least.toFixed(1)} ms in one round and ${most.toFixed(1)} ms in another`,
    }
  }
  return worst?.words ?? null
}

/** The rounds that are at most MOST_APART times as far as the calmest of them (B4). */
export function agreeing(rounds: readonly Calibration[]): readonly Calibration[] {
  const calmest = rounds.toSorted((a, b) => (a.produceRttP99Ms ?? 0) - (b.produceRttP99Ms ?? 0))[0]
  return calmest === undefined ? rounds : rounds.filter((one) => disagreement([calmest, one]) === null)
}

const WORDS: Readonly<Record<(typeof WAYS)[number], string>> = {
  produceRttMs: 'the way to the broker and back',
  produceRttP99Ms: 'the way to the broker and back (p99)',
  fetchRttMs: 'the way to readers',
  fetchRttP99Ms: 'the way to readers (p99)',
}

function together(all: readonly Calibration[], of: (values: readonly number[]) => number): Calibration {
  const names = new Set(all.flatMap((one) => Object.keys(one))) as Set<keyof Calibration>
  return Object.fromEntries(
    [...names].map((name) => {
      const values = all.flatMap((one) => one[name] ?? [])
      const numbers = values.filter((value) => typeof value === 'number')
      return [name, numbers.length === values.length ? of(numbers) : values.at(-1)]
    }),
  ) as Calibration
}

/** A p99 of one calm moment may be below the median of another. */
function ordered(constants: Calibration): Calibration {
  const { produceRttMs = 0, produceRttP99Ms, fetchRttMs = 0, fetchRttP99Ms } = constants
  return {
    ...constants,
    ...(produceRttP99Ms === undefined ? {} : { produceRttP99Ms: Math.max(produceRttMs, produceRttP99Ms) }),
    ...(fetchRttP99Ms === undefined ? {} : { fetchRttP99Ms: Math.max(fetchRttMs, fetchRttP99Ms) }),
  }
}
