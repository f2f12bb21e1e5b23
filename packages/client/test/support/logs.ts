import type { LogFields, Logger } from '../../src/base/logger.ts'

export interface LogLine {
  readonly level: 'warn' | 'error'
  readonly message: string
  readonly fields: LogFields
}

/** A logger that keeps what it was told. */
export class RecordingLogger implements Logger {
  readonly lines: LogLine[] = []

  warn(message: string, fields: LogFields): void {
    this.lines.push({ level: 'warn', message, fields })
  }

  error(message: string, fields: LogFields): void {
    this.lines.push({ level: 'error', message, fields })
  }

  codes(): string[] {
    return this.lines.map((line) => line.fields.code)
  }
}
