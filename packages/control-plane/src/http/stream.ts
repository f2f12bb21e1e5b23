/**
 * The route that stays open: bindings as server-sent events.
 *
 * N1. Everything that can be refused is refused before the first byte; after it the stream only ends.
 * N2. A proxy is told not to buffer, and small frames leave at once.
 */
import { MqError, parseStrict, routes } from '@mq/contract'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { MAX_LISTENERS, type PushHub, parsePosition } from '../push/hub.ts'
import type { Recovery } from '../recovery/recovery.ts'
import type { Registry } from '../registry/registry.ts'
import { invalidRequest } from './problems.ts'

const MAX_IDS_PER_STREAM = 2_000

export interface StreamServices {
  readonly hub: PushHub
  readonly registry: Registry
  readonly recovery: Recovery
}

/** Holds the socket and hands it to the hub. */
export async function streamBindings(
  services: StreamServices,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const { hub, registry, recovery } = services
  const { ids, app } = request.query as { ids: string; app?: string }
  const names = ids
    .split(',')
    .map((id) => id.trim())
    .filter((id) => id !== '')
  if (names.length === 0) throw new MqError('MQ_REQUEST_INVALID', 'query: ids: name at least one mQ ID')
  if (names.length > MAX_IDS_PER_STREAM) {
    throw new MqError(
      'MQ_REQUEST_INVALID',
      `query: ids: ${names.length} mQ IDs, ${MAX_IDS_PER_STREAM} are allowed in one stream`,
    )
  }
  const parsed = parseStrict(z.array(routes.getBinding.params.shape.id), names)
  if (!parsed.success) throw new MqError('MQ_ID_INVALID', invalidRequest('query', parsed.problems).message)
  if (hub.isEnded) throw new MqError('MQ_CONTROL_PLANE_AWAY', 'the control plane is stopping')
  if (hub.size >= MAX_LISTENERS) {
    throw new MqError('MQ_CONTROL_PLANE_AWAY', `${hub.size} clients are connected, and no more are taken`)
  }
  const since = parsePosition(request.headers['last-event-id'])
  if (since !== undefined) await recovery.seen([since])
  reply.hijack()
  const { raw } = reply
  // It left while we waited: its end was told already, and nobody would ever take the listener away.
  if (raw.destroyed) return
  if (hub.isEnded) {
    raw.destroy()
    return
  }
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
    connection: 'keep-alive',
  })
  raw.socket?.setNoDelay(true)
  raw.socket?.setKeepAlive(true)
  const current = parsed.data.flatMap((id) => registry.binding(id) ?? [])
  const stop = hub.listen(raw, parsed.data, current, since, app)
  raw.on('close', stop)
  raw.on('error', stop)
}
