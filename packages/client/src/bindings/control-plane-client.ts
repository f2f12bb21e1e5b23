/**
 * What the SDK asks of the control plane: short requests with a deadline, and one long event stream.
 *
 * P1. Every short request ends within its deadline; every answer is bounded in size.
 * P2. An answer that carries a `Problem` becomes an `MqError` of its code; no answer at all becomes `MQ_CONTROL_PLANE_AWAY`.
 * P3. The token travels in the `authorization` header only, and redirects are refused, so that it reaches no other host.
 * P4. A server that is not mQ is told as that, at once, where the connection begins: a page, a redirect, another API. Later the
 *     same answers count as an outage: something in front of the control plane may give them for a while.
 */
import { ApiClient, type CallOptions, type RawAnswer, type RouteRequest } from '@mq/api-client'
import {
  type DeadLetterAction,
  MqError,
  type RouteName,
  type RouteResponse,
  routes,
  type SideRole,
  type TelemetryReport,
} from '@mq/contract'
import type { Deps } from '@mq/kafka/types'

export type Fetch = typeof fetch

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
  readonly #api: ApiClient

  constructor(options: ControlPlaneOptions) {
    this.url = options.url
    this.#options = options
    const { url, token, deps } = options
    // Every caller here has a retry loop of its own.
    const shared = { url, token, deps, maxAnswerBytes: MAX_ANSWER_BYTES, retries: 0 }
    this.#api = new ApiClient(options.fetch === undefined ? shared : { ...shared, fetch: options.fetch })
  }

  /** P4 */
  async info(limitMs = REQUEST_MS, signal?: AbortSignal): Promise<RouteResponse<'info'>> {
    try {
      const answer = await this.#api.exchange('info', {}, { deadlineMs: limitMs, signal })
      this.#readClock(answer)
      return answer.body
    } catch (error) {
      if (!isForeign(error)) throw error
      throw new MqError('MQ_OPTION_INVALID', `${this.url} is not an mQ control plane: ${error.message}`)
    }
  }

  /** The binding as it stands, not yet validated; `unchanged` when it is still of the version named. */
  async binding(
    mqId: string,
    options: { version?: string; limitMs?: number; signal?: AbortSignal },
  ): Promise<BindingAnswer> {
    const { version, limitMs = REQUEST_MS, signal } = options
    const request = { params: { id: mqId }, query: { app: this.#options.app } }
    const known = version === undefined ? {} : { ifNoneMatch: `"${version}"` }
    const { status, body } = await this.#send('getBinding', request, { deadlineMs: limitMs, signal, ...known })
    return status === 304 ? { kind: 'unchanged' } : { kind: 'binding', candidate: body }
  }

  /** Makes sure that a group has a place for its dead letters, or a way back for them. */
  async ensureSide(mqId: string, group: string, role: SideRole, signal?: AbortSignal): Promise<void> {
    const request = { params: { id: mqId, group }, body: { role, app: this.#options.app } }
    await this.#send('ensureSide', request, { deadlineMs: SIDE_MS, signal })
  }

  /** What was done with dead letters, for the journal. */
  async noteDeadLetters(mqId: string, group: string, action: DeadLetterAction): Promise<void> {
    await this.#send('noteDeadLetters', { params: { id: mqId, group }, body: action }, { deadlineMs: REQUEST_MS })
  }

  /** @returns how often reports are wanted, when the answer says so */
  async report(report: TelemetryReport, limitMs = REQUEST_MS): Promise<number | undefined> {
    const { body } = await this.#send('telemetry', { body: report }, { deadlineMs: limitMs })
    return routes.telemetry.response.safeParse(body).data?.telemetryMs
  }

  /** Opens the event stream; the caller reads it, watches its heartbeat and ends it through the signal. */
  async stream(mqIds: readonly string[], lastEventId: string | undefined, signal: AbortSignal): Promise<Response> {
    const { app, instance } = this.#options
    const headers: Record<string, string> = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
    try {
      return await this.#api.open(
        'streamBindings',
        { query: { ids: mqIds.join(','), app, instance } },
        { signal, headers },
      )
    } catch (error) {
      throw asOutage(error)
    }
  }

  async #send<N extends RouteName>(name: N, request: RouteRequest<N>, options: CallOptions): Promise<RawAnswer> {
    try {
      const answer = await this.#api.send(name, request, options)
      this.#readClock(answer)
      return answer
    } catch (error) {
      throw asOutage(error)
    }
  }

  #readClock({ serverDateMs, askedMs, answeredMs }: RawAnswer): void {
    // Cut to whole seconds: half of one is the best guess.
    if (serverDateMs !== undefined) this.#options.onTime?.(serverDateMs + 500, askedMs, answeredMs)
  }
}

function isForeign(error: unknown): error is MqError {
  return error instanceof MqError && error.code === 'MQ_RESPONSE_INVALID'
}

/** P4 */
function asOutage(error: unknown): unknown {
  return isForeign(error) ? new MqError('MQ_CONTROL_PLANE_AWAY', error.message, { cause: error }) : error
}
