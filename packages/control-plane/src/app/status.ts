/**
 * How this control plane is, and what was done with it.
 */

import type { RouteResponse } from '@mq/contract'
import type { PushHub } from '../push/hub.ts'
import type { Entry } from '../store/ports/journal.ts'
import type { Store } from '../store/store.ts'
import { type Page, type PageInput, pageByNumber } from './page.ts'

export interface StatusContext {
  readonly version: string
  readonly createOnFirstUse: boolean
  /** How often clients are to report; what they do by themselves when left out. */
  readonly telemetryMs: number | undefined
  readonly store: Store
  readonly hub: PushHub
}

/** The journal, newest first. */
export function listJournal(
  { store }: StatusContext,
  subject: string | undefined,
  page: PageInput<number>,
): Promise<Page<Entry, number>> {
  const filter = subject === undefined ? {} : { subject }
  return pageByNumber(
    page,
    (rows) => store.read.journal.list({ ...filter, ...rows }),
    ({ seq }) => seq,
  )
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
