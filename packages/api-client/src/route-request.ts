/**
 * What a call of a route takes, and the address it makes of it.
 *
 * Q1. A parameter is written into the path escaped; a query parameter that is undefined is left out.
 */
import { type RouteName, type RouteShape, routes } from '@mq/contract'
import type { z } from 'zod'

type Route<N extends RouteName> = (typeof routes)[N]
type PartOf<N extends RouteName, K extends string> =
  Route<N> extends Record<K, infer S extends z.ZodType> ? { [P in K]: z.input<S> } : { [P in K]?: never }

type QueryValue = string | number | boolean | undefined
/** Query parameters by the names of the route's schema. */
type QueryOf<N extends RouteName> =
  Route<N> extends { query: infer S extends z.ZodType }
    ? { query?: { readonly [P in keyof z.input<S>]?: QueryValue } }
    : { query?: Record<string, never> }

export type RouteRequest<N extends RouteName> = PartOf<N, 'params'> & PartOf<N, 'body'> & QueryOf<N>

/** Q1 @returns path and query, to stand after the address of the control plane */
export function pathOf<N extends RouteName>(name: N, request: RouteRequest<N>): string {
  const { path }: RouteShape = routes[name]
  const params = (request.params ?? {}) as Readonly<Record<string, string | number>>
  const filled = path.replace(/:(\w+)/g, (_, part: string) => encodeURIComponent(params[part] ?? ''))
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries((request.query ?? {}) as Readonly<Record<string, QueryValue>>)) {
    if (value !== undefined) query.set(key, String(value))
  }
  return query.size === 0 ? filled : `${filled}?${query.toString()}`
}
