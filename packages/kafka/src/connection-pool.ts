/**
 * Connections shared by purpose: at most one for each (address, purpose).
 *
 * P1. Callers that want the same connection at once share one attempt.
 * P2. After a failed attempt the next one waits: 50 ms, doubling to 1 s, with jitter. Success resets it.
 * P3. A connection that is no longer connected is replaced at the next call; requests on it fail by themselves.
 * P4. After `close()` nothing is opened, and an attempt that was under way is ended when it comes through.
 * P5. While a connection renews its login it is waited for: it takes no request meanwhile, and a second one in its place
 *     would stay for good.
 */
import { MqError } from '@mq/contract'
import type { Connection } from '@platformatic/kafka'
import { backoffMs, sleep } from './backoff.ts'
import {
  addressText,
  type BrokerAddress,
  type ConnectOptions,
  dropConnection,
  isRenewing,
  openBrokerConnection,
  type Purpose,
} from './broker-connection.ts'
import type { Deps } from './deps.ts'

type Slot =
  | { readonly kind: 'opening'; readonly attempt: Promise<Connection> }
  | { readonly kind: 'open'; readonly connection: Connection }
  | { readonly kind: 'failed'; readonly failures: number; readonly notBeforeMs: number }

export class ConnectionPool {
  readonly #options: ConnectOptions
  readonly #deps: Deps
  readonly #slots = new Map<string, Slot>()
  /** Connections of callers' own, so that `close` reaches them too. */
  readonly #private = new Set<Connection>()
  readonly #closed = new AbortController()

  constructor(options: ConnectOptions, deps: Deps) {
    this.#options = options
    this.#deps = deps
  }

  /** Whether a shared connection stands that needs no attempt. */
  isOpen(address: BrokerAddress, purpose: Purpose): boolean {
    const slot = this.#slots.get(keyOf(address, purpose))
    return slot?.kind === 'open' && slot.connection.isConnected()
  }

  /** Whether the last attempt failed, or its connection was given up. */
  hasFailed(address: BrokerAddress, purpose: Purpose): boolean {
    return this.#slots.get(keyOf(address, purpose))?.kind === 'failed'
  }

  /** Ends a shared connection that does not do its work; the next attempt counts as one after a failure. */
  giveUp(address: BrokerAddress, purpose: Purpose, connection: Connection): void {
    const key = keyOf(address, purpose)
    const slot = this.#slots.get(key)
    dropConnection(connection)
    if (slot?.kind === 'open' && slot.connection === connection) this.#markFailed(key, 1)
  }

  async get(address: BrokerAddress, purpose: Purpose): Promise<Connection> {
    this.#refuseWhenClosed()
    const key = keyOf(address, purpose)
    const slot = this.#slots.get(key)
    if (slot?.kind === 'opening') return await slot.attempt
    if (slot?.kind === 'open') {
      if (await isReady(slot.connection)) return slot.connection
      // Others may have waited for the same renewal and replaced it by now.
      if (this.#slots.get(key) !== slot) return await this.get(address, purpose)
      dropConnection(slot.connection)
    }
    const before = slot?.kind === 'failed' ? slot : undefined
    const attempt = this.#attempt(key, address, purpose, before)
    this.#slots.set(key, { kind: 'opening', attempt })
    return await attempt
  }

  /** A connection of the caller's own, which the caller closes. */
  async open(address: BrokerAddress, purpose: Purpose): Promise<Connection> {
    this.#refuseWhenClosed()
    const connection = await openBrokerConnection(address, purpose, this.#options)
    this.#dropWhenClosed(connection)
    this.#private.add(connection)
    connection.once('close', () => this.#private.delete(connection))
    return connection
  }

  close(): void {
    if (this.#closed.signal.aborted) return
    this.#closed.abort(this.#closedError())
    for (const slot of this.#slots.values()) {
      if (slot.kind === 'open') dropConnection(slot.connection)
    }
    for (const connection of this.#private) dropConnection(connection)
    this.#slots.clear()
    this.#private.clear()
  }

  async #attempt(
    key: string,
    address: BrokerAddress,
    purpose: Purpose,
    before: Extract<Slot, { kind: 'failed' }> | undefined,
  ): Promise<Connection> {
    try {
      const waitMs = (before?.notBeforeMs ?? 0) - this.#deps.clock.monotonicMs()
      if (waitMs > 0) await sleep(this.#deps, waitMs, this.#closed.signal)
      const connection = await openBrokerConnection(address, purpose, this.#options)
      this.#dropWhenClosed(connection)
      this.#slots.set(key, { kind: 'open', connection })
      return connection
    } catch (error) {
      this.#markFailed(key, (before?.failures ?? 0) + 1)
      throw error
    }
  }

  #markFailed(key: string, failures: number): void {
    const { clock, random } = this.#deps
    const notBeforeMs = clock.monotonicMs() + backoffMs(failures, random)
    if (!this.#closed.signal.aborted) this.#slots.set(key, { kind: 'failed', failures, notBeforeMs })
  }

  #refuseWhenClosed(): void {
    if (this.#closed.signal.aborted) throw this.#closedError()
  }

  #dropWhenClosed(connection: Connection): void {
    if (!this.#closed.signal.aborted) return
    dropConnection(connection)
    throw this.#closedError()
  }

  #closedError(): MqError {
    return new MqError('MQ_CLOSED', `the connection to cluster ${this.#options.cluster} was closed`)
  }
}

/** Waits while a login is renewed (P5); everything else is known at once. */
async function isReady(connection: Connection): Promise<boolean> {
  if (isRenewing(connection)) await connection.ready().catch(() => {})
  return connection.isConnected()
}

function keyOf(address: BrokerAddress, purpose: Purpose): string {
  return `${purpose} ${addressText(address)}`
}
