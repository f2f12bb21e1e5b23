/**
 * What the control plane logs through. Records hold names, codes and numbers; never headers, bodies, tokens or credentials.
 */
import { pino } from 'pino'

export interface Logger {
  debug(facts: Readonly<Record<string, unknown>>, message: string): void
  info(facts: Readonly<Record<string, unknown>>, message: string): void
  warn(facts: Readonly<Record<string, unknown>>, message: string): void
  error(facts: Readonly<Record<string, unknown>>, message: string): void
}

/** A second line of defence: what should never be logged is blanked if it is. */
const REDACTED = ['token', 'password', 'secret', 'authorization', 'credentials', 'sasl', 'headers', 'body'].flatMap(
  (name) => [name, `*.${name}`, `*.*.${name}`],
)

/** JSON lines on `destination`, standard error by default. */
export function createLogger(level: string, destination: { write(line: string): void } = process.stderr): Logger {
  return pino({ level, redact: { paths: REDACTED, censor: '[redacted]' } }, destination)
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** The facts of an error for a log record: code and message, no stack of a library, no cause that may hold bytes. */
export function errorFacts(error: unknown): { code: string; problem: string } {
  if (error instanceof Error) {
    const code = (error as { code?: unknown }).code
    return { code: typeof code === 'string' ? code : error.name, problem: error.message }
  }
  return { code: 'unknown', problem: typeof error }
}
