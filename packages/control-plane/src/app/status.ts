/**
 * How this control plane is.
 */
import type { RouteResponse } from '@mq/contract'
import type { PushHub } from '../push/hub.ts'
import type { Store } from '../store/store.ts'

export interface StatusContext {
  readonly version: string
  readonly createOnFirstUse: boolean
  /** How often clients are to report; what they do by themselves when left out. */
  readonly telemetryMs: number | undefined
  readonly store: Store
  readonly hub: PushHub
}

export function infoOf({ version, createOnFirstUse, telemetryMs, store, hub }: StatusContext): RouteResponse<'info'> {
  return {
    version,
    incarnation: store.incarnation,
    revision: store.revision,
    createOnFirstUse,
    connectedClients: hub.size,
    ...(telemetryMs === undefined ? {} : { telemetryMs }),
  }
}
