/**
 * The library's connection, with a login session that ends instead of being renewed in place.
 *
 * While a login is renewed on a live connection a broker takes nothing else from it, and answers whatever comes with
 * ILLEGAL_SASL_STATE; a long poll under way even keeps the renewal waiting. So another connection takes over (renewal.ts).
 *
 * S1. The library never renews a login by itself.
 * S2. A connection that was retired is not `isConnected`: whoever asks for one is given its successor. What is under way on it comes to
 *     its end, and so does what somebody sends who still holds it; it closes once nothing was under way for `IDLE_MS`.
 * S3. Who drops a connection drops the one it took over from: what is still under way there belongs to the same owner.
 */

import type { Deps, TimerHandle } from '@mq/contract/timing'
import { Connection, type ConnectionOptions } from '@platformatic/kafka'

const SASL_AUTHENTICATE = 36
/** Long enough for a caller that was just handed the connection to send over it. */
const IDLE_MS = 200

export interface Session {
  readonly sinceMs: number
  readonly lifeMs: number
}

export class SessionConnection extends Connection {
  readonly #deps: Deps
  #underWay = 0
  #requests = 0
  #session: Session | undefined
  #isRetired = false
  #closing: TimerHandle | undefined
  #predecessor: SessionConnection | undefined

  constructor(clientId: string, options: ConnectionOptions, deps: Deps) {
    super(clientId, options)
    this.#deps = deps
    this.once('close', () => {
      if (this.#closing !== undefined) deps.timers.clearTimeout(this.#closing)
    })
  }

  /** How long the broker lets this login be used, and since when at the earliest (monotonic); undefined without an end. */
  get session(): Session | undefined {
    return this.#session
  }

  /** How many requests were sent, those of the login included. */
  get requests(): number {
    return this.#requests
  }

  get isRetired(): boolean {
    return this.#isRetired
  }

  override isConnected(): boolean {
    return !this.#isRetired && super.isConnected()
  }

  /** S1 */
  override reauthenticate(): void {}

  override send<T>(...parts: Parameters<typeof Connection.prototype.send<T>>): void {
    const [apiKey, apiVersion, createPayload, parser, hasRequestTags, hasResponseTags, callback] = parts
    this.#underWay += 1
    this.#requests += 1
    // The broker counts from its answer, which is later: so nothing is sent after the end, however late the answer is read.
    const sentMs = apiKey === SASL_AUTHENTICATE ? this.#deps.clock.monotonicMs() : 0
    super.send<T>(apiKey, apiVersion, createPayload, parser, hasRequestTags, hasResponseTags, (error, answer) => {
      this.#underWay -= 1
      if (apiKey === SASL_AUTHENTICATE && answer !== undefined) this.#learnSession(answer, sentMs)
      if (this.#isRetired && this.#underWay === 0) this.#closeSoon()
      callback(error, answer)
    })
  }

  /** Another connection takes its place (S2). */
  retire(): void {
    if (this.#isRetired) return
    this.#isRetired = true
    if (this.#underWay === 0) this.#closeSoon()
  }

  /** Takes the place of another of the same owner (S3). */
  succeed(predecessor: SessionConnection): void {
    this.#predecessor = predecessor
    predecessor.once('close', () => {
      if (this.#predecessor === predecessor) this.#predecessor = undefined
    })
    predecessor.retire()
  }

  /** Ends it without waiting for the peer. */
  drop(): void {
    this.close().catch(() => {})
    this.socket?.destroy()
    this.#predecessor?.drop()
  }

  #closeSoon(): void {
    const { timers } = this.#deps
    if (this.#closing !== undefined) timers.clearTimeout(this.#closing)
    this.#closing = timers.setTimeout(() => {
      this.#closing = undefined
      if (this.#underWay === 0) this.close().catch(() => {})
    }, IDLE_MS)
    this.#closing.unref()
  }

  /** The last answer of a login says how long it holds; those before it say nothing. */
  #learnSession(answer: unknown, sinceMs: number): void {
    const { sessionLifetimeMs } = answer as { readonly sessionLifetimeMs?: bigint | number }
    const lifeMs = Number(sessionLifetimeMs ?? 0)
    if (lifeMs > 0) this.#session = { sinceMs, lifeMs }
  }
}
