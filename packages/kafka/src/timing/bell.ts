/**
 * A pause that can be cut short.
 *
 * L1. A ring that comes while nobody waits ends the next wait at once.
 * L2. A wait never rejects: it ends by time, by the bell or by the signal.
 */
import type { Deps, TimerHandle } from './deps.ts'

export class Bell {
  readonly #deps: Deps
  #isRung = false
  #end: (() => void) | undefined

  constructor(deps: Deps) {
    this.#deps = deps
  }

  ring(): void {
    this.#isRung = true
    this.#end?.()
  }

  async wait(delayMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#isRung && !signal.aborted) {
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
    this.#isRung = false
  }
}
