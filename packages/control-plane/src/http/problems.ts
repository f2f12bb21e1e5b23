/**
 * Every failure of a request as a `Problem` of the contract (H2).
 *
 * E4. What a library says goes out only where it cannot hold bytes of the request: a body that is no JSON, a token or a
 *     header is never quoted.
 */
import { MqError, type MqErrorCode, type Problem, type StrictProblem } from '@mq/contract'

export interface ProblemResponse {
  readonly status: number
  readonly problem: Problem
  /** A defect of mQ: worth an error in the log. */
  readonly defect: boolean
}

export function problemOf(error: unknown): ProblemResponse {
  const known = error instanceof MqError ? error : fromLibrary(error)
  return { status: known.httpStatus, problem: known.toJSON(), defect: known.code === 'MQ_INTERNAL' }
}

/** What did not fit its schema, under the code of the part that is wrong. */
export function invalidRequest(part: 'params' | 'query' | 'body', problems: readonly StrictProblem[]): MqError {
  const lines = problems.map(({ text }) => text)
  const shown = lines.slice(0, 10).join('; ') + (lines.length > 10 ? `; and ${lines.length - 10} more` : '')
  const code = codeOf(
    part,
    problems.map(({ path }) => path.map(String)),
  )
  const where = code === 'MQ_REQUEST_INVALID' ? `${part}: ` : ''
  return new MqError(code, `${where}${shown}`, { details: { problems: lines.slice(0, 100) } })
}

function codeOf(part: string, paths: readonly (readonly string[])[]): MqErrorCode {
  if (part === 'params') {
    if (paths.every((path) => path[0] === 'id')) return 'MQ_ID_INVALID'
    if (paths.every((path) => path[0] === 'name')) return 'MQ_NAME_INVALID'
  }
  if (part === 'body') {
    if (paths.every((path) => path[0] === 'intent' || (path[0] === 'declarations' && path[2] === 'intent'))) {
      return 'MQ_INTENT_INVALID'
    }
    if (paths.every((path) => path[0] === 'declarations' && path[2] === 'id')) return 'MQ_ID_INVALID'
  }
  return 'MQ_REQUEST_INVALID'
}

function fromLibrary(error: unknown): MqError {
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new MqError('MQ_REQUEST_INVALID', 'the body is larger than the route allows')
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new MqError('MQ_REQUEST_INVALID', 'the body must be JSON, with content-type application/json')
  }
  if (code === 'FST_ERR_CTP_INVALID_JSON_BODY' || error instanceof SyntaxError) {
    return new MqError('MQ_REQUEST_INVALID', 'the body is not JSON')
  }
  if (code === 'FST_ERR_CTP_EMPTY_JSON_BODY') return new MqError('MQ_REQUEST_INVALID', 'the body is empty')
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new MqError('MQ_REQUEST_INVALID', 'the request cannot be read')
  }
  return new MqError('MQ_INTERNAL', 'the request failed inside mQ; the log of the control plane says more', {
    cause: error,
  })
}
