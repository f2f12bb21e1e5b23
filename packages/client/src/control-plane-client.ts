/**
 * Talks HTTP to the control plane: short requests with a deadline, and one long event stream.
 *
 * P1. Every short request ends within its deadline; every answer is bounded in size.
 * P2. An answer that carries a `Problem` becomes an `MqError` of its code; no answer at all becomes `MQ_CONTROL_PLANE_AWAY`.
 * P4. A server that is not mQ is told as that, at once, where the connection begins: a page, a redirect, another API. Later the
 *     same answers count as an outage: something in front of the control plane may give them for a while.
 * P3. The token travels in the `authorization` header only, and redirects are refused, so that it reaches no other host.
 */
import {
  type Binding,
  type DeadLetterAction,
  isMqErrorCode,
  MqError,
  Problem,
  type RouteResponse,
  routes,
  type SideRole,
  type TelemetryReport,
} from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { Fetch } from './api.ts'

const MAX_ANSWER_BYTES = 8 * 1_048_576
const REQUEST_MS = 10_000
/** A topic may have to be made. */
const SIDE_MS = 30_000

export interface ControlPlaneOptions {
  readonly url: string
  readonly app: string
  readonly instance: string
  readonly token?: string | undefined
  readonly deps: Deps
  readonly fetch?: Fetch
  /** An answer that names the time of the control plane, to the second; asked and answered on the monotonic clock. */
  onTime?(theirMs: number, askedMs: number, answeredMs: number): void
}

export type BindingAnswer = { readonly kind: 'unchanged' } | { readonly kind: 'binding'; readonly candidate: unknown }

export class ControlPlaneClient {
  readonly url: string
  readonly #options: ControlPlaneOptions
  readonly #fetch: Fetch

  constructor(options: ControlPlaneOptions) {
    this.url = options.url
    this.#options = options
    this.#fetch = options.fetch ?? fetch
  }

  async info(limitMs = REQUEST_MS, signal?: AbortSignal): Promise<RouteResponse<'info'>> {
    let body: unknown
    try {
      body = await this.#json('GET', routes.info.path, {}, limitMs, signal)
    } catch (error) {
      const what = error instanceof MqError ? foreignAnswers.get(error) : undefined
      throw what === undefined ? error : this.#notMq(what)
    }
    const parsed = routes.info.response.safeParse(body)
    if (parsed.success) return parsed.data
    throw this.#notMq('answered with something else than mQ would')
  }

  /** P4 */
  #notMq(what: string): MqError {
    return new MqError('MQ_OPTION_INVALID', `${this.url} is not an mQ control plane: ${routes.info.path} ${what}`)
  }

  /** The binding as it stands, not yet validated; `unchanged` when it is still of the version named. */
  async binding(
    mqId: string,
    options: { version?: string; limitMs?: number; signal?: AbortSignal },
  ): Promise<BindingAnswer> {
    const path = `${routes.getBinding.path.replace(':id', encodeURIComponent(mqId))}?app=${encodeURIComponent(this.#options.app)}`
    const headers: Record<string, string> =
      options.version === undefined ? {} : { 'if-none-match': `"${options.version}"` }
    const body = await this.#json('GET', path, { headers }, options.limitMs ?? REQUEST_MS, options.signal)
    return body === undefined ? { kind: 'unchanged' } : { kind: 'binding', candidate: body as Binding }
  }

  /** Makes sure that a group has a place for its dead letters, or a way back for them. */
  async ensureSide(mqId: string, group: string, role: SideRole, signal?: AbortSignal): Promise<void> {
    const path = routes.ensureSide.path
      .replace(':id', encodeURIComponent(mqId))
      .replace(':group', encodeURIComponent(group))
    const body = JSON.stringify({ role, app: this.#options.app })
    await this.#json('POST', path, { body }, SIDE_MS, signal)
  }

  /** What was done with dead letters, for the journal. */
  async noteDeadLetters(mqId: string, group: string, action: DeadLetterAction): Promise<void> {
    const path = routes.noteDeadLetters.path
      .replace(':id', encodeURIComponent(mqId))
      .replace(':group', encodeURIComponent(group))
    await this.#json('POST', path, { body: JSON.stringify(action) }, REQUEST_MS)
  }

  /** @returns how often reports are wanted, when the answer says so */
  async report(report: TelemetryReport, limitMs = REQUEST_MS): Promise<number | undefined> {
    const answer = await this.#json('POST', routes.telemetry.path, { body: JSON.stringify(report) }, limitMs)
    return routes.telemetry.response.safeParse(answer).data?.telemetryMs
  }

  /** Opens the event stream; the caller reads it, watches its heartbeat and ends it through the signal. */
  async stream(mqIds: readonly string[], lastEventId: string | undefined, signal: AbortSignal): Promise<Response> {
    const query = new URLSearchParams({
      ids: mqIds.join(','),
      app: this.#options.app,
      instance: this.#options.instance,
    })
    const response = await this.#request('GET', `${routes.streamBindings.path}?${query.toString()}`, signal, {
      headers: {
        accept: 'text/event-stream',
        ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
      },
    })
    if (response.status !== 200) throw await this.#problem(response, signal)
    return response
  }

  async #json(
    method: string,
    path: string,
    init: { headers?: Record<string, string>; body?: string },
    limitMs: number,
    outer?: AbortSignal,
  ): Promise<unknown> {
    const limit = new AbortController()
    const timer = this.#options.deps.timers.setTimeout(
      () => limit.abort(new Error(`no answer within ${limitMs} ms`)),
      limitMs,
    )
    const signal = outer === undefined ? limit.signal : AbortSignal.any([limit.signal, outer])
    const { clock } = this.#options.deps
    const askedMs = clock.monotonicMs()
    try {
      const response = await this.#request(method, path, signal, init)
      // Cut to whole seconds: half of one is the best guess.
      const theirMs = Date.parse(response.headers.get('date') ?? '') + 500
      if (response.ok && theirMs > 0) this.#options.onTime?.(theirMs, askedMs, clock.monotonicMs())
      if (response.status === 304) {
        await response.body?.cancel()
        return undefined
      }
      if (!response.ok) throw await this.#problem(response, signal)
      return parseAnswer(await this.#text(response), this.url)
    } catch (error) {
      if (error instanceof MqError) throw error
      throw this.#away(path, error)
    } finally {
      this.#options.deps.timers.clearTimeout(timer)
    }
  }

  async #request(
    method: string,
    path: string,
    signal: AbortSignal,
    init: { headers?: Record<string, string>; body?: string },
  ): Promise<Response> {
    const { token } = this.#options
    try {
      return await this.#fetch(this.url + path, {
        method,
        signal,
        redirect: 'error',
        headers: {
          ...init.headers,
          ...(init.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        ...(init.body === undefined ? {} : { body: init.body }),
      })
    } catch (error) {
      if (causeOf(error).message === 'unexpected redirect') {
        throw foreignAnswer(this.url, 'redirects to another address, and a token must not follow it there')
      }
      throw this.#away(path, error)
    }
  }

  async #problem(response: Response, signal: AbortSignal): Promise<MqError> {
    let parsed: Problem | undefined
    try {
      parsed = Problem.parse(JSON.parse(await this.#text(response)))
    } catch {
      if (signal.aborted) return this.#away(response.url, signal.reason)
    }
    if (parsed !== undefined && isMqErrorCode(parsed.code)) {
      return new MqError(parsed.code, parsed.message, { details: parsed.details ?? {} })
    }
    if (response.status === 401 || response.status === 403) {
      return new MqError('MQ_UNAUTHORIZED', `${this.url} answered with status ${response.status}`)
    }
    // What stands in front of a control plane that is away answers like this.
    if (GATEWAY_STATUS.has(response.status)) {
      return new MqError('MQ_CONTROL_PLANE_AWAY', `${this.url} answered with status ${response.status}`)
    }
    return foreignAnswer(this.url, `answered with status ${response.status} and no error of mQ`)
  }

  async #text(response: Response): Promise<string> {
    if (response.body === null) return ''
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      if (bytes > MAX_ANSWER_BYTES) throw new Error(`the answer is over ${MAX_ANSWER_BYTES} bytes`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString('utf8')
  }

  #away(path: string, error: unknown): MqError {
    const cause = causeOf(error)
    const reason = cause.message === '' ? cause.name : cause.message
    return new MqError('MQ_CONTROL_PLANE_AWAY', `${this.url} did not answer ${path.split('?')[0]}: ${reason}`, {
      cause,
    })
  }
}

const GATEWAY_STATUS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])

const foreignAnswers = new WeakMap<MqError, string>()

/** An answer that mQ does not give; as long as nothing more is known an outage (P4). */
function foreignAnswer(url: string, what: string): MqError {
  const error = new MqError('MQ_CONTROL_PLANE_AWAY', `${url} ${what}`)
  foreignAnswers.set(error, what)
  return error
}

function parseAnswer(text: string, url: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw foreignAnswer(url, 'answered with something that is not JSON')
  }
}

function causeOf(error: unknown): Error {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause : new Error(String(cause))
}
