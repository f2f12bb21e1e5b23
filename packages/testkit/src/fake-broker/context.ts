/** What the handler of a request knows beside the request, and how handlers are made. */
import type { Api, Fields, Read, Written } from '@mq/kafka/protocol'
import type { ClusterState, NodeView } from './state.ts'

export interface RequestContext {
  readonly cluster: ClusterState
  /** The broker that was asked. */
  readonly node: NodeView
  readonly version: number
  readonly clientId: string
  /** Counts connections of the cluster from 0, in the order they came. */
  readonly connection: number
}

/** What a handler answers to have the connection cut. */
export const CUT: unique symbol = Symbol('cut')
/** What a handler answers where nothing is sent. */
export const NO_ANSWER: unique symbol = Symbol('no answer')

export type Answer<Response> = Response | typeof CUT | typeof NO_ANSWER

// biome-ignore lint/suspicious/noExplicitAny: requests of all kinds
export type AnyApi = Api<any, any>

export interface Handler<A extends AnyApi = AnyApi> {
  readonly api: A
  readonly answer: (request: unknown, context: RequestContext) => Answer<unknown> | Promise<Answer<unknown>>
  /** The answer with that code in every place that has one. */
  readonly refuse: (request: unknown, code: number, context: RequestContext) => unknown
}

export function handler<Q extends Fields, A extends Fields>(
  api: Api<Q, A>,
  parts: {
    readonly answer: (request: Read<Q>, context: RequestContext) => Answer<Written<A>> | Promise<Answer<Written<A>>>
    readonly refuse: (request: Read<Q>, code: number, context: RequestContext) => Written<A>
  },
): Handler<Api<Q, A>> {
  return { api, ...parts } as unknown as Handler<Api<Q, A>>
}
