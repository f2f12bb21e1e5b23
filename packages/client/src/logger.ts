/**
 * Where the SDK tells of problems. It is silent while all is well.
 *
 * L1. No payload, key, header value or secret is ever logged.
 */
import type { MqErrorCode } from '@mq/contract'

/** `fields` are facts for machines; the text alone is enough for a person. */
export interface Logger {
  warn(message: string, fields: LogFields): void
  error(message: string, fields: LogFields): void
}

export interface LogFields {
  readonly code: MqErrorCode
  readonly [name: string]: unknown
}

/** Problems to standard error, one line each. */
export const consoleLogger: Logger = {
  warn: (message, fields) => console.warn(`mQ ${fields.code}: ${message}`),
  error: (message, fields) => console.error(`mQ ${fields.code}: ${message}`),
}
