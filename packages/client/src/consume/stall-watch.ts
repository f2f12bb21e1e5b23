/**
 * Says when messages that wait behind failing ones keep a subscription from handing out more.
 *
 * SW1. What was fetched is bounded, and a failing message keeps those of its key that came after it. Once nothing but such messages fits,
 *      fetching pauses: nothing is lost, and nothing else is handed out either. That is said, and again every 30 seconds.
 */
import type { Deps, TimerHandle } from '@mq/kafka'
import type { Logger } from '../base/logger.ts'
import { Notices } from '../base/notices.ts'

const LOOK_MS = 5_000

export interface StallWatchParts {
  readonly mqId: string
  readonly group: string
  readonly deps: Deps
  readonly logger: Logger
  /** Handlers that run now. */
  running(): number
  /** Messages that wait for a retry, or behind one that does. */
  parked(): number
  unfinished(): number
  /** Whether the log holds more than was fetched. */
  isBehind(): boolean
}

export class StallWatch {
  readonly #parts: StallWatchParts
  readonly #notices: Notices
  #timer: TimerHandle | undefined
  #before = 0

  constructor(parts: StallWatchParts) {
    this.#parts = parts
    this.#notices = new Notices(parts.deps.clock)
    this.#arm()
  }

  close(): void {
    if (this.#timer !== undefined) this.#parts.deps.timers.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arm(): void {
    this.#timer = this.#parts.deps.timers.setTimeout(() => {
      this.#look()
      this.#arm()
    }, LOOK_MS)
    this.#timer.unref()
  }

  #look(): void {
    const { mqId, group, logger } = this.#parts
    const parked = this.#parts.parked()
    const unfinished = parked === 0 ? 0 : this.#parts.unfinished()
    const stands = parked > 0 && unfinished === this.#before && this.#parts.running() === 0 && this.#parts.isBehind()
    this.#before = unfinished
    if (!stands || !this.#notices.isDue('stands')) return
    const what = `${parked} messages wait for a retry or behind one that does, and no more are fetched until some of them end`
    logger.error(
      `Group ${group} of ${mqId} hands out nothing else: ${what}; with deadLetter what fails too often makes room`,
      { code: 'MQ_HANDLER_FAILED', mqId, group, parked },
    )
  }
}
