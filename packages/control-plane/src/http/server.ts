/**
 * The HTTP side: every route of the contract, the OpenAPI document, metrics, and the push stream.
 *
 * H3. Routes come from the contract only; the document is made from the same schemas that check the requests.
 * H4. A response is checked against its schema before it leaves; one that does not fit is a defect, not an answer.
 * H6. With a certificate it speaks TLS 1.2 and newer, and nothing else.
 * H7. While it stops, answers close their connection: whoever asks again finds out that nobody listens any more.
 * H5. A log record of a request holds the route, status, time, principal and request id; never its address, headers or body.
 * H8. A caller without the permission of a route is refused before anything of its request is read.
 */
import { describeIssues, MqError, parseStrict, type RouteName, type RouteShape, routes } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
} from 'fastify'
import { z } from 'zod'
import { authorise, type Identity, TENANT } from '../app/caller.ts'
import { errorFacts, type Logger } from '../logger.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { withinRequest } from '../store/request-scope.ts'
import type { Access } from './access.ts'
import { callerOf, type Exchange, type Handlers, requestIdOf, setCaller } from './exchange.ts'
import { monitoringPaths, registerMonitoring, shownBy } from './monitoring.ts'
import { registerOpenApi, routeNames, routeSchema } from './openapi.ts'
import { invalidRequest, problemOf } from './problems.ts'
import type { Readiness } from './readiness.ts'

const KIB = 1_024
const NO_FIELDS = z.object({})
const BODY_LIMIT_BYTES = 256 * KIB
/** Room in the request line and headers for a stream of many mQ IDs. */
const MAX_HEADER_BYTES = 64 * KIB
const REQUEST_TIMEOUT_MS = 60_000

/** H6 of the contract: what clients of another version speak. */
const sdkPaths = new Set<string>(
  routeNames.flatMap((name) => ((routes[name] as RouteShape).speaksToSdk === true ? [routes[name].path] : [])),
)

const publicPaths: ReadonlySet<string> = new Set(
  routeNames.flatMap((name) => (routes[name].permission === 'none' ? [routes[name].path] : [])),
)
/** Whoever asks for a route for everybody. */
const NOBODY: Identity = { tenant: TENANT, principal: 'anonymous', scopes: new Set() }

/** A certificate and its key, PEM. */
export interface TlsPair {
  readonly cert: string
  readonly key: string
}

export interface ServerOptions {
  readonly access: Access
  readonly tls: TlsPair | undefined
  readonly readiness: () => Promise<Readiness>
  readonly isStopping: () => boolean
  readonly handlers: Handlers
  readonly metrics: Metrics
  readonly deps: Deps
  readonly logger: Logger
}

export async function createServer(options: ServerOptions): Promise<FastifyInstance> {
  const { deps, logger, metrics, handlers } = options
  const app = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    forceCloseConnections: true,
    requestTimeout: REQUEST_TIMEOUT_MS,
    routerOptions: { maxParamLength: 300 },
    ...(options.tls === undefined
      ? { http: { maxHeaderSize: MAX_HEADER_BYTES } }
      : { https: { ...options.tls, minVersion: 'TLSv1.2', maxHeaderSize: MAX_HEADER_BYTES } }),
    exposeHeadRoutes: false,
    genReqId: (request: { headers: FastifyRequest['headers'] }) => requestIdOf(request),
  } as FastifyServerOptions)

  app.setValidatorCompiler(({ schema, httpPart, url }) => (data: unknown) => {
    const part = httpPart === 'params' ? 'params' : httpPart === 'querystring' ? 'query' : 'body'
    const isLenient = sdkPaths.has(url)
    const parsed = isLenient
      ? (schema as z.ZodType).safeParse(data ?? undefined)
      : parseStrict(schema as z.ZodType, data ?? undefined)
    if (parsed.success) return { value: parsed.data }
    const problems =
      'problems' in parsed
        ? parsed.problems
        : parsed.error.issues.map((issue) => ({
            path: issue.path,
            text: describeIssues({ issues: [issue] } as unknown as z.ZodError).join('; '),
          }))
    return { error: invalidRequest(part, problems) }
  })
  app.setSerializerCompiler(({ schema, method, url }) => (data: unknown) => {
    const parsed = (schema as z.ZodType).safeParse(data)
    if (parsed.success) return JSON.stringify(parsed.data)
    throw new MqError('MQ_INTERNAL', `the answer to ${method} ${url} does not match its schema`, {
      cause: parsed.error,
    })
  })
  app.setErrorHandler((error, request, reply) => answerProblem(options, error, request, reply))
  app.setNotFoundHandler(() => {
    throw new MqError('MQ_ROUTE_UNKNOWN', 'there is no such route')
  })
  app.addHook('onRequest', async (request, reply) => {
    startedAt.set(request, deps.clock.monotonicMs())
    reply.header('x-request-id', request.id)
    const { url } = request.routeOptions
    if (url !== undefined && (publicPaths.has(url) || monitoringPaths.has(url))) return
    setCaller(request, options.access.api.identify(shownBy(request)))
  })
  app.addHook('onSend', async (_request, reply) => {
    if (options.isStopping()) reply.header('connection', 'close')
  })
  app.addHook('onResponse', async (request, reply) => {
    const ms = deps.clock.monotonicMs() - (startedAt.get(request) ?? 0)
    const route = request.routeOptions.url ?? 'unknown'
    metrics.request(route, request.method, reply.statusCode, ms)
    logger.debug(
      {
        route,
        method: request.method,
        status: reply.statusCode,
        ms: Math.round(ms * 10) / 10,
        requestId: request.id,
        principal: callerOf(request)?.principal,
      },
      'request',
    )
  })

  await registerOpenApi(app)
  await app.register(async (scope) => {
    for (const name of routeNames) registerRoute(scope, name, handlers)
    scope.get('/openapi.json', { schema: { hide: true } }, async (request) => {
      authorise(callerOf(request)!, 'status:read')
      return app.swagger()
    })
    registerMonitoring(scope, { metrics, readiness: options.readiness, guard: options.access.monitoring })
  })
  return app
}

const startedAt = new WeakMap<FastifyRequest, number>()

function registerRoute(app: FastifyInstance, name: RouteName, handlers: Handlers): void {
  const shape: RouteShape = routes[name]
  const handler = handlers[name] as (input: unknown, exchange: Exchange) => Promise<unknown>
  app.route({
    method: shape.method,
    url: shape.path,
    schema: routeSchema(name),
    bodyLimit: shape.maxBodyBytes ?? BODY_LIMIT_BYTES,
    onRequest: async (request) => authorise(callerOf(request) ?? NOBODY, shape.permission),
    preValidation: async (request) => {
      if (shape.speaksToSdk === true) return
      // A part that the route does not have takes no field.
      if (shape.query === undefined) refuseFields('query', request.query)
      if (shape.body === undefined) refuseFields('body', request.body)
    },
    handler: async (request, reply) => {
      const { params, query, body } = request
      const caller = callerOf(request) ?? { ...NOBODY, requestId: request.id }
      const answer = () => handler({ params, query, body, caller }, { request, reply })
      const result = await withinRequest(caller, answer)
      return result === undefined ? reply : reply.send(result)
    },
  })
}

function refuseFields(part: 'query' | 'body', input: unknown): void {
  if (input === undefined || input === null) return
  const parsed = parseStrict(NO_FIELDS, input)
  if (!parsed.success) throw invalidRequest(part, parsed.problems)
}

function answerProblem(
  options: ServerOptions,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const { status, problem, defect } = problemOf(error)
  const requestId = request.id
  const route = request.routeOptions.url ?? 'unknown'
  if (defect)
    options.logger.error(
      { route, requestId, ...errorFacts(error), cause: causeOf(error) },
      'a request failed inside mQ',
    )
  else options.logger.debug({ route, requestId, code: problem.code }, 'a request was refused')
  return reply
    .code(status)
    .header('content-type', 'application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send({ ...problem, requestId })
}

function causeOf(error: unknown): string | undefined {
  const cause = error instanceof MqError ? error.cause : error
  return cause instanceof Error ? (cause.stack ?? cause.message) : undefined
}
