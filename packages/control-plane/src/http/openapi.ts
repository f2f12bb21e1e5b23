/**
 * The OpenAPI document, from the schemas of the contract.
 */
import fastifySwagger from '@fastify/swagger'
import { Problem, type RouteName, type RouteShape, routes } from '@mq/contract'
import fastify, { type FastifyInstance, type FastifySchema } from 'fastify'
import { createJsonSchemaTransform } from 'fastify-type-provider-zod'
import { readVersion } from '../version.ts'

export const routeNames = Object.keys(routes) as RouteName[]

/** What Fastify is told about a route: the same schemas check requests and make the document. */
export function routeSchema(name: RouteName): FastifySchema & { operationId: string; summary: string } {
  const shape: RouteShape = routes[name]
  return {
    operationId: name,
    summary: shape.summary,
    security: shape.permission === 'none' ? [] : [{}, { token: [shape.permission] }],
    ...(shape.params === undefined ? {} : { params: shape.params }),
    ...(shape.query === undefined ? {} : { querystring: shape.query }),
    ...(shape.body === undefined ? {} : { body: shape.body }),
    response: { ...success(shape), default: Problem },
  }
}

function success({ response, isStream, otherStatuses = [] }: RouteShape): Record<number, unknown> {
  if (isStream === true) {
    return { 200: { description: 'OK', content: { 'text/event-stream': { schema: response } } } }
  }
  return Object.fromEntries([200, ...otherStatuses].map((status) => [status, response]))
}

/** Must be registered before the routes. */
export async function registerOpenApi(app: FastifyInstance): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'mQ control plane',
        version: readVersion(),
        description:
          'Clusters, mQ IDs, bindings and telemetry. The token of every operation needs the permission that its security names; from the machine itself none is needed where the control plane has no token.',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{}, { token: [] }],
    },
    transform: createJsonSchemaTransform({}),
  })
}

/** The document `/openapi.json` answers with, without a running control plane. */
export async function openApiDocument(): Promise<unknown> {
  const app = fastify()
  try {
    app.setValidatorCompiler(() => () => true)
    app.setSerializerCompiler(() => (data) => JSON.stringify(data))
    await registerOpenApi(app)
    await app.register(async (scope) => {
      for (const name of routeNames) {
        const { method, path } = routes[name]
        scope.route({ method, url: path, schema: routeSchema(name), handler: async () => undefined })
      }
    })
    await app.ready()
    return app.swagger()
  } finally {
    await app.close()
  }
}
