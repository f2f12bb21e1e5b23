/**
 * How a control plane stops: what is under way first, everything else after it.
 *
 * G1. It takes no new connection, ends its streams, so that clients look for another control plane or this one again, and
 *     answers the requests it has.
 * G2. A migration whose producers wait comes out of that; everything else of a migration goes on from the store at the next start.
 * G3. What is not over when the time is cut off where it stands: everything is written so that a crash at any point is safe.
 */
import type { Server } from 'node:http'
import { type Deps, sleep } from '@mq/kafka'
import type { FastifyInstance } from 'fastify'
import type { Logger } from './logger.ts'
import type { Migrator } from './migration/migrator.ts'
import type { PushHub } from './push/hub.ts'

const POLL_MS = 20
/** The rest of the time is for closing connections and the store. */
const SHARE_FOR_WORK = 0.75

export interface StoppingParts {
  readonly app: FastifyInstance
  readonly hub: PushHub
  readonly migrator: Migrator
  readonly deps: Deps
  readonly logger: Logger
}

/** Lets work under way end. @returns how much of `graceMs` is left for closing */
export async function finishWork(parts: StoppingParts, graceMs: number): Promise<number> {
  const { app, hub, migrator, deps, logger } = parts
  const startedMs = deps.clock.monotonicMs()
  const untilMs = startedMs + graceMs * SHARE_FOR_WORK
  const isAnswered = drain(app.server)
  await hub.close()
  const settled = migrator.settle(untilMs - deps.clock.monotonicMs())
  while (!isAnswered() && deps.clock.monotonicMs() < untilMs) await sleep(deps, POLL_MS)
  const requests = isAnswered() ? 0 : await openConnections(app.server)
  const migrations = await settled
  if (requests > 0 || !migrations) {
    logger.warn(
      { requests, migrations: migrations ? 'settled' : 'cut off' },
      'work was cut off when the grace was over',
    )
  }
  return Math.max(0, startedMs + graceMs - deps.clock.monotonicMs())
}

/** Stops listening, and lets go of connections as soon as nobody waits on them. @returns tells whether all are gone */
function drain(server: Server): () => boolean {
  if (!server.listening) return () => true
  let gone = false
  server.close(() => {
    gone = true
  })
  return () => {
    server.closeIdleConnections()
    return gone
  }
}

function openConnections(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.getConnections((error, count) => resolve(error === null ? count : 1))
  })
}
