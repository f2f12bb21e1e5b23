/** The error that mQ throws and rejects with: a code of the catalogue, with what happened in this case. */
import { catalogue, type MqErrorCode } from './errors.ts'

export interface MqErrorOptions {
  readonly cause?: unknown
  /** Facts for programs: names and numbers, never secrets or payloads. */
  readonly details?: Readonly<Record<string, unknown>>
}

const BRAND = Symbol.for('@mq/MqError')

/** Every error mQ throws or rejects with. `instanceof` holds across copies of the package. */
export class MqError extends Error {
  override readonly name = 'MqError'
  readonly code: MqErrorCode
  readonly details: Readonly<Record<string, unknown>>

  /**
   * @param code from the catalogue
   * @param message what happened in this case, with names and numbers; the catalogue's action is kept beside it
   */
  constructor(code: MqErrorCode, message: string, options: MqErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
    Object.defineProperty(this, BRAND, { value: true })
  }

  /** The same call may succeed later without a change by a person. */
  get retryable(): boolean {
    return catalogue[this.code].retryable
  }

  /** What a person does about it. */
  get action(): string {
    return catalogue[this.code].action
  }

  get httpStatus(): number {
    return catalogue[this.code].httpStatus
  }

  toJSON(): {
    code: MqErrorCode
    message: string
    action: string
    retryable: boolean
    details?: Readonly<Record<string, unknown>>
  } {
    const problem = { code: this.code, message: this.message, action: this.action, retryable: this.retryable }
    return Object.keys(this.details).length === 0 ? problem : { ...problem, details: this.details }
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[BRAND] === true
  }
}
