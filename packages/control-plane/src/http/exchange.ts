/**
 * One request of a route while it is answered: who asks, what was parsed, and the reply for the few routes that set more than a body.
 */
import { randomUUID } from 'node:crypto'
import type { RouteName, RouteResponse, routes } from '@mq/contract'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import type { Caller, Identity } from '../app/caller.ts'

type Parsed<N extends RouteName, K extends string> =
  (typeof routes)[N] extends Record<K, infer S extends z.ZodType> ? z.output<S> : undefined

/** What a handler gets: the parts of the request that its route has, checked against their schemas. */
export interface HandlerInput<N extends RouteName> {
  readonly params: Parsed<N, 'params'>
  readonly query: Parsed<N, 'query'>
  readonly body: Parsed<N, 'body'>
  readonly caller: Caller
}

/** For a route that sets a status or headers, or takes the connection over. */
export interface Exchange {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

/** @returns the body of the answer, or nothing where the reply was sent or taken over */
export type Handler<N extends RouteName> = (
  input: HandlerInput<N>,
  exchange: Exchange,
) => Promise<RouteResponse<N> | undefined>

/** What each route of the contract does. The table is total: a route without a handler does not compile. */
export type Handlers = { readonly [N in RouteName]: Handler<N> }

const REQUEST_ID = /^[\w.:-]{1,100}$/

/** The id that a client or a proxy gave the request, or a new one. */
export function requestIdOf({ headers }: Pick<FastifyRequest, 'headers'>): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
}

const callers = new WeakMap<FastifyRequest, Caller>()

export function setCaller(request: FastifyRequest, identity: Identity): void {
  callers.set(request, { ...identity, requestId: request.id })
}

/** Undefined on a route for everybody. */
export function callerOf(request: FastifyRequest): Caller | undefined {
  return callers.get(request)
}
