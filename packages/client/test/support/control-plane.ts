/**
 * A control plane in a few lines, whose behaviour a test changes while it runs.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Binding, bindingVersion } from '@mq/contract'

export interface Seen {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export class TestControlPlane {
  readonly bindings = new Map<string, Binding>()
  readonly seen: Seen[] = []
  /** Answers instead of the usual route when it returns true. */
  intercept: (request: Seen, response: ServerResponse) => boolean = () => false
  readonly #streams = new Map<ServerResponse, Set<string>>()
  #server: Server | undefined
  #port = 0

  static async start(): Promise<TestControlPlane> {
    const plane = new TestControlPlane()
    await plane.listen()
    return plane
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get openStreams(): number {
    return this.#streams.size
  }

  /** Starts again on the port it had. */
  async listen(): Promise<void> {
    this.#server = createServer((request, response) => void this.#answer(request, response))
    await new Promise<void>((resolve) => this.#server!.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    this.#streams.clear()
  }

  /** Sets the binding and pushes it to whoever follows it. */
  publish(binding: Binding): void {
    this.bindings.set(binding.mqId, binding)
    for (const [response, ids] of this.#streams) if (ids.has(binding.mqId)) writeBinding(response, binding)
  }

  pushRaw(text: string): void {
    for (const response of this.#streams.keys()) response.write(text)
  }

  dropStreams(): void {
    for (const response of this.#streams.keys()) response.destroy()
    this.#streams.clear()
  }

  requests(path: string): Seen[] {
    return this.seen.filter((seen) => seen.path === path)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url)
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const seen: Seen = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body,
    }
    this.seen.push(seen)
    if (this.intercept(seen, response)) return
    if (seen.path === '/v1/info') {
      sendJson(response, 200, {
        version: '0',
        incarnation: 1,
        revision: 1,
        createOnFirstUse: false,
        connectedClients: 0,
      })
    } else if (seen.path === '/v1/telemetry') sendJson(response, 200, { accepted: true })
    else if (seen.path === '/v1/bindings') this.#stream(seen, response)
    else if (seen.path.startsWith('/v1/bindings/')) this.#binding(seen, response)
    else sendProblem(response, 404, 'MQ_ROUTE_UNKNOWN', 'no such route')
  }

  #binding(seen: Seen, response: ServerResponse): void {
    const mqId = decodeURIComponent(seen.path.slice('/v1/bindings/'.length))
    const binding = this.bindings.get(mqId)
    if (binding === undefined) {
      sendProblem(response, 404, 'MQ_ID_UNKNOWN', `${mqId} is not declared`)
      return
    }
    const etag = `"${bindingVersion(binding)}"`
    if (seen.headers['if-none-match'] === etag) {
      response.writeHead(304).end()
      return
    }
    sendJson(response, 200, binding, { etag })
  }

  #stream(seen: Seen, response: ServerResponse): void {
    const ids = new Set((seen.query.get('ids') ?? '').split(','))
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(': hello\n\n')
    this.#streams.set(response, ids)
    response.on('close', () => this.#streams.delete(response))
    for (const id of ids) {
      const binding = this.bindings.get(id)
      // What changed while the client was away; it knows whether it is newer.
      if (binding !== undefined && seen.headers['last-event-id'] !== bindingVersion(binding))
        writeBinding(response, binding)
    }
  }
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

export function sendProblem(response: ServerResponse, status: number, code: string, message: string): void {
  sendJson(response, status, { code, message, action: 'none', retryable: status >= 500 })
}

function writeBinding(response: ServerResponse, binding: Binding): void {
  response.write(`id: ${bindingVersion(binding)}\nevent: binding\ndata: ${JSON.stringify(binding)}\n\n`)
}
