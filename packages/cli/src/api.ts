/**
 * The typed client of the control plane's HTTP API, made from the contract's routes.
 *
 * A1. Every call ends within its deadline, and a body is read only up to a limit.
 * A2. What comes back matches its schema or is an error (H1); a Problem becomes the MqError it describes.
 * A3. The token goes into the Authorization header and nowhere else.
 */
import {
  describeIssues,
  isMqErrorCode,
  MqError,
  Problem,
  type RouteName,
  type RouteResponse,
  routes,
} from '@mq/contract'
import type { z } from 'zod'
import type { Target } from './contexts.ts'

const DEADLINE_MS = 30_000
const MAX_BODY_BYTES = 64 * 1_024 * 1_024

type Route<N extends RouteName> = (typeof routes)[N]
type InputOf<N extends RouteName, K extends string> =
  Route<N> extends Record<K, infer S extends z.ZodType> ? { [P in K]: z.input<S> } : { [P in K]?: never }
export type RouteRequest<N extends RouteName> = InputOf<N, 'params'> &
  InputOf<N, 'body'> & { query?: Readonly<Record<string, string>> }

export interface CallOptions {
  readonly signal?: AbortSignal
  readonly deadlineMs?: number
}

export interface Answer<N extends RouteName> {
  readonly body: RouteResponse<N>
  /** The server's own clock, from the Date header. */
  readonly serverDateMs: number | undefined
}

export class ControlPlaneApi {
  readonly target: Target
  readonly #fetch: typeof fetch

  constructor(target: Target, fetchLike: typeof fetch = fetch) {
    this.target = target
    this.#fetch = fetchLike
  }

  async call<N extends RouteName>(
    name: N,
    request: RouteRequest<N>,
    options: CallOptions = {},
  ): Promise<RouteResponse<N>> {
    return (await this.exchange(name, request, options)).body
  }

  async exchange<N extends RouteName>(
    name: N,
    request: RouteRequest<N>,
    options: CallOptions = {},
  ): Promise<Answer<N>> {
    const route = routes[name]
    const url = this.#url(route.path, request)
    const deadlineMs = options.deadlineMs ?? DEADLINE_MS
    const deadline = AbortSignal.timeout(deadlineMs)
    const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal])
    let response: Response
    let text: string
    try {
      response = await this.#fetch(url, {
        method: route.method,
        headers: this.#headers(request.body !== undefined),
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
        redirect: 'error',
        signal,
      })
      text = await readText(response)
    } catch (error) {
      if (error instanceof MqError) throw error
      throw this.#away(error, deadline.aborted ? deadlineMs : undefined)
    }
    if (!response.ok && !(name === 'ready' && response.status === 503)) throw this.#problem(response.status, text)
    const parsed = route.response.safeParse(parseJson(text))
    if (!parsed.success) {
      throw new MqError(
        'MQ_RESPONSE_INVALID',
        `${this.target.url} answered ${route.method} ${route.path} with something else than mQ would: ${describeIssues(parsed.error).slice(0, 3).join('; ')}`,
      )
    }
    const date = Date.parse(response.headers.get('date') ?? '')
    return { body: parsed.data as RouteResponse<N>, serverDateMs: Number.isNaN(date) ? undefined : date }
  }

  #url(path: string, request: { params?: unknown; query?: Readonly<Record<string, string>> }): string {
    const params = (request.params ?? {}) as Readonly<Record<string, string>>
    const filled = path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ''))
    const query = new URLSearchParams(request.query).toString()
    return `${this.target.url}${filled}${query === '' ? '' : `?${query}`}`
  }

  #headers(hasBody: boolean): Record<string, string> {
    return {
      accept: 'application/json',
      ...(hasBody ? { 'content-type': 'application/json' } : {}),
      ...(this.target.token === undefined ? {} : { authorization: `Bearer ${this.target.token}` }),
    }
  }

  #away(error: unknown, deadlineMs: number | undefined): MqError {
    const { url, source } = this.target
    const why = deadlineMs === undefined ? reasonOf(error) : `no answer within ${deadlineMs} ms`
    return new MqError('MQ_CONTROL_PLANE_AWAY', `No control plane at ${url} (${source}): ${why}`, { cause: error })
  }

  #problem(status: number, text: string): MqError {
    const problem = Problem.safeParse(parseJson(text))
    if (problem.success && isMqErrorCode(problem.data.code)) {
      const { code, message, details } = problem.data
      return new MqError(code, message, details === undefined ? {} : { details })
    }
    return new MqError('MQ_RESPONSE_INVALID', `${this.target.url} answered with HTTP status ${status} and no mQ error`)
  }
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > MAX_BODY_BYTES) {
      throw new MqError('MQ_RESPONSE_INVALID', `${response.url} answered with more than ${MAX_BODY_BYTES} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the host name cannot be looked up now',
  ECONNRESET: 'the connection was cut',
  ETIMEDOUT: 'the connection timed out',
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  if (code !== undefined && REASONS[code] !== undefined) return REASONS[code]
  if (cause instanceof Error && cause.message === 'bad port') return 'the port belongs to another protocol'
  return cause instanceof Error ? cause.message : error instanceof Error ? error.message : String(error)
}
