/**
 * A control plane that says one thing only: the bindings it was given.
 *
 * The measurements need mQ on the very topic and settings that the other clients get, and a real control plane would
 * choose its own. The client under measurement cannot tell the difference: it asks, listens and reports as always.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Binding, bindingVersion, HEARTBEAT_MS, type Problem } from '@mq/contract'

export interface FixedBindings {
  readonly url: string
  put(binding: Binding): void
  close(): Promise<void>
}

export interface FixedBindingsOptions {
  /** How often clients are to report; as they like when left out. */
  readonly telemetryMs?: number
  /** Gets every report as it came. */
  readonly onTelemetry?: (body: unknown) => void
}

export async function serveFixedBindings(options: FixedBindingsOptions = {}): Promise<FixedBindings> {
  const bindings = new Map<string, Binding>()
  const server = createServer((request, response) => answer(bindings, options, request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    put: (binding) => bindings.set(binding.mqId, Binding.parse(binding)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function answer(
  bindings: ReadonlyMap<string, Binding>,
  { telemetryMs, onTelemetry }: FixedBindingsOptions,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const json = (status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  if (url.pathname === '/v1/info') {
    const extra = telemetryMs === undefined ? {} : { telemetryMs }
    json(200, { version: '0.1.0', incarnation: 1, revision: 1, createOnFirstUse: false, connectedClients: 0, ...extra })
  } else if (url.pathname === '/v1/telemetry') {
    takeReport(request, onTelemetry).then(
      () => json(200, { accepted: true }),
      (error: unknown) => {
        console.error(error)
        json(400, { code: 'MQ_REQUEST_INVALID', message: String(error), action: 'mend it', retryable: false })
      },
    )
  } else if (url.pathname === '/v1/bindings') {
    stream(bindings, (url.searchParams.get('ids') ?? '').split(','), response)
  } else {
    const mqId = decodeURIComponent(url.pathname.replace('/v1/bindings/', ''))
    const binding = bindings.get(mqId)
    const unknown: Problem = {
      code: 'MQ_ID_UNKNOWN',
      message: `no binding of ${mqId}`,
      action: 'put it first',
      retryable: false,
    }
    if (binding === undefined) json(404, unknown)
    else json(200, binding)
  }
}

async function takeReport(request: IncomingMessage, onTelemetry: ((body: unknown) => void) | undefined): Promise<void> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  onTelemetry?.(JSON.parse(Buffer.concat(parts).toString()))
}

function stream(bindings: ReadonlyMap<string, Binding>, ids: readonly string[], response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (const id of ids) {
    const binding = bindings.get(id)
    if (binding === undefined) continue
    response.write(`event: binding\nid: ${bindingVersion(binding)}\ndata: ${JSON.stringify(binding)}\n\n`)
  }
  const heartbeat = setInterval(() => response.write(': alive\n\n'), HEARTBEAT_MS)
  response.once('close', () => clearInterval(heartbeat))
}
