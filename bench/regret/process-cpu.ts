/**
 * CPU time of another process, from /proc.
 *
 * P1. Where it cannot be read the answer is null, not zero.
 */
import { readFileSync } from 'node:fs'

// Linux reports CPU time in ticks, and there are 100 of them in a second on every platform Node runs on.
const TICK_US = 10_000

/** User and system time of all threads, in microseconds; in steps of 10 ms. */
export function processCpuUs(pid: number | undefined): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The program's name stands in parentheses and may hold anything, so fields are counted from behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const ticks = Number(fields[11]) + Number(fields[12])
    return Number.isFinite(ticks) ? ticks * TICK_US : null
  } catch {
    return null
  }
}
