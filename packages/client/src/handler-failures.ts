/**
 * What happens when a handler fails: it is said, counted, and the message is handed out again later.
 *
 * H1. The pause before the next attempt doubles up to 30 s, with jitter, and holds back that key only.
 * H2. The first failures of a window are logged one by one; beyond that their number, so that a dead dependency does not
 *     drown the log.
 * H3. A message that cannot be used at all (its value does not decode, or does not match the schema) blocks its key like any
 *     failure, unless the application takes it with `onPoison`.
 */
import { MqError } from '@mq/contract'
import type { Deps, FetchedRecord } from '@mq/kafka'
import { LogWindow } from './log-window.ts'
import type { Logger } from './logger.ts'
import { halfJitterMs } from './pause.ts'

const RETRY = { baseMs: 200, capMs: 30_000 }

export interface HandlerFailuresOptions {
  readonly mqId: string
  readonly group: string
  readonly deps: Deps
  readonly logger: Logger
}

export class HandlerFailures {
  readonly #options: HandlerFailuresOptions
  readonly #window: LogWindow

  constructor(options: HandlerFailuresOptions) {
    this.#options = options
    this.#window = new LogWindow(options.deps.clock)
  }

  /** @returns milliseconds until the next attempt (H1) */
  failed(record: FetchedRecord, attempt: number, error: unknown): number {
    const { deps } = this.#options
    const delayMs = halfJitterMs(attempt, RETRY, deps)
    this.#log(record, attempt, error, delayMs)
    return delayMs
  }

  #log(record: FetchedRecord, attempt: number, error: unknown, delayMs: number): void {
    const { mqId, group, logger } = this.#options
    const { isDue, leftOut } = this.#window.take()
    if (leftOut > 0) {
      const message = `${leftOut} more failures of the handler of group ${group} on ${mqId}`
      logger.error(message, { code: 'MQ_HANDLER_FAILED', mqId, group, failures: leftOut })
    }
    if (!isDue) return
    const code = error instanceof MqError ? error.code : 'MQ_HANDLER_FAILED'
    const where = `partition ${record.partition} offset ${record.offset}`
    logger.error(
      `The handler of group ${group} failed on ${mqId} ${where}, attempt ${attempt}: ${reasonOf(error)}; again in ${Math.round(delayMs)} ms`,
      { code, mqId, group, partition: record.partition, offset: String(record.offset), attempt, cause: error },
    )
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
