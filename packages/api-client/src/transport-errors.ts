/**
 * Errors of calls that no control plane answered, or something else than mQ did.
 *
 * T1. A connection that fails or is silent, and a gateway that says that what is behind it is away, are MQ_CONTROL_PLANE_AWAY.
 * T2. Any other answer that mQ does not give is MQ_RESPONSE_INVALID: a page, a redirect, another API.
 * T3. No text of an answer is quoted: it may be anything.
 * T4. A port that `fetch` never calls is no outage: waiting changes nothing.
 */
import { MqError } from '@mq/contract'

/** What is called, for messages. */
export interface CallPlace {
  readonly url: string
  /** Where the address came from, such as `MQ_URL`. */
  readonly source?: string | undefined
  readonly method: string
  /** As the route table has it: without values of the request. */
  readonly path: string
}

const GATEWAY_STATUS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])
const RETRIED_STATUS: ReadonlySet<number> = new Set([502, 503, 504])
/** The connection stood and was cut: a control plane that restarts does that. */
const CUT_CODES: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])
const UNREACHED: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the host name cannot be looked up now',
}
const BROKEN: Readonly<Record<string, string>> = {
  ECONNRESET: 'the connection was cut',
  ETIMEDOUT: 'the connection timed out',
}

const cut = new WeakSet<MqError>()

/** Whether the same call may be sent again at once, if the route allows it. */
export function wasCut(error: unknown): boolean {
  return error instanceof MqError && cut.has(error)
}

/** T1 @param error of fetch or of reading the answer */
export function transportError(place: CallPlace, error: unknown): MqError {
  const cause = causeOf(error)
  if (cause.message === 'unexpected redirect') {
    return foreignAnswer(place, 'redirects to another address, and a token must not follow it there')
  }
  const { code } = cause as { code?: unknown }
  const unreached = typeof code === 'string' ? UNREACHED[code] : undefined
  if (unreached !== undefined) return away(`No control plane at ${where(place)}: ${unreached}`, cause)
  if (cause.message === 'bad port') return refusedPort(place, cause)
  const known = typeof code === 'string' ? BROKEN[code] : undefined
  const reason = known ?? (cause.message === '' ? cause.name : cause.message)
  const failure = away(`${unanswered(place)}: ${reason}`, cause)
  if (typeof code === 'string' && CUT_CODES.has(code)) cut.add(failure)
  return failure
}

/** T4 */
function refusedPort(place: CallPlace, cause: Error): MqError {
  const what = `No control plane can be called at ${where(place)}: fetch refuses that port, as browsers do, because it belongs to another protocol`
  return new MqError('MQ_OPTION_INVALID', `${what}. Let the control plane listen on another one`, { cause })
}

/** T1 */
export function deadlineError(place: CallPlace, deadlineMs: number): MqError {
  return away(`${unanswered(place)} within ${deadlineMs} ms`)
}

/** An answer of a failure that holds no problem of mQ. */
export function statusError(place: CallPlace, status: number): MqError {
  if (status === 401 || status === 403) {
    return new MqError('MQ_UNAUTHORIZED', `${place.url} answered with status ${status}`)
  }
  if (!GATEWAY_STATUS.has(status)) return foreignAnswer(place, `answered with status ${status} and no error of mQ`)
  const failure = away(`${where(place)} answered with status ${status}`)
  if (RETRIED_STATUS.has(status)) cut.add(failure)
  return failure
}

/** T2 */
export function foreignAnswer({ url, method, path }: CallPlace, what: string): MqError {
  return new MqError('MQ_RESPONSE_INVALID', `${url} ${what} (${method} ${path})`)
}

function away(message: string, cause?: Error): MqError {
  return new MqError('MQ_CONTROL_PLANE_AWAY', message, cause === undefined ? {} : { cause })
}

function unanswered(place: CallPlace): string {
  return `The control plane at ${where(place)} did not answer ${place.method} ${place.path}`
}

function where({ url, source }: CallPlace): string {
  return source === undefined ? url : `${url} (${source})`
}

function causeOf(error: unknown): Error {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause : new Error(String(cause))
}
