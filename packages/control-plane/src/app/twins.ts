/**
 * Workload twins: configurations tried on a shadow topic with made-up traffic.
 */

import type { Twin, TwinRequest } from '@mq/contract'
import type { Twins } from '../twin/twins.ts'
import { actorOf, type Caller } from './caller.ts'
import { type Page, type PageInput, pageByNumber } from './page.ts'

export interface TwinContext {
  readonly twins: Twins
}

/** Newest first. */
export function listTwins(
  { twins }: TwinContext,
  mqId: string | undefined,
  page: PageInput<number>,
): Promise<Page<Twin, number>> {
  return pageByNumber(
    page,
    (rows) => twins.list({ mqId, ...rows }),
    ({ number }) => number,
  )
}

export function startTwin(
  { twins }: TwinContext,
  caller: Caller,
  { id, ...request }: TwinRequest & { readonly id: string },
): Promise<Twin> {
  return twins.begin(id, request, actorOf(caller), 'asked for')
}

/** Its shadow topic is removed. */
export function cancelTwin({ twins }: TwinContext, caller: Caller, number: number): Promise<Twin> {
  return twins.cancel(number, actorOf(caller))
}
