/**
 * Notices that the store is older than what clients already have: a copy from a backup.
 *
 * O1. A client that runs on a later revision of this incarnation, or on a later incarnation, proves it. The store then
 *     starts a new incarnation and publishes everything again, so that clients take what it says from then on.
 * O2. A claim no store of ours can have made (an incarnation of the future) is a lie or a fault, and is ignored.
 * O3. At most one new incarnation in RENEW_PAUSE_MS: a client that lies cannot make the others fetch all day.
 */
import type { Deps } from '@mq/kafka'
import { errorFacts, type Logger } from './logger.ts'
import type { Position } from './push/hub.ts'
import type { Registry } from './registry/registry.ts'
import type { Store } from './store/store.ts'

export const RENEW_PAUSE_MS = 60_000
/** Clocks of machines may differ by this much. */
const CLOCK_SLACK_S = 300

export class Restored {
  readonly #store: Store
  readonly #registry: Registry
  readonly #deps: Deps
  readonly #logger: Logger
  #lastMs: number | undefined
  #running: Promise<void> | undefined

  constructor(store: Store, registry: Registry, deps: Deps, logger: Logger) {
    this.#store = store
    this.#registry = registry
    this.#deps = deps
    this.#logger = logger
  }

  /** What a client says it runs on (O1). */
  async seen(positions: readonly Position[]): Promise<void> {
    const ahead = positions.find((position) => this.#isAhead(position))
    if (ahead === undefined) return
    const now = this.#deps.clock.monotonicMs()
    if (this.#lastMs !== undefined && now - this.#lastMs < RENEW_PAUSE_MS) return this.#running
    this.#lastMs = now
    this.#running = this.#renew(ahead)
    await this.#running
  }

  #isAhead({ incarnation, revision }: Position): boolean {
    if (incarnation > this.#deps.clock.nowMs() / 1_000 + CLOCK_SLACK_S) return false
    return (
      incarnation > this.#store.incarnation ||
      (incarnation === this.#store.incarnation && revision > this.#store.revision)
    )
  }

  async #renew(ahead: Position): Promise<void> {
    const why = `a client runs on ${ahead.incarnation}.${ahead.revision}, and this store is at ${this.#store.incarnation}.${this.#store.revision}: it was restored from an older copy`
    try {
      const incarnation = await this.#registry.renew(ahead.incarnation, why)
      this.#logger.warn({ incarnation }, why)
    } catch (error) {
      this.#logger.error(errorFacts(error), 'a new incarnation could not be started')
    }
  }
}
