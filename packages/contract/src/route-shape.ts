/**
 * What the table of routes says of one route.
 */
import type { z } from 'zod'
import type { RoutePermission } from './permissions.ts'

export interface RouteShape {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  readonly path: `/v1/${string}`
  /** What its caller must be allowed to do. */
  readonly permission: RoutePermission
  readonly summary: string
  readonly params?: z.ZodType
  readonly query?: z.ZodType
  readonly body?: z.ZodType
  readonly response: z.ZodType
  /** Statuses besides 200 that come with the same response. */
  readonly otherStatuses?: readonly number[]
  /** How large a body may be; 256 KiB when left out. */
  readonly maxBodyBytes?: number
  /** The response is a stream of server-sent events. */
  readonly isStream?: boolean
  /** Of a list in pages (paging.ts): the field of the response that holds the items. */
  readonly list?: string
  /** H6 of routes.ts */
  readonly speaksToSdk?: boolean
  /** Of a POST that changes nothing more when it is sent twice. */
  readonly isIdempotent?: boolean
}

/** Whether a call whose answer was lost may be sent again. A DELETE may not: the second one would be told that nothing is there. */
export function isIdempotent({ method, isIdempotent: declared }: RouteShape): boolean {
  return method === 'GET' || method === 'PUT' || declared === true
}
