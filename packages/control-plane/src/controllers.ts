/**
 * What the leader does by itself: loops, migrations, watches. It runs as long as the lease is held.
 *
 * L1. Nothing starts without the lease.
 * L2. When the lease is lost all of it stops at once. It does not start again in this process, which goes on to answer what it may without
 *     writing; whoever is to lead is another process, or this one after a restart.
 * L3. They stop one after the other, in the order of the list, and start in the opposite one; one that fails keeps no other from stopping.
 */
import { errorFacts, type Logger } from './logger.ts'
import type { Lease } from './store/lease.ts'

export interface Controller {
  readonly name: string
  start?(): void
  close(): Promise<void> | void
}

export class Controllers {
  readonly #lease: Lease
  readonly #controllers: readonly Controller[]
  readonly #logger: Logger
  #state: 'new' | 'running' | 'stopped' = 'new'
  #stopping: Promise<void> | undefined

  constructor(lease: Lease, controllers: readonly Controller[], logger: Logger) {
    this.#lease = lease
    this.#controllers = controllers
    this.#logger = logger
  }

  get isRunning(): boolean {
    return this.#state === 'running'
  }

  start(): void {
    if (!this.#lease.isHeld || this.#state !== 'new') return
    this.#state = 'running'
    this.#lease.onLost(() => {
      this.#logger.error({ term: this.#lease.term }, 'another control plane leads by now: everything stops that writes')
      void this.stop()
    })
    for (const one of this.#controllers.toReversed()) one.start?.()
  }

  stop(): Promise<void> {
    this.#state = 'stopped'
    this.#stopping ??= this.#close()
    return this.#stopping
  }

  /** L3 */
  async #close(): Promise<void> {
    for (const one of this.#controllers) {
      try {
        await one.close()
      } catch (error) {
        this.#logger.warn({ controller: one.name, ...errorFacts(error) }, 'it did not stop cleanly')
      }
    }
  }
}
