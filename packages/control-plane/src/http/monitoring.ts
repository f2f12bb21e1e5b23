/**
 * What watches over a control plane asks: probes and metrics, beside the API or on a port of their own.
 *
 * P1. `/healthz` says that the process lives, `/readyz` whether it can do its work. Both answer anybody with their status, because
 *     whoever probes often cannot keep a secret; names and reasons are for those who may read metrics.
 * P2. `/metrics` asks for the token of monitoring or of the API; where neither is set, only this machine may ask.
 */
import { MqError } from '@mq/contract'
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { authorise } from '../app/caller.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Guard } from './guard.ts'
import { problemOf } from './problems.ts'
import type { Readiness } from './readiness.ts'

export const monitoringPaths: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics'])

export interface MonitoringOptions {
  readonly metrics: Metrics
  readonly readiness: () => Promise<Readiness>
  readonly guard: Guard
}

export function registerMonitoring(app: FastifyInstance, { metrics, readiness, guard }: MonitoringOptions): void {
  app.get('/healthz', { schema: { hide: true } }, async (_request, reply) => {
    await reply.type('text/plain; charset=utf-8').send('ok\n')
  })
  app.get('/readyz', { schema: { hide: true } }, async (request, reply) => {
    const { serves, checks } = await readiness()
    const lines = guard.allows(shownBy(request), 'metrics:read')
      ? Object.entries(checks).map(([name, how]) => `${name}: ${how}`)
      : []
    await reply
      .code(serves ? 200 : 503)
      .type('text/plain; charset=utf-8')
      .send(`${[serves ? 'ready' : 'not ready', ...lines].join('\n')}\n`)
  })
  app.get('/metrics', { schema: { hide: true } }, async (request, reply) => {
    authorise(guard.identify(shownBy(request)), 'metrics:read')
    await reply.header('content-type', metrics.contentType).send(await metrics.text())
  })
}

/** The same three routes alone, for a port that the API does not stand on. */
export function createMonitoringServer(options: MonitoringOptions): FastifyInstance {
  const app = fastify({ logger: false, forceCloseConnections: true, exposeHeadRoutes: false })
  app.setErrorHandler((error, _request, reply) => {
    const { status, problem } = problemOf(error)
    return reply.code(status).type('application/json; charset=utf-8').send(JSON.stringify(problem))
  })
  app.setNotFoundHandler(() => {
    throw new MqError('MQ_ROUTE_UNKNOWN', 'there is no such route: this port serves probes and metrics')
  })
  registerMonitoring(app, options)
  return app
}

export function shownBy(request: FastifyRequest): {
  authorization: string | undefined
  host: string | undefined
  origin: string | undefined
} {
  const { authorization, host, origin } = request.headers
  return { authorization, host, origin: Array.isArray(origin) ? origin[0] : origin }
}
