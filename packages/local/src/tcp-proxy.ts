/**
 * A TCP proxy before one broker, with the faults of a bad network.
 *
 * X1. Faults act on bytes in flight and never change them: what arrives is always a prefix of what was sent.
 * X2. `blackhole` keeps connections open and passes nothing, as a lost route does; what waits is bounded by back-pressure on both
 *     sockets, and flows on when the fault ends.
 * X3. A fault applies to connections that are open and to those that come, until it is changed.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'

export type Direction = 'to-broker' | 'to-client'

export interface FaultProxy {
  /** Where clients connect. */
  readonly port: number
  readonly connections: number
  /** Delay of every chunk in each direction, in milliseconds; 0 ends it. */
  latency(delayMs: number): void
  /** Passes nothing in one direction, or in both. */
  blackhole(direction?: Direction): void
  /** Ends the black hole and the latency. */
  heal(): void
  /** Breaks every open connection with a TCP reset. New ones are taken. */
  reset(): void
  /** The next `bytes` of one direction pass, over all connections together; then that connection is reset, once. */
  cutAfter(bytes: number, direction?: Direction): void
  /** Refuses new connections and resets the open ones, as a stopped machine would; `heal` does not end it, `accept` does. */
  refuse(): Promise<void>
  accept(): Promise<void>
}

interface Link {
  readonly client: Socket
  readonly broker: Socket
  readonly flows: readonly Flow[]
}

export class TcpProxy implements FaultProxy {
  readonly port: number
  readonly #target: { readonly host: string; readonly port: number }
  readonly #links = new Set<Link>()
  readonly #closed = new Set<Direction>()
  #server: Server | undefined
  #delayMs = 0
  #cut: { direction: Direction; bytes: number } | undefined

  constructor(port: number, target: { readonly host: string; readonly port: number }) {
    this.port = port
    this.#target = target
  }

  get connections(): number {
    return this.#links.size
  }

  latency(delayMs: number): void {
    this.#delayMs = delayMs
  }

  blackhole(direction?: Direction): void {
    for (const each of direction === undefined ? (['to-broker', 'to-client'] as const) : [direction])
      this.#closed.add(each)
  }

  heal(): void {
    this.#closed.clear()
    this.#delayMs = 0
    for (const link of [...this.#links]) {
      if (link.client.destroyed || link.broker.destroyed) this.#drop(link)
      else for (const flow of link.flows) flow.pump()
    }
  }

  reset(): void {
    for (const link of [...this.#links]) this.#drop(link)
  }

  cutAfter(bytes: number, direction: Direction = 'to-broker'): void {
    this.#cut = { direction, bytes }
  }

  async refuse(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    const closed = server === undefined ? undefined : new Promise<void>((resolve) => server.close(() => resolve()))
    this.reset()
    await closed
  }

  async accept(): Promise<void> {
    if (this.#server !== undefined) return
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => this.#open(client))
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port: this.port, host: this.#target.host, exclusive: true }, () => {
        server.off('error', reject)
        resolve()
      })
    })
    // Like the broker behind it, a proxy does not keep a program alive that forgot to stop it.
    server.unref()
  }

  #open(client: Socket): void {
    const broker = connect({ ...this.#target, noDelay: true, allowHalfOpen: true })
    const link: Link = {
      client,
      broker,
      flows: [this.#flow(client, broker, 'to-broker'), this.#flow(broker, client, 'to-client')],
    }
    this.#links.add(link)
    for (const socket of [client, broker]) {
      socket.on('error', () => {})
      socket.on('close', (failed) => this.#ended(link, failed))
    }
  }

  #flow(from: Socket, to: Socket, direction: Direction): Flow {
    return new Flow(from, to, {
      delayMs: () => this.#delayMs,
      isClosed: () => this.#closed.has(direction),
      /** How much of a chunk passes before the cut, and whether the cut falls in it. */
      take: (bytes) => this.#take(direction, bytes),
      cut: () => {
        const link = [...this.#links].find((each) => each.client === from || each.broker === from)
        if (link !== undefined) this.#drop(link)
      },
    })
  }

  #take(direction: Direction, bytes: number): { passes: number; cut: boolean } {
    const cut = this.#cut
    if (cut === undefined || cut.direction !== direction) return { passes: bytes, cut: false }
    if (bytes < cut.bytes) {
      cut.bytes -= bytes
      return { passes: bytes, cut: false }
    }
    this.#cut = undefined
    return { passes: cut.bytes, cut: true }
  }

  /** One side is gone. The other learns of it the same way, but a black hole tells nobody before it ends. */
  #ended(link: Link, failed: boolean): void {
    const bothEnded = link.client.destroyed && link.broker.destroyed
    if (bothEnded || (failed && this.#closed.size === 0)) this.#drop(link)
  }

  #drop(link: Link): void {
    this.#links.delete(link)
    for (const flow of link.flows) flow.end()
    for (const socket of [link.client, link.broker]) {
      if (socket.destroyed) continue
      // A reset after a half-close leaves Node with a handle that never closes, and a process that never ends.
      if (socket.writableEnded) socket.destroy()
      else socket.resetAndDestroy()
    }
  }
}

interface FlowRules {
  delayMs(): number
  isClosed(): boolean
  take(bytes: number): { passes: number; cut: boolean }
  cut(): void
}

/** One direction of one connection: a queue of chunks, each with the moment it may leave. */
class Flow {
  readonly #to: Socket
  readonly #from: Socket
  readonly #rules: FlowRules
  readonly #queue: { readonly chunk: Buffer; readonly leavesAtMs: number }[] = []
  #queuedBytes = 0
  #timer: NodeJS.Timeout | undefined
  #sourceEnded = false

  constructor(from: Socket, to: Socket, rules: FlowRules) {
    this.#from = from
    this.#to = to
    this.#rules = rules
    from.on('data', (chunk: Buffer) => {
      this.#queue.push({ chunk, leavesAtMs: performance.now() + rules.delayMs() })
      this.#queuedBytes += chunk.length
      if (this.#queuedBytes > MOST_QUEUED_BYTES) from.pause()
      this.pump()
    })
    from.on('end', () => {
      this.#sourceEnded = true
      this.pump()
    })
    to.on('drain', () => this.pump())
  }

  pump(): void {
    clearTimeout(this.#timer)
    while (!this.#rules.isClosed() && !this.#to.destroyed && !this.#to.writableNeedDrain) {
      const head = this.#queue[0]
      if (head === undefined) break
      const waitMs = head.leavesAtMs - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.pump(), waitMs)
        return
      }
      this.#queue.shift()
      this.#queuedBytes -= head.chunk.length
      const { passes, cut } = this.#rules.take(head.chunk.length)
      if (cut) {
        // The bytes before the cut must have left before the reset, or the kernel may throw them away.
        this.#to.write(head.chunk.subarray(0, passes), () => this.#rules.cut())
        return
      }
      this.#to.write(head.chunk)
    }
    if (this.#queuedBytes <= MOST_QUEUED_BYTES && this.#from.isPaused()) this.#from.resume()
    if (this.#sourceEnded && this.#queue.length === 0 && !this.#to.destroyed) this.#to.end()
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#queue.length = 0
  }
}

const MOST_QUEUED_BYTES = 4 * 1024 * 1024
