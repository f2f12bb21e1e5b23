/**
 * One broker of a fake cluster: a server on a port of its own.
 *
 * N1. The requests of a connection are answered strictly in turn; what is parked (a join, a long poll) keeps the next ones waiting.
 * N2. A request that cannot be read, or is not played, ends the connection, as it does with Kafka.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { FrameSplitter, readRequestFrame, responseFrame } from '@mq/kafka/protocol'
import { type Answer, CUT, type Handler, NO_ANSWER, type RequestContext } from './context.ts'
import type { Controls } from './control.ts'
import { handlerOf } from './handlers/all-handlers.ts'
import { newestApiVersions, tooNew } from './handlers/api-versions.ts'
import type { FakeSpeech } from './options.ts'
import type { ClusterState, NodeView } from './state.ts'

export interface FakeRequest {
  /** Counts connections of the cluster from 0, in the order they came. */
  readonly connection: number
  readonly nodeId: number
  readonly key: number
  readonly version: number
}

/** What a node shares with the cluster it belongs to. */
export interface NodeParts {
  readonly state: ClusterState
  readonly controls: Controls
  readonly requests: FakeRequest[]
  nextConnection(): number
}

const HOST = '127.0.0.1'
const MAX_REQUEST_BYTES = 128 * 1_048_576
const API_VERSIONS_KEY = 18

export class FakeNode implements NodeView {
  readonly id: number
  readonly #parts: NodeParts
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #mutedUntilMs = new Map<number, number>()
  #port = 0
  speech: FakeSpeech
  /** Takes connections and requests and answers nothing, as a stopped process does. */
  isFrozen = false
  /** Requests that came over a connection before its throttle time had passed. */
  earlyRequests = 0

  constructor(parts: NodeParts, id: number, speech: FakeSpeech) {
    this.id = id
    this.#parts = parts
    this.speech = speech
    this.#server = createServer((socket) => this.#serve(socket))
  }

  get address(): string {
    return `${HOST}:${this.#port}`
  }

  get advertised(): { readonly host: string; readonly port: number } {
    const { advertised } = this.#parts.state.options
    return this.id === 1 && advertised !== undefined ? advertised : { host: HOST, port: this.#port }
  }

  get isUp(): boolean {
    return this.#server.listening
  }

  /** Comes back on the same port; takes a free one the first time. */
  async up(): Promise<void> {
    if (this.isUp) return
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#port, HOST, () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
    const address = this.#server.address()
    if (address !== null && typeof address === 'object') this.#port = address.port
  }

  async down(): Promise<void> {
    if (!this.isUp) return
    this.cutConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  cutConnections(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  mute(connection: number, throttleMs: number): void {
    this.#mutedUntilMs.set(connection, this.#nowMs() + throttleMs)
  }

  #nowMs(): number {
    return this.#parts.state.deps.clock.monotonicMs()
  }

  #mutedMs(connection: number): number {
    return (this.#mutedUntilMs.get(connection) ?? 0) - this.#nowMs()
  }

  #serve(socket: Socket): void {
    const connection = this.#parts.nextConnection()
    this.#sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      this.#mutedUntilMs.delete(connection)
    })
    const splitter = new FrameSplitter(MAX_REQUEST_BYTES)
    let turn = Promise.resolve()
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of splitter.push(chunk)) {
          if (this.#mutedMs(connection) > 0) this.earlyRequests += 1
          turn = turn.then(() => this.#answer(socket, connection, frame)).catch(() => void socket.destroy())
        }
      } catch {
        socket.destroy()
      }
    })
  }

  async #answer(socket: Socket, connection: number, frame: Buffer): Promise<void> {
    const mutedMs = this.#mutedMs(connection)
    if (mutedMs > 0) await this.#parts.state.pause(mutedMs)
    const { key, version, correlationId, clientId, body } = readRequestFrame(frame, (of) => handlerOf(of)?.api)
    this.#parts.requests.push({ connection, nodeId: this.id, key, version })
    const handler = handlerOf(key)
    if (handler === undefined || body === undefined) throw new Error(`request ${key} is not played`)
    const send = (inVersion: number, response: unknown): void => {
      const { api } = handler
      const chunks = responseFrame(api, inVersion, correlationId, api.writeResponse(inVersion, response as never))
      if (!socket.destroyed && !this.isFrozen) socket.write(Buffer.concat(chunks))
    }
    if (key === API_VERSIONS_KEY && version > newestApiVersions(this.speech)) return send(0, tooNew(this.speech))
    if (!handler.api.hasVersion(version)) throw new Error(`${handler.api.name} version ${version} is not played`)
    const request: unknown = handler.api.readRequest(body, version)
    const context = { cluster: this.#parts.state, node: this, version, clientId: clientId ?? '', connection }
    const answer = await this.#carryOut(handler, request, context)
    if (answer === CUT) socket.destroy()
    else if (answer !== NO_ANSWER) send(version, answer)
  }

  async #carryOut(handler: Handler, request: unknown, context: RequestContext): Promise<Answer<unknown>> {
    const { state, controls } = this.#parts
    const told = await controls.instructionFor(handler.api.name, request, context)
    if (told === 'pass') return await handler.answer(request, context)
    switch (told.kind) {
      case 'answer':
        return told.response
      case 'error':
        return handler.refuse(request, told.code, context)
      case 'delay': {
        if (told.when === 'before') await state.pause(told.delayMs)
        const answer = await handler.answer(request, context)
        if (told.when === 'after') await state.pause(told.delayMs)
        return answer
      }
      case 'drop':
      case 'silence':
        if (told.when === 'after') await handler.answer(request, context)
        return told.kind === 'drop' ? CUT : NO_ANSWER
    }
  }
}
