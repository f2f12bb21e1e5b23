/**
 * Who asks for something, whatever the way in: the HTTP API today.
 *
 * L1. A use case writes the caller as the actor of what it changes, and nobody else.
 * L2. A caller may do what its scopes name, and nothing else; refused, nothing is changed.
 */
import { MqError, type Permission, permissions, type RoutePermission } from '@mq/contract'

export interface Identity {
  readonly tenant: string
  /** Stands in the journal. */
  readonly principal: string
  readonly scopes: ReadonlySet<Permission>
}

export interface Caller extends Identity {
  /** Stands in logs and in problems. */
  readonly requestId: string
}

export const TENANT = 'default'

/** Whoever holds the token of the control plane, or asks from this machine where there is none: may do everything. */
export const localIdentity: Identity = { tenant: TENANT, principal: 'local', scopes: new Set(permissions) }

/** Whoever holds the token of metrics and probes. */
export const monitoringIdentity: Identity = {
  tenant: TENANT,
  principal: 'monitoring',
  scopes: new Set<Permission>(['metrics:read']),
}

export function isAllowed({ scopes }: Identity, permission: RoutePermission): boolean {
  return permission === 'none' || scopes.has(permission)
}

/** L2 @throws MqError MQ_PERMISSION_MISSING */
export function authorise(identity: Identity, permission: RoutePermission): void {
  if (isAllowed(identity, permission)) return
  throw new MqError('MQ_PERMISSION_MISSING', `'${identity.principal}' does not have the permission ${permission}`, {
    details: { principal: identity.principal, permission },
  })
}

/** L1 @param onBehalfOf whom the caller says that it asks for: a person at a terminal, an application */
export function actorOf({ principal }: Caller, onBehalfOf?: string): string {
  return onBehalfOf === undefined ? principal : `${principal} (${onBehalfOf})`
}
