/** Where the HTTP side listens, and with which certificate. */
import { createSecureContext, Server as SecureServer } from 'node:tls'
import { MqError } from '@mq/contract'
import type { FastifyInstance } from 'fastify'
import type { TlsPair } from './server.ts'

/** Clients that may knock at once after a restart; with Node's 511 the rest would knock again a second later. */
const LISTEN_BACKLOG = 4_096

export async function listen(app: FastifyInstance, host: string, port: number): Promise<void> {
  try {
    await app.listen({ host: host.replace(/^\[|\]$/g, ''), port, backlog: LISTEN_BACKLOG })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') {
      throw new MqError('MQ_PORT_IN_USE', `port ${port} on ${host} is taken by another program`, {
        details: { host, port },
      })
    }
    throw new MqError('MQ_OPTION_INVALID', `the API cannot listen on ${host}:${port} (${code ?? 'unknown reason'})`, {
      cause: error,
    })
  }
}

export function urlOf({ server }: FastifyInstance, scheme: string, host: string, wanted: number): string {
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : wanted
  return `${scheme}://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`
}

/** Another certificate for connections that begin from now on. @throws Error where it does not fit its key */
export function useTls({ server }: FastifyInstance, pair: TlsPair): void {
  createSecureContext(pair)
  if (server instanceof SecureServer) server.setSecureContext({ ...pair, minVersion: 'TLSv1.2' })
}
