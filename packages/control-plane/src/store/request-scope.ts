/**
 * The request under way, so that what it writes into the journal names it (journal/J3) without a hand-over through every function between.
 *
 * S1. Only entries of the request's own caller are the request's, and only until it is answered: work that it sets off and leaves behind
 *     runs in its scope still, and what another request asks of that work later is not this one's.
 */
import { AsyncLocalStorage } from 'node:async_hooks'

export interface ScopedRequest {
  readonly principal: string
  readonly requestId: string
}

const scope = new AsyncLocalStorage<ScopedRequest & { isAnswered: boolean }>()

export async function withinRequest<T>({ principal, requestId }: ScopedRequest, work: () => Promise<T>): Promise<T> {
  const own = { principal, requestId, isAnswered: false }
  try {
    return await scope.run(own, work)
  } finally {
    own.isAnswered = true
  }
}

/** S1 @param actor of an entry: the caller, or the caller with whom it asks for */
export function requestIdOf(actor: string): string | null {
  const request = scope.getStore()
  if (request === undefined || request.isAnswered) return null
  return actor === request.principal || actor.startsWith(`${request.principal} (`) ? request.requestId : null
}
