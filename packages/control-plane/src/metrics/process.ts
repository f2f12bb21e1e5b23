/** What the process itself says: CPU, memory, and how late its timers run. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Sample } from './metrics.ts'

const RESOLUTION_MS = 20
const NS_PER_SECOND = 1e9
const PERCENTILES = [50, 99, 100]

export class ProcessFigures {
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })

  constructor() {
    this.#delay.enable()
  }

  /** Since the last time it was asked. */
  eventLoopDelay(): Sample[] {
    const samples = PERCENTILES.map((percentile) => ({
      labels: { percentile: String(percentile) },
      // What it measures holds the pause itself.
      value: Math.max(0, this.#delay.percentile(percentile) / NS_PER_SECOND - RESOLUTION_MS / 1_000),
    }))
    this.#delay.reset()
    return samples
  }

  cpuSeconds(): number {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  }

  memoryBytes(): number {
    return process.memoryUsage.rss()
  }

  startedAtSeconds(): number {
    return performance.timeOrigin / 1_000
  }

  close(): void {
    this.#delay.disable()
  }
}
