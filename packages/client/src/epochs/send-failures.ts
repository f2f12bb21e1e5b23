/** The log of sends to one mQ ID that failed, whoever waits for them. */
import type { MqError } from '@mq/contract'
import type { Clock } from '@mq/kafka'
import { LogWindow } from '../base/log-window.ts'
import type { Logger } from '../base/logger.ts'

export class SendFailures {
  readonly #mqId: string
  readonly #window: LogWindow
  readonly #logger: Logger

  constructor(mqId: string, clock: Clock, logger: Logger) {
    this.#mqId = mqId
    this.#window = new LogWindow(clock)
    this.#logger = logger
  }

  failed(records: number, error: MqError): void {
    const mqId = this.#mqId
    const { isDue, leftOut } = this.#window.take(records)
    const fields = { code: error.code, mqId }
    if (leftOut > 0) this.#logger.error(`Sending to ${mqId}: ${leftOut} more failed`, { ...fields, records: leftOut })
    if (isDue) this.#logger.error(`Sending to ${mqId}: ${error.message}`, { ...fields, records })
  }
}
