/**
 * Says which handlers do not end: a handler that hangs holds back its key and takes one place of the concurrency, in silence.
 *
 * H1. A handler is told of after `FIRST_MS`, then whenever its age has doubled; at most `LINES` at a time, the rest as a number.
 * H2. Ages are counted in ticks: a handler that ends in time costs no look at a clock and no timer.
 */
import type { Deps, TimerHandle } from '@mq/kafka'
import type { Logger } from '../base/logger.ts'
import { FREE, type KeyScheduler, keyHashText } from '../epochs/key-scheduler.ts'

const TICK_MS = 5_000
const FIRST_TICKS = 6
export const FIRST_MS = TICK_MS * FIRST_TICKS
const LINES = 5

export interface HandlerWatchOptions {
  readonly mqId: string
  readonly group: string
  readonly scheduler: KeyScheduler
  readonly deps: Deps
  readonly logger: Logger
}

export class HandlerWatch {
  readonly #options: HandlerWatchOptions
  #timer: TimerHandle | undefined

  constructor(options: HandlerWatchOptions) {
    this.#options = options
    this.#arm()
  }

  close(): void {
    if (this.#timer !== undefined) this.#options.deps.timers.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arm(): void {
    const { deps } = this.#options
    this.#timer = deps.timers.setTimeout(() => {
      this.#look()
      this.#arm()
    }, TICK_MS)
    this.#timer.unref()
  }

  #look(): void {
    const { mqId, group, scheduler, logger } = this.#options
    const due = scheduler.tick().filter(({ ticks }) => isDue(ticks))
    for (const { batch, index, attempt, ticks } of due.slice(0, LINES)) {
      const { partition, offset, keyHash } = batch.describe(index)
      const key = keyHash === FREE ? null : keyHashText(keyHash)
      const ageMs = ticks * TICK_MS
      const what = key === null ? '' : `; messages of its key (hash ${key}) wait for it`
      logger.warn(
        `The handler of group ${group} on ${mqId} partition ${partition} offset ${offset}, attempt ${attempt}, has not ended for ${ageMs / 1_000} s${what}`,
        { code: 'MQ_HANDLER_TIMEOUT', mqId, group, partition, offset: String(offset), attempt, keyHash: key, ageMs },
      )
    }
    if (due.length <= LINES) return
    const more = due.length - LINES
    logger.warn(`${more} more handlers of group ${group} on ${mqId} have not ended`, {
      code: 'MQ_HANDLER_TIMEOUT',
      mqId,
      group,
      handlers: more,
    })
  }
}

/** After the first time at twice, four times, eight times the age. */
function isDue(ticks: number): boolean {
  const times = ticks / FIRST_TICKS
  return Number.isInteger(times) && (times & (times - 1)) === 0 && times > 0
}
