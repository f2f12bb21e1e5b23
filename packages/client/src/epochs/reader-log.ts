/**
 * What an epoch reader tells those who run it.
 *
 * L1. What goes on is said again at most every 30 seconds, however many partitions it concerns and however often it is tried.
 * L2. What a person has to mend is said as an error, at once, with what to do.
 */
import type { MqError } from '@mq/contract'
import { type Clock, fateOf } from '@mq/kafka'
import { FailureThrottle } from '../base/failure-throttle.ts'
import type { Logger } from '../base/logger.ts'
import { Notices } from '../base/notices.ts'

export interface ReaderLogOptions {
  readonly mqId: string
  readonly group: string
  readonly topic: string
  readonly logger: Logger
  readonly clock: Clock
}

/** Whether somebody has to act before it goes on. */
export const isForPerson = (error: MqError): boolean => fateOf(error).by === 'person'

export class ReaderLog {
  readonly #options: ReaderLogOptions
  readonly #groupTrouble: FailureThrottle
  readonly #notices: Notices

  constructor(options: ReaderLogOptions) {
    this.#options = options
    this.#groupTrouble = new FailureThrottle(options.clock)
    this.#notices = new Notices(options.clock)
  }

  /** It failed, and is tried again (L1, L2). @param what without the name of the group, such as `cannot read` */
  failed(what: string, error: MqError): void {
    if (!this.#notices.isDue(`${what} ${error.code}`)) return
    const level = isForPerson(error) ? 'error' : 'warn'
    const message = `${this.#name} ${what}: ${error.message}. ${error.action}; it is tried again`
    this.#options.logger[level](message, this.#fields(error))
  }

  /** Trouble with the membership: what passes soon is not worth a line. */
  groupFailed(error: MqError): void {
    if (isForPerson(error)) this.failed('is out of its group', error)
    else if (this.#groupTrouble.failed()) this.warn(error, `: ${error.message}`)
  }

  warn(error: MqError, message: string): void {
    this.#options.logger.warn(`${this.#name}${message}`, this.#fields(error))
  }

  standsStill(partition: number, error: MqError, pauseMs: number): void {
    this.#options.logger.error(
      `${this.#name} stands still at partition ${partition}: ${error.message}; next try in ${pauseMs / 1_000} s`,
      { ...this.#fields(error), partition },
    )
  }

  outOfRange(partition: number, requested: bigint, earliest: bigint, lostRecords: bigint): void {
    const what =
      lostRecords > 0n
        ? `${lostRecords} records were removed before the group read them`
        : `its position ${requested} is beyond the end of the log`
    const { mqId, group } = this.#options
    this.#options.logger.error(
      `${this.#name}, partition ${partition}: ${what}; reading goes on at offset ${earliest}`,
      { code: 'MQ_OFFSET_LOST', mqId, group, partition, lostRecords: Number(lostRecords) },
    )
  }

  recreated(topicIdBefore: string, topicId: string): void {
    const { mqId, group, topic } = this.#options
    const what = 'what was not read of the old one is gone, and the new one is read from its beginning'
    this.#options.logger.error(`${this.#name}: topic ${topic} was deleted and created again; ${what}`, {
      code: 'MQ_TOPIC_RECREATED',
      mqId,
      group,
      topicIdBefore,
      topicId,
    })
  }

  get #name(): string {
    return `Group ${this.#options.group} of ${this.#options.mqId}`
  }

  #fields({ code }: MqError): { code: MqError['code']; mqId: string; group: string } {
    return { code, mqId: this.#options.mqId, group: this.#options.group }
  }
}
