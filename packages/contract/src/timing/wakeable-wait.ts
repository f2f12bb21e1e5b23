/**
 * A wait that can be ended early by `wake`.
 *
 * L1. A wake that comes while nobody waits ends the next wait at once.
 * L2. A wait never rejects: it ends by time, by `wake` or by the signal.
 */
import type { Deps, TimerHandle } from './deps.ts'

export class WakeableWait {
  readonly #deps: Deps
  #isWoken = false
  #end: (() => void) | undefined

  constructor(deps: Deps) {
    this.#deps = deps
  }

  wake(): void {
    this.#isWoken = true
    this.#end?.()
  }

  async forMs(delayMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#isWoken && !signal.aborted) {
      let timer: TimerHandle | undefined
      await new Promise<void>((resolve) => {
        this.#end = resolve
        timer = this.#deps.timers.setTimeout(resolve, Math.max(0, delayMs))
        signal.addEventListener('abort', resolve as () => void, { once: true })
      }).finally(() => {
        if (timer !== undefined) this.#deps.timers.clearTimeout(timer)
        if (this.#end !== undefined) signal.removeEventListener('abort', this.#end)
        this.#end = undefined
      })
    }
    this.#isWoken = false
  }
}
