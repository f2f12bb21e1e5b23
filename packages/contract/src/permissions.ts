/**
 * What a caller of the API may do: every route names one permission (routes.ts), and every token has a set of them.
 *
 * P1. `read` changes nothing; `write` changes what the noun says.
 * P2. What the SDK of an application needs: `status:read`, `bindings:read`, `telemetry:write`, `dead-letters:write`.
 */
import { z } from 'zod'

export const permissions = [
  'status:read',
  'clusters:read',
  'clusters:write',
  'ids:read',
  'ids:write',
  'bindings:read',
  'telemetry:write',
  'groups:read',
  'groups:write',
  'dead-letters:read',
  'dead-letters:write',
  'migrations:read',
  'migrations:write',
  'decisions:read',
  'decisions:write',
  'policies:read',
  'policies:write',
  'costs:read',
  'costs:write',
  'twins:read',
  'twins:write',
  'journal:read',
  'metrics:read',
] as const

export const Permission = z.enum(permissions)
export type Permission = z.output<typeof Permission>

/** `none`: a route for everybody, which asks for no token. */
export type RoutePermission = Permission | 'none'
