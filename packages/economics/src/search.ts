/**
 * One solve: the cheapest configurations within given limits, over clusters and the variants of each.
 *
 * H1. Every cluster is ranked by its prices for the rows that are fast enough; then they are solved exactly from the cheapest on, until
 *     the next one cannot win any more. The home cluster is always solved. In brief, other clusters are looked at through the rows that
 *     are good at home: the answer is within 5 % and 1 USD of the best.
 * H2. Cost of a configuration = what its row costs + what its fetch requests cost; both by rates of the same bill (rates.ts).
 * H3. Within a hair of the lowest cost the configuration in force wins, then the lower latency: ties do not make changes.
 */

import type { ClusterModel } from './cluster-model.ts'
import type { FittedCurve } from './codec-curve.ts'
import type { Configuration } from './configuration.ts'
import { sameConfiguration } from './configuration.ts'
import { identityOf } from './constants-identity.ts'
import { endToEndP99Ms, fetching, linksOf, NO_WAIT, type PollWait } from './consuming.ts'
import type { Grid } from './grid.ts'
import type { ModelConstants } from './model-constants.ts'
import type { Constraint } from './optimum.ts'
import { leastP99Ms, unbeaten } from './promising.ts'
import { type Rates, ratesOf } from './rates.ts'
import { RowPrice } from './row-price.ts'
import { type ProducerLimits, type Row, RowTable } from './rows.ts'
import { type Count, type Found, Tally } from './tally.ts'
import type { Workload } from './workload.ts'

export interface Requirements {
  /** End-to-end p99, margin already taken off. */
  readonly latencyMs: number
  /** p99 of a send, margin already taken off; Infinity where nobody asked. */
  readonly sendMs: number
  readonly replication: number
  readonly retentionMs: number | null
  readonly limits: ProducerLimits
}

export interface Space {
  readonly workload: Workload
  readonly current: Configuration
  readonly clusters: readonly ClusterModel[]
  readonly home: ClusterModel
  readonly grid: Grid
  readonly curves: readonly FittedCurve[]
  /** Counts to try; the current one is the first. */
  readonly partitions: readonly number[]
}

export interface Solved {
  readonly best: Found | null
  /** The best of every codec on the winning cluster, and the best of every other cluster that was solved; cheapest first. */
  readonly others: readonly Found[]
  /** What misses the intent by least, when nothing is within it. */
  readonly nearest: Found | null
  readonly refused: ReadonlyMap<Constraint, Count>
  readonly evaluated: number
}

/** Clusters that are solved exactly besides the home cluster. */
const MOST_EXACT = 6
const MOST_EXACT_IN_BRIEF = 2
/** How far ranking by the home cluster's constants may be off. */
const RANK_TOLERANCE = 1.02
const FAR_CHEAPER = 1.05
/** A month; nobody changes anything for less. */
const NOTHING_USD = 1
const TIE = 1.0005
const HOUR_MS = 3_600_000

interface Variant {
  readonly cluster: ClusterModel
  readonly partitions: number
  readonly localRetentionMs: number | null
  readonly followerFetch: boolean
}

export class Search {
  readonly #space: Space
  readonly #tables = new Map<number, RowTable>()

  constructor(space: Space) {
    this.#space = space
  }

  /** `brief` stops looking at a row once it cannot win: nothing is counted for it. */
  solve(requirements: Requirements, detail: 'full' | 'brief'): Solved {
    const { clusters, home } = this.#space
    const tally = new Tally(detail === 'brief')
    this.#solveCluster(home, requirements, tally, null)
    if (clusters.length > 1) {
      const ranked = this.#rank(requirements, tally)
      let solved = 0
      for (const { cluster, usdPerMonth: atLeast, rows } of ranked) {
        const best: Found | null = tally.best
        if (
          solved >= (tally.brief ? MOST_EXACT_IN_BRIEF : MOST_EXACT) ||
          (best !== null && atLeast > best.usdPerMonth * RANK_TOLERANCE)
        )
          break
        this.#solveCluster(cluster, requirements, tally, rows)
        // Far cheaper by its rank than what was found: what is good here was not good at home. Then look at everything.
        const found: Found | null = tally.best
        if (tally.brief && (found === null || atLeast * FAR_CHEAPER + NOTHING_USD < found.usdPerMonth)) {
          this.#solveCluster(cluster, requirements, tally, null)
        }
        solved++
      }
    }
    const { best, nearest, refused, evaluated } = tally
    const others = [...tally.byKey.values()]
      .filter((found) => best === null || !sameConfiguration(found.configuration, best.configuration))
      .toSorted((a, b) => a.usdPerMonth - b.usdPerMonth)
    return { best, others, nearest: best === null ? nearest : null, refused, evaluated }
  }

  /** H1: about what every other cluster would cost, by its prices; those without brokers enough are refused. */
  #rank(
    requirements: Requirements,
    tally: Tally,
  ): { cluster: ClusterModel; usdPerMonth: number; rows: readonly Row[] }[] {
    const { clusters, home, partitions, grid } = this.#space
    const each = grid.lingerMs.length * grid.batchBytes.length * grid.codecs.length * grid.fetches.length
    const rows = unbeaten(this.#allRows(partitions[0]!, home.constants, requirements.limits))
    const ranked: { cluster: ClusterModel; usdPerMonth: number; rows: readonly Row[] }[] = []
    for (const cluster of clusters) {
      if (cluster === home) continue
      if (cluster.brokers < requirements.replication) {
        tally.refuse('durability', each, cluster.brokers)
        tally.evaluated += each
        continue
      }
      let least = Number.POSITIVE_INFINITY
      for (const localRetentionMs of localChoices(cluster)) {
        const { followerFetch } = cluster
        const price = this.#priceOf(
          { cluster, partitions: partitions[0]!, localRetentionMs, followerFetch },
          requirements,
        )
        for (const row of rows) {
          if (leastP99Ms(row, cluster.constants) <= requirements.latencyMs) least = Math.min(least, price.usd(row))
        }
      }
      ranked.push({ cluster, usdPerMonth: least, rows })
    }
    return ranked.toSorted((a, b) => a.usdPerMonth - b.usdPerMonth)
  }

  /** @param some rows worth a look, as another cluster has them; all without */
  #solveCluster(cluster: ClusterModel, requirements: Requirements, tally: Tally, some: readonly Row[] | null): void {
    for (const partitions of this.#space.partitions) {
      const rows =
        some === null || !tally.brief
          ? this.#allRows(partitions, cluster.constants, requirements.limits)
          : this.#rowsLike(some, cluster, partitions, requirements, tally)
      for (const localRetentionMs of localChoices(cluster)) {
        for (const followerFetch of cluster.followerFetch ? [false, true] : [false]) {
          this.#solveVariant({ cluster, partitions, localRetentionMs, followerFetch }, rows, requirements, tally)
        }
      }
    }
  }

  /** The rows of this cluster that can still win, judged by those of the home cluster. */
  #rowsLike(
    some: readonly Row[],
    cluster: ClusterModel,
    partitions: number,
    requirements: Requirements,
    tally: Tally,
  ): Row[] {
    const table = this.#tableFor(partitions, cluster.constants, requirements.limits)
    const limitUsd = tally.best === null ? Number.POSITIVE_INFINITY : tally.best.usdPerMonth * RANK_TOLERANCE
    const rows: Row[] = []
    const { followerFetch } = cluster
    const prices = localChoices(cluster).map((localRetentionMs) =>
      this.#priceOf({ cluster, partitions, localRetentionMs, followerFetch }, requirements),
    )
    for (const row of some) {
      if (prices.some((price) => price.usd(row) <= limitUsd)) rows.push(table.row(row.at))
    }
    return rows
  }

  #solveVariant(variant: Variant, rows: readonly Row[], requirements: Requirements, tally: Tally): void {
    const { workload, grid, current } = this.#space
    const { cluster, partitions } = variant
    const { constants } = cluster
    const links = linksOf(workload, partitions, cluster.leadingBrokers ?? cluster.brokers)
    const price = this.#priceOf(variant, requirements)
    const { usdPerFetch } = price
    const { recordsPerSecond: rate, dispersion } = workload
    const peakRate = rate * workload.peakMultiple
    for (const row of rows) {
      tally.evaluated += grid.fetches.length
      const refusal = row.refusal ?? this.#noRoom(row, variant, requirements, price)
      if (refusal !== null) {
        tally.refuse(refusal, grid.fetches.length, refusedValue(refusal, row, workload))
        continue
      }
      const rowUsd = price.usd(row)
      const sendMs = Math.max(row.usual.latency.p99, row.peak.latency.p99)
      if (sendMs > requirements.sendMs) {
        tally.refuse('acknowledgement', grid.fetches.length, sendMs)
        if (tally.best === null && (tally.nearest === null || sendMs < tally.nearest.endToEndP99Ms)) {
          const fetch = grid.fetches.toSorted((a, b) => a.fetchMinBytes - b.fetchMinBytes)[0]!
          tally.nearest = this.#found(row, fetch, variant, requirements, rowUsd, sendMs)
        }
        continue
      }
      if (tally.brief && tally.best !== null && rowUsd > tally.best.usdPerMonth * TIE) continue
      const unwaited = this.#p99(row, constants, NO_WAIT, NO_WAIT, variant.followerFetch)
      // Waiting at the broker only adds: what is too late without it is too late with it.
      const tooLate = unwaited > requirements.latencyMs
      if (tooLate) {
        tally.refuse('latency', grid.fetches.length, unwaited)
        if (tally.best === null && (tally.nearest === null || unwaited < tally.nearest.endToEndP99Ms)) {
          const fetch = grid.fetches.toSorted((a, b) => a.fetchMinBytes - b.fetchMinBytes)[0]!
          tally.nearest = this.#found(row, fetch, variant, requirements, rowUsd, unwaited)
        }
        continue
      }
      for (const fetch of grid.fetches) {
        const usual = fetching({ rate, dispersion }, fetch, links, row.usual, constants)
        const peak =
          row.peak === row.usual ? usual : fetching({ rate: peakRate, dispersion }, fetch, links, row.peak, constants)
        const p99 = this.#p99(row, constants, usual.wait, peak.wait, variant.followerFetch)
        if (p99 > requirements.latencyMs) {
          tally.refuse('latency', 1, p99)
          continue
        }
        const usd = rowUsd + usual.requestsPerSecond * usdPerFetch
        this.#keep(row, fetch, variant, requirements, usd, p99, tally, current)
      }
    }
  }

  #keep(
    row: Row,
    fetch: Grid['fetches'][number],
    variant: Variant,
    requirements: Requirements,
    usd: number,
    p99: number,
    tally: Tally,
    current: Configuration,
  ): void {
    const key = tally.brief
      ? variant.cluster === this.#space.home
        ? 'home'
        : variant.cluster.name
      : variant.cluster === this.#space.home
        ? `${row.codec.codec}-${row.codec.codecLevel ?? ''}`
        : `@${variant.cluster.name}`
    const same = tally.byKey.get(key)
    if (same !== undefined && usd > same.usdPerMonth * TIE) return
    const found = this.#found(row, fetch, variant, requirements, usd, p99)
    if (same === undefined || better(found, same, current)) tally.byKey.set(key, found)
    if (tally.best === null || better(found, tally.best, current)) tally.best = found
  }

  #found(
    row: Row,
    fetch: Grid['fetches'][number],
    variant: Variant,
    requirements: Requirements,
    usd: number,
    p99: number,
  ): Found {
    return {
      cluster: variant.cluster,
      usdPerMonth: usd,
      endToEndP99Ms: p99,
      configuration: {
        cluster: variant.cluster.name,
        partitions: variant.partitions,
        replication: requirements.replication,
        retentionMs: requirements.retentionMs,
        localRetentionMs: variant.localRetentionMs,
        codec: row.codec.codec,
        codecLevel: row.codec.codecLevel,
        lingerMs: row.lingerMs,
        batchBytes: row.batchBytes,
        fetchMinBytes: fetch.fetchMinBytes,
        fetchMaxWaitMs: fetch.fetchMaxWaitMs,
        followerFetch: variant.followerFetch,
      },
    }
  }

  /** H2 */
  #priceOf(variant: Variant, requirements: Requirements): RowPrice {
    return new RowPrice(this.#space.workload, variant, requirements, this.#ratesFor(variant, requirements))
  }

  #p99(row: Row, constants: ModelConstants, wait: PollWait, peakWait: PollWait, followerFetch: boolean): number {
    const usual = endToEndP99Ms(row.usual, constants, wait, followerFetch)
    return row.peak === row.usual ? usual : Math.max(usual, endToEndP99Ms(row.peak, constants, peakWait, followerFetch))
  }

  #noRoom(row: Row, variant: Variant, requirements: Requirements, price: RowPrice): Constraint | null {
    const { workload, home } = this.#space
    const { cluster } = variant
    if (cluster.brokers < requirements.replication) return 'durability'
    // What already lives there has its room.
    if (cluster === home) return null
    const { room } = cluster
    const peak = row.peak.wireBytesPerRecord * workload.recordsPerSecond * workload.peakMultiple
    const over = (need: number, free: number | null): boolean => free !== null && need > free
    return over(peak, room.inBytesPerSecond) ||
      over(peak * workload.groups.length, room.outBytesPerSecond) ||
      over(variant.partitions * requirements.replication, room.replicas) ||
      over(price.localBytes(row) * requirements.replication, room.diskBytes)
      ? 'headroom'
      : null
  }

  #ratesFor(variant: Variant, requirements: Requirements): Rates {
    const { workload } = this.#space
    return ratesOf(
      {
        groups: workload.groups.length,
        partitions: variant.partitions,
        replication: requirements.replication,
        followerFetch: variant.followerFetch,
        tiered: variant.localRetentionMs !== null,
        peakMultiple: workload.peakMultiple,
      },
      variant.cluster,
    )
  }

  #tableFor(partitions: number, constants: ModelConstants, limits: ProducerLimits): RowTable {
    const key = identityOf(constants) * 1_048_576 + partitions
    let table = this.#tables.get(key)
    if (table === undefined) {
      const { workload, grid, curves } = this.#space
      table = new RowTable(workload, partitions, constants, grid, curves, limits)
      this.#tables.set(key, table)
    }
    return table
  }

  #allRows(partitions: number, constants: ModelConstants, limits: ProducerLimits): readonly Row[] {
    const table = this.#tableFor(partitions, constants, limits)
    const rows: Row[] = []
    for (let at = 0; at < table.length; at++) rows.push(table.row(at))
    return rows
  }
}

/** H3 */
function better(a: Found, b: Found, current: Configuration): boolean {
  if (a.usdPerMonth * TIE < b.usdPerMonth) return true
  if (b.usdPerMonth * TIE < a.usdPerMonth) return false
  const aIs = sameConfiguration(a.configuration, current)
  if (aIs !== sameConfiguration(b.configuration, current)) return aIs
  return a.endToEndP99Ms < b.endToEndP99Ms || (a.endToEndP99Ms === b.endToEndP99Ms && a.usdPerMonth < b.usdPerMonth)
}

function localChoices(cluster: ClusterModel): readonly (number | null)[] {
  return cluster.tiered ? [null, HOUR_MS] : [null]
}

function refusedValue(constraint: Constraint, row: Row, workload: Workload): number {
  switch (constraint) {
    case 'producer-memory':
      return row.peak.bufferBytes
    case 'producer-cpu':
      return (workload.recordsPerSecond * workload.peakMultiple * row.peak.cpuUsPerRecord) / workload.producers / 1e6
    case 'message-size':
      return row.batchBytes
    default:
      return workload.recordsPerSecond * workload.peakMultiple
  }
}
