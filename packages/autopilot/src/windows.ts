/**
 * Windows of what instances reported, of one kind, picked and summed up the same way whether they send or read. Pure.
 */
import { type Latencies, p99Of, type Sample, thinned } from './samples.ts'

const MOST_WINDOWS = 2_000
const MOST_MERGED = 400

/** What every window says, whoever reported it. */
export interface AnyWindow {
  readonly instance: string
  readonly group?: string
  readonly windowStartMs: number
  readonly windowMs: number
  readonly activeMs: number
  readonly trial: number | null
  readonly records: number
  readonly wireBytes: number
}

/** How windows of one kind are read. */
export interface WindowKind<W extends AnyWindow> {
  isPlausible(window: W): boolean
  sampleOf(window: W): Sample
  latencyOf(window: W): Latencies
  /** Over all of them: latencies merge, percentiles do not. */
  mergedP99Ms(windows: readonly W[]): number | null
}

/** What tells who took part, and how. */
export interface Part extends Pick<AnyWindow, 'instance' | 'group' | 'activeMs' | 'records'> {
  readonly p99Ms: number | null
}

/** Some windows; the kind of them is nobody else's business. */
export interface Windows {
  /** Of those that can be believed, and not more than a bound (A1, A3). */
  readonly samples: readonly Sample[]
  /** Of all that can be believed, however many: a bound would pass over somebody. */
  readonly parts: readonly Part[]
  /** How many cannot be believed. */
  readonly dropped: number
  readonly size: number
  /** Over all that can be believed: latencies merge, percentiles do not. */
  readonly p99Ms: number | null
  readonly groups: readonly string[]
  where(keep: (window: AnyWindow) => boolean): Windows
  /** Records clients say they sent, or read, since; a window that straddles the moment counts when most of it lies after. */
  recordsSince(sinceMs: number, telemetryMs: number): number
  /** Bytes of windows that touch the time; windows that reach over an end count whole: in doubt for the clients. */
  wireBytesWithin(fromMs: number, untilMs: number): number
}

export function windowsOf<W extends AnyWindow>(all: readonly W[], kind: WindowKind<W>): Windows {
  let samples: readonly Sample[] | undefined
  const isPlausible = (one: W): boolean => kind.isPlausible(one)
  return {
    get samples() {
      samples ??= thinned(all, MOST_WINDOWS)
        .filter(isPlausible)
        .map((one) => kind.sampleOf(one))
      return samples
    },
    get parts() {
      return all.filter(isPlausible).map((one) => ({
        instance: one.instance,
        ...(one.group === undefined ? {} : { group: one.group }),
        activeMs: one.activeMs,
        records: one.records,
        // Read where somebody asks: it is the dear part.
        get p99Ms() {
          return p99Of(one, () => kind.latencyOf(one))
        },
      }))
    },
    get dropped() {
      return all.filter((one) => !isPlausible(one)).length
    },
    size: all.length,
    get p99Ms() {
      return kind.mergedP99Ms(thinned(all.filter(isPlausible), MOST_MERGED))
    },
    get groups() {
      return [...new Set(all.flatMap(({ group }) => group ?? []))]
    },
    where: (keep) => windowsOf(all.filter(keep), kind),
    recordsSince: (sinceMs, telemetryMs) =>
      all
        .filter(({ windowStartMs }) => windowStartMs >= sinceMs - telemetryMs / 2)
        .reduce((total, { records }) => total + records, 0),
    wireBytesWithin: (fromMs, untilMs) =>
      all
        .filter(({ windowStartMs, windowMs }) => windowStartMs + windowMs >= fromMs && windowStartMs <= untilMs)
        .reduce((total, { wireBytes }) => total + wireBytes, 0),
  }
}
