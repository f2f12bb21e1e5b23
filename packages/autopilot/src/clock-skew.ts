/**
 * Consumers that are excluded for clock skew. Pure.
 *
 * K1. How long a record took is the clock of the reader less that of the sender. Nothing is read in no time: who says so while others take
 *     their time has a clock that is behind, and would not see any harm.
 * K2. Who takes many times what is usual in its own group has a clock that is ahead, or trouble of its own: neither tells what settings do.
 */
import { byInstance, type Sample } from './samples.ts'
import { median } from './statistics.ts'

/** Less than this is no time at all. */
const NO_TIME_MS = 1
/** As long as the usual reader takes less than this, a clock tells nothing. */
const LEAST_USUAL_MS = 5
const FAR = 4
const LEAST_FAR_MS = 20

type Timed = Pick<Sample, 'instance' | 'group' | 'p99Ms'>

/** Processes whose clocks are odd in any of their groups (K1, K2). */
export function oddClocks(recent: readonly Timed[]): Set<string> {
  const readers = [...byInstance(recent).values()].flatMap((own) => {
    const p99s = own.flatMap(({ p99Ms }) => p99Ms ?? [])
    const { instance, group } = own[0]!
    return p99s.length === 0 ? [] : [{ instance, group, ms: median(p99s) }]
  })
  if (readers.length === 0) return new Set()
  const isSlow = median(readers.map(({ ms }) => ms)) >= LEAST_USUAL_MS
  const behind = readers.filter(({ ms }) => isSlow && ms < NO_TIME_MS)
  const others = readers.filter((one) => !behind.includes(one))
  const far = [...Map.groupBy(others, ({ group }) => group).values()].flatMap((own) => {
    // Of two the sooner one: a clock that is behind shows as no time.
    const usual = own.map(({ ms }) => ms).sort((a, b) => a - b)[(own.length - 1) >> 1]!
    return own.filter(({ ms }) => (ms > usual * FAR || ms * FAR < usual) && Math.abs(ms - usual) >= LEAST_FAR_MS)
  })
  return new Set([...behind, ...far].map(({ instance }) => instance))
}
