/**
 * What happens when a handler fails: it is said, counted, and the message is handed out again later.
 *
 * H1. The pause before the next attempt doubles up to a limit, with jitter, and holds back that key only (retry-policy.ts).
 * H2. The first failures of a window are logged one by one; beyond that their number, so that a dead dependency does not
 *     drown the log.
 * H3. A message that cannot be used at all (its value does not decode, or does not match the schema) blocks its key like any
 *     failure, unless the application takes it with `onPoison`.
 * H4. That a dead letter cannot be written is said at once and then every 30 seconds, not with every message.
 */
import { MqError } from '@mq/contract'
import { backoffMs, type Deps, type FetchedRecord } from '@mq/kafka'
import { LogWindow } from '../base/log-window.ts'
import type { Logger } from '../base/logger.ts'
import { Notices } from '../base/notices.ts'
import { NotAnAttempt } from '../epochs/delivery.ts'
import { FOREVER, type RetryPolicy } from './retry-policy.ts'

const WRITE_RETRY = { baseMs: 1_000, maxMs: 30_000 }

export interface HandlerFailuresOptions {
  readonly mqId: string
  readonly group: string
  readonly deps: Deps
  readonly logger: Logger
  policy?(): RetryPolicy
}

export class HandlerFailures {
  readonly #options: HandlerFailuresOptions
  readonly #window: LogWindow
  readonly #notices: Notices

  constructor(options: HandlerFailuresOptions) {
    this.#options = options
    this.#window = new LogWindow(options.deps.clock)
    this.#notices = new Notices(options.deps.clock)
  }

  /** @returns milliseconds until the next attempt (H1) */
  failed(record: FetchedRecord, keyHash: string | null, attempt: number, error: unknown): number {
    const { deps } = this.#options
    if (error instanceof NotAnAttempt) {
      this.#notWritten(error)
      return backoffMs(attempt, deps.random, WRITE_RETRY, 'half')
    }
    const delayMs = backoffMs(attempt, deps.random, (this.#options.policy?.() ?? FOREVER).backoff, 'half')
    this.#log(record, keyHash, attempt, error, `again in ${Math.round(delayMs)} ms`)
    return delayMs
  }

  /** It failed for the last time, and goes to the dead letters. */
  gaveUp(record: Pick<FetchedRecord, 'partition' | 'offset'>, attempt: number, error: unknown): void {
    this.#log(record, undefined, attempt, error, 'it becomes a dead letter')
  }

  /** H4 */
  #notWritten({ cause }: NotAnAttempt): void {
    const { mqId, group, logger } = this.#options
    const code = cause instanceof MqError ? cause.code : 'MQ_INTERNAL'
    if (!this.#notices.isDue(code)) return
    const action = cause instanceof MqError ? ` ${cause.action}.` : ''
    logger.error(
      `Dead letters of group ${group} of ${mqId} cannot be written: ${reasonOf(cause)}.${action} Their messages wait, and it is tried again`,
      { code, mqId, group, cause },
    )
  }

  #log(
    record: Pick<FetchedRecord, 'partition' | 'offset'>,
    keyHash: string | null | undefined,
    attempt: number,
    error: unknown,
    then: string,
  ): void {
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
      `The handler of group ${group} failed on ${mqId} ${where}, attempt ${attempt}: ${reasonOf(error)}; ${then}`,
      {
        code,
        mqId,
        group,
        partition: record.partition,
        offset: String(record.offset),
        ...(keyHash === undefined ? {} : { keyHash }),
        attempt,
        cause: error,
      },
    )
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
