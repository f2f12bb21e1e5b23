/**
 * The exit codes of `mq`: the one place they are chosen, shown by `mq help exit-codes` and the docs.
 *
 * X1. Every failure has a catalogue code, and the exit code follows from it alone, so that scripts can tell
 *     "mend the input" from "try again later" without reading text.
 */
import { catalogue, type MqErrorCode } from '@mq/contract'

export const exitCodes = {
  ok: 0,
  failure: 1,
  badInput: 2,
  notFound: 3,
  retryLater: 4,
  refused: 5,
  notAllowed: 6,
  changesPending: 10,
  interrupted: 130,
  terminated: 143,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

export const exitCodeMeanings: readonly { readonly code: ExitCode; readonly meaning: string }[] = [
  { code: exitCodes.ok, meaning: 'done' },
  { code: exitCodes.failure, meaning: 'failed, or a check of demo, test or doctor did not hold' },
  { code: exitCodes.badInput, meaning: 'unusable input: an option, a file, an mQ ID, an intent or a message' },
  { code: exitCodes.notFound, meaning: 'no such mQ ID, cluster, topic or context' },
  { code: exitCodes.retryLater, meaning: 'unreachable or busy: the same command may succeed later' },
  {
    code: exitCodes.refused,
    meaning: 'refused as things stand: in use, already there, cannot be met, or a tool is missing',
  },
  { code: exitCodes.notAllowed, meaning: 'token or credentials missing, wrong or without the right' },
  { code: exitCodes.changesPending, meaning: 'apply --plan --detailed-exit-code: there are changes to apply' },
  { code: exitCodes.interrupted, meaning: 'stopped by Ctrl-C before it was done (dev and tail end with 0)' },
  { code: exitCodes.terminated, meaning: 'stopped by SIGTERM before it was done' },
]

/** The exit code that belongs to a catalogue code (X1). */
export function exitCodeFor(code: MqErrorCode): ExitCode {
  const { httpStatus, retryable } = catalogue[code]
  if (httpStatus === 401 || httpStatus === 403) return exitCodes.notAllowed
  if (httpStatus === 404 || httpStatus === 410) return exitCodes.notFound
  if (httpStatus === 400 || httpStatus === 413) return exitCodes.badInput
  if (retryable && code !== 'MQ_HANDLER_FAILED') return exitCodes.retryLater
  if (httpStatus === 409 || httpStatus === 422 || httpStatus === 424) return exitCodes.refused
  return exitCodes.failure
}
