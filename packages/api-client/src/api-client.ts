/**
 * The one client of the control plane's HTTP API: every route of the contract's table, typed by its schemas.
 *
 * A1. Every call ends within its deadline, and a body is read only up to a limit.
 * A2. What comes back matches its schema or is an error (H1); a Problem becomes the MqError it describes.
 * A3. The token goes into the Authorization header and nowhere else, and redirects are refused, so that it reaches no other host.
 * A4. A call is sent again only where its route is idempotent, when the connection was cut or a gateway stood in front of nothing, and
 *     within its deadline.
 * A5. Every request carries an id of its own, the same over its retries.
 */
import {
  describeIssues,
  isIdempotent,
  type ListName,
  MqError,
  type RouteName,
  type RouteResponse,
  type RouteShape,
  routes,
} from '@mq/contract'
import { type BackoffLimits, backoffMs, type Clock, pause, systemDeps, type Timed } from '@mq/contract/timing'
import { failureOf, parseAnswer, readText } from './answer.ts'
import { pathOf, type RouteRequest } from './route-request.ts'
import { type CallPlace, deadlineError, foreignAnswer, transportError, wasCut } from './transport-errors.ts'

const DEADLINE_MS = 30_000
const MAX_ANSWER_BYTES = 64 * 1_048_576
const RETRIES = 2
const RETRY: BackoffLimits = { baseMs: 100, maxMs: 5_000 }

export type Fetch = typeof fetch

/** Time, timers and chance: handed in by the SDK, those of the host otherwise. */
export interface ApiDeps extends Timed {
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** In [0, 1). */
  readonly random: () => number
}

export interface ApiClientOptions {
  /** Address of the control plane, without a slash at its end. */
  readonly url: string
  readonly token?: string | undefined
  /** Where the address came from; stands in errors. */
  readonly source?: string
  readonly maxAnswerBytes?: number
  /** A4. 2 when left out; 0 for a caller with a retry loop of its own. */
  readonly retries?: number
  readonly deps?: ApiDeps
  readonly fetch?: Fetch
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  /** 30 seconds when left out. */
  readonly deadlineMs?: number
  /** The version that the caller has: the answer is 304 where it still holds. */
  readonly ifNoneMatch?: string
}

/** An answer whose body was not compared with the schema of its route. */
export interface RawAnswer {
  readonly status: number
  /** Undefined with status 304. */
  readonly body: unknown
  /** The server's own clock, from the Date header: whole seconds. */
  readonly serverDateMs: number | undefined
  /** On the monotonic clock. */
  readonly askedMs: number
  readonly answeredMs: number
}

export interface Answer<N extends RouteName> extends RawAnswer {
  readonly body: RouteResponse<N>
}

/** The pages of a list as one. */
export type WholeList<N extends ListName> = Omit<RouteResponse<N>, 'nextCursor'>

interface ListPage {
  readonly nextCursor: string | null
  readonly [field: string]: unknown
}

interface Attempt {
  readonly place: CallPlace
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly okStatuses: readonly number[]
}

export class ApiClient {
  readonly url: string
  /** Where the address came from. */
  readonly source: string | undefined
  readonly #options: ApiClientOptions
  readonly #deps: ApiDeps
  readonly #fetch: Fetch

  constructor(options: ApiClientOptions) {
    this.url = options.url
    this.source = options.source
    this.#options = options
    this.#deps = options.deps ?? systemDeps
    this.#fetch = options.fetch ?? fetch
  }

  async call<N extends RouteName>(
    name: N,
    request: RouteRequest<N>,
    options: CallOptions = {},
  ): Promise<RouteResponse<N>> {
    return (await this.exchange(name, request, options)).body
  }

  /**
   * Everything of a list, page by page (PG1 of the contract); the other fields are those of the first page.
   * @param options `atMost`: so many items
   */
  async all<N extends ListName>(
    name: N,
    request: RouteRequest<N>,
    options: CallOptions & { readonly atMost?: number } = {},
  ): Promise<WholeList<N>> {
    const { atMost = Number.POSITIVE_INFINITY } = options
    const { list } = routes[name]
    const { nextCursor, ...first } = (await this.call(name, request, options)) as ListPage
    const items = [...(first[list] as unknown[])]
    const seen = new Set<string>()
    for (let cursor = nextCursor; cursor !== null && items.length < atMost; ) {
      if (seen.has(cursor)) throw foreignAnswer(this.#place(name), 'answered with the same cursor a second time')
      seen.add(cursor)
      const next = { ...request, query: { ...request.query, cursor } } as RouteRequest<N>
      const page = (await this.call(name, next, options)) as ListPage
      items.push(...(page[list] as unknown[]))
      cursor = page.nextCursor
    }
    return { ...first, [list]: items.slice(0, atMost) } as unknown as WholeList<N>
  }

  /** A2 */
  async exchange<N extends RouteName>(
    name: N,
    request: RouteRequest<N>,
    options: CallOptions = {},
  ): Promise<Answer<N>> {
    const answer = await this.send(name, request, options)
    const parsed = routes[name].response.safeParse(answer.body)
    if (parsed.success) return { ...answer, body: parsed.data as RouteResponse<N> }
    const problems = describeIssues(parsed.error).slice(0, 3).join('; ')
    throw foreignAnswer(this.#place(name), `answered with something else than mQ would: ${problems}`)
  }

  /** The answer as it came, for callers that accept more than the schema of this version. */
  async send<N extends RouteName>(name: N, request: RouteRequest<N>, options: CallOptions = {}): Promise<RawAnswer> {
    const attempt = this.#attempt(name, request, options)
    const deadlineMs = options.deadlineMs ?? DEADLINE_MS
    const { timers } = this.#deps
    const deadline = new AbortController()
    const timer = timers.setTimeout(() => deadline.abort(), deadlineMs)
    const signal = AbortSignal.any([deadline.signal, ...(options.signal === undefined ? [] : [options.signal])])
    const retries = isIdempotent(routes[name]) ? (this.#options.retries ?? RETRIES) : 0
    try {
      for (let failures = 0; ; failures++) {
        try {
          return await this.#once(attempt, signal)
        } catch (error) {
          if (deadline.signal.aborted) throw deadlineError(attempt.place, deadlineMs)
          if (failures >= retries || signal.aborted || !wasCut(error)) throw error
          await pause(this.#deps, backoffMs(failures + 1, this.#deps.random, RETRY, 'half'), signal)
        }
      }
    } finally {
      timers.clearTimeout(timer)
    }
  }

  /** Opens a stream: the caller reads the response, and ends it through the signal. */
  async open<N extends RouteName>(
    name: N,
    request: RouteRequest<N>,
    options: { readonly signal: AbortSignal; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<Response> {
    const attempt = this.#attempt(name, request, {})
    const headers = { ...attempt.headers, accept: 'text/event-stream', ...options.headers }
    const response = await this.#request({ ...attempt, headers }, options.signal)
    if (response.status === 200) return response
    throw failureOf(attempt.place, response.status, await this.#text(attempt.place, response))
  }

  #place(name: RouteName): CallPlace {
    const { method, path } = routes[name]
    return { url: this.url, source: this.source, method, path }
  }

  #attempt<N extends RouteName>(name: N, request: RouteRequest<N>, { ifNoneMatch }: CallOptions): Attempt {
    const { token } = this.#options
    const shape: RouteShape = routes[name]
    const body = request.body === undefined ? undefined : JSON.stringify(request.body)
    return {
      place: this.#place(name),
      url: this.url + pathOf(name, request),
      body,
      okStatuses: [200, ...(shape.otherStatuses ?? []), ...(ifNoneMatch === undefined ? [] : [304])],
      headers: {
        accept: 'application/json',
        'x-request-id': this.#requestId(),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(ifNoneMatch === undefined ? {} : { 'if-none-match': ifNoneMatch }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
    }
  }

  async #once(attempt: Attempt, signal: AbortSignal): Promise<RawAnswer> {
    const { clock } = this.#deps
    const askedMs = clock.monotonicMs()
    const response = await this.#request(attempt, signal)
    const answeredMs = clock.monotonicMs()
    const { status } = response
    const text = status === 304 ? '' : await this.#text(attempt.place, response)
    if (!attempt.okStatuses.includes(status)) throw failureOf(attempt.place, status, text)
    if (status === 304) await response.body?.cancel()
    const date = Date.parse(response.headers.get('date') ?? '')
    return {
      status,
      body: status === 304 ? undefined : parseAnswer(attempt.place, text),
      serverDateMs: Number.isNaN(date) ? undefined : date,
      askedMs,
      answeredMs,
    }
  }

  async #request({ place, url, headers, body }: Attempt, signal: AbortSignal): Promise<Response> {
    const init = { method: place.method, headers, redirect: 'error', signal } as const
    try {
      return await this.#fetch(url, body === undefined ? init : { ...init, body })
    } catch (error) {
      throw transportError(place, error)
    }
  }

  async #text(place: CallPlace, response: Response): Promise<string> {
    try {
      return await readText(place, response, this.#options.maxAnswerBytes ?? MAX_ANSWER_BYTES)
    } catch (error) {
      throw error instanceof MqError ? error : transportError(place, error)
    }
  }

  /** A5 */
  #requestId(): string {
    const part = (): string =>
      Math.floor(this.#deps.random() * 2 ** 32)
        .toString(16)
        .padStart(8, '0')
    return part() + part()
  }
}
