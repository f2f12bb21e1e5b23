/**
 * Where the SDK tells of problems. It is silent while all is well.
 *
 * L1. No payload, key, header value or secret is ever logged.
 * L2. A logger that takes its fields first (pino, bunyan) gets them first; one that takes the text first (the console, winston) gets them
 *     second. No field is lost either way.
 */
import { MqError, type MqErrorCode } from '@mq/contract'

/** `fields` are facts for machines; the text alone is enough for a person. */
export interface Logger {
  warn(message: string, fields: LogFields): void
  error(message: string, fields: LogFields): void
}

/** pino, bunyan, and loggers made after them. */
export interface FieldsFirstLogger {
  warn(fields: object, message?: string): void
  error(fields: object, message?: string): void
  child(bindings: object): unknown
}

export interface LogFields {
  readonly code: MqErrorCode
  readonly [name: string]: unknown
}

const MOST_FRAMES = 10

/** Problems to standard error, one line each; below that of a failed handler where it failed. */
export const consoleLogger: Logger = {
  warn: (message, fields) => console.warn(line(message, fields)),
  error: (message, fields) => console.error(line(message, fields)),
}

const line = (message: string, fields: LogFields | undefined): string =>
  `mQ ${fields?.code ?? 'MQ_INTERNAL'}: ${message}${stackOf(fields)}`

/** Where a handler failed: who reads the log of an application looks for that. Problems of mQ itself are told by their text. */
function stackOf(fields: LogFields | undefined): string {
  const cause = fields?.code === 'MQ_HANDLER_FAILED' ? fields.cause : undefined
  const frames = cause instanceof Error ? cause.stack?.split('\n').slice(1, 1 + MOST_FRAMES) : undefined
  return frames === undefined || frames.length === 0 ? '' : `\n${frames.join('\n')}`
}

/** L2. Throws MqError for what cannot log. */
export function loggerOf(given: Logger | FieldsFirstLogger | undefined): Logger {
  if (given === undefined) return consoleLogger
  if (typeof given?.warn !== 'function' || typeof given.error !== 'function') {
    throw new MqError('MQ_OPTION_INVALID', 'logger has no functions warn and error')
  }
  if (!isFieldsFirst(given)) return given
  return {
    warn: (message, fields) => given.warn(fields, message),
    error: (message, fields) => given.error(fields, message),
  }
}

/** pino has `bindings`, bunyan has `addStream`; winston has `child`, too, and neither. */
function isFieldsFirst(logger: Logger | FieldsFirstLogger): logger is FieldsFirstLogger {
  const { child, bindings, addStream } = logger as unknown as Record<string, unknown>
  return typeof child === 'function' && (typeof bindings === 'function' || typeof addStream === 'function')
}
