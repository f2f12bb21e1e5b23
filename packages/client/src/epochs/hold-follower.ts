/**
 * Leaves a group while its positions are changed from outside, and comes back (contract: group-hold.ts).
 *
 * H1. A hold is heard from the binding, and named by its change and attempt. One that was waited out is not followed again.
 * H2. Coming back begins only when leaving is through. Leaving does not wait for a join, which may take as long as it likes: whoever leaves
 *     ends it.
 * H3. A hold ends by itself after its `forMs`, counted from when it was first heard: nobody waits for a control plane that died.
 * H4. Whoever begins to read begins away, so that a hold that is there already keeps it from joining.
 */
import type { GroupHold } from '@mq/contract'
import type { Deps, TimerHandle } from '@mq/kafka'

export interface HoldFollowerOptions {
  readonly group: string
  readonly deps: Deps
  leave(hold: GroupHold): Promise<void>
  comeBack(): Promise<void>
  /** Coming back or leaving failed for good. */
  onError(error: unknown): void
}

export class HoldFollower {
  readonly #options: HoldFollowerOptions
  readonly #joined = Promise.withResolvers<void>()
  #hold: GroupHold | undefined
  #waitedOut: string | undefined
  #timer: TimerHandle | undefined
  /** H4 */
  #isAway = true
  #isClosed = false
  #isRunning = false
  #leaving: Promise<void> | undefined
  /** Ends the wait for a join. */
  #interrupt: (() => void) | undefined

  constructor(options: HoldFollowerOptions) {
    this.#options = options
    // Not everybody waits for it.
    this.#joined.promise.catch(() => {})
  }

  /** Resolves when the group was joined for the first time; rejects when that failed for good. */
  join(): Promise<void> {
    this.#turn()
    return this.#joined.promise
  }

  /** What the newest binding holds. */
  update(holds: readonly GroupHold[] | undefined): void {
    const hold = holds?.find(({ group }) => group === this.#options.group)
    const name = nameOf(hold)
    if (name === nameOf(this.#hold) || (name !== undefined && name === this.#waitedOut)) return
    const wasHeld = this.isHeld
    this.#follow(hold)
    if (hold !== undefined) this.#interrupt?.()
    // Before the first join nothing is turned.
    if (wasHeld || !this.#isAway) this.#turn()
  }

  /** Whether the group is not to be joined now. */
  get isHeld(): boolean {
    return this.#hold !== undefined
  }

  /** Follows nothing any more; resolves when nobody is leaving. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopTimer()
    await this.#leaving
  }

  async #leave(hold: GroupHold): Promise<void> {
    this.#leaving = this.#options.leave(hold)
    await this.#leaving
    this.#leaving = undefined
  }

  #follow(hold: GroupHold | undefined): void {
    const { timers } = this.#options.deps
    this.#stopTimer()
    this.#hold = hold
    if (hold === undefined) return
    this.#timer = timers.setTimeout(() => {
      this.#waitedOut = nameOf(hold)
      this.#follow(undefined)
      this.#turn()
    }, hold.forMs)
    this.#timer.unref()
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#options.deps.timers.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #turn(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    void this.#run()
  }

  /** H2 */
  async #run(): Promise<void> {
    try {
      while (!this.#isClosed && (this.#hold !== undefined) !== this.#isAway) {
        if (this.#hold !== undefined) {
          await this.#leave(this.#hold)
          this.#isAway = true
          continue
        }
        const coming = this.#options.comeBack()
        const interrupted = new Promise<void>((resolve) => {
          this.#interrupt = resolve
        })
        await Promise.race([coming, interrupted])
        this.#interrupt = undefined
        if (this.#hold !== undefined) await this.#leave(this.#hold)
        await coming
        if (this.#hold !== undefined) continue
        this.#isAway = false
        this.#joined.resolve()
      }
    } catch (error) {
      this.#leaving = undefined
      this.#joined.reject(error)
      this.#options.onError(error)
    } finally {
      // With the last look at what is wanted: a word that comes after it starts anew.
      this.#isRunning = false
    }
  }
}

function nameOf(hold: GroupHold | undefined): string | undefined {
  return hold === undefined ? undefined : `${hold.change}.${hold.attempt}`
}
