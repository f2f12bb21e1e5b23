/**
 * Connections shared by purpose: at most one for each (address, purpose).
 *
 * P1. Callers that want the same connection at once share one attempt.
 * P2. After a failed attempt the next one waits: 50 ms, doubling to 1 s, with jitter. Success resets it.
 * P3. A connection that is no longer connected is replaced at the next call; requests on it fail by themselves.
 * P4. After `close()` nothing is opened, and an attempt that was under way ends at once.
 * P5. A connection whose login session ends is replaced before that (renewal.ts): a shared one only if it was used, one of the
 *     caller's own always, and the caller is told.
 * P6. A pool that is left (`leave`) opens nothing more, and each of its connections ends when nothing is under way on it.
 */
import { MqError } from '@mq/contract'
import { backoffMs, type Deps, sleep, untilAborted } from '@mq/contract/timing'
import {
  addressText,
  type BrokerAddress,
  type ConnectOptions,
  dropConnection,
  openBrokerConnection,
  type Purpose,
} from './broker-connection.ts'
import { renewBeforeEnd } from './renewal.ts'
import type { SessionConnection } from './session-connection.ts'

type Slot =
  | { readonly kind: 'opening'; readonly attempt: Promise<SessionConnection> }
  | {
      readonly kind: 'open'
      readonly connection: SessionConnection
      /** On its way, where the session is about to end or has ended. */
      successor?: Promise<SessionConnection>
    }
  | { readonly kind: 'failed'; readonly failures: number; readonly notBeforeMs: number }

export class ConnectionPool {
  readonly #options: ConnectOptions
  readonly #deps: Deps
  readonly #slots = new Map<string, Slot>()
  /** Every connection that was opened and has not ended: those of callers' own and retired ones, too. */
  readonly #open = new Set<SessionConnection>()
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
  giveUp(address: BrokerAddress, purpose: Purpose, connection: SessionConnection): void {
    const key = keyOf(address, purpose)
    const slot = this.#slots.get(key)
    dropConnection(connection)
    if (slot?.kind === 'open' && slot.connection === connection) this.#markFailed(key, 1)
  }

  async get(address: BrokerAddress, purpose: Purpose): Promise<SessionConnection> {
    this.#refuseWhenClosed()
    const key = keyOf(address, purpose)
    const slot = this.#slots.get(key)
    if (slot?.kind === 'opening') return await slot.attempt
    if (slot?.kind === 'open') {
      const { connection } = slot
      if (connection.isConnected()) return connection
      if (connection.isRetired && slot.successor !== undefined) {
        const successor = await slot.successor.catch(() => undefined)
        if (successor !== undefined || this.#slots.get(key) !== slot) return await this.get(address, purpose)
      }
      // A retired one still has work to finish.
      if (!connection.isRetired) dropConnection(connection)
    }
    const before = slot?.kind === 'failed' ? slot : undefined
    const attempt = this.#attempt(key, address, purpose, before)
    this.#slots.set(key, { kind: 'opening', attempt })
    return await attempt
  }

  /**
   * A connection of the caller's own, which the caller closes.
   * @param onRenewed takes the connection that is to be used from now on, in place of one whose session ends (P5)
   */
  async open(
    address: BrokerAddress,
    purpose: Purpose,
    onRenewed?: (successor: SessionConnection) => void,
  ): Promise<SessionConnection> {
    const connection = await this.#openOne(address, purpose)
    if (onRenewed !== undefined) this.#followOwn(connection, address, purpose, onRenewed)
    return connection
  }

  /** P6. @param onEnded called when its last connection ended */
  leave(onEnded: () => void): void {
    this.#closed.abort(this.#closedError())
    this.#slots.clear()
    const ended = (): void => {
      if (this.#open.size === 0) onEnded()
    }
    for (const connection of this.#open) {
      connection.once('close', ended)
      connection.retire()
    }
    ended()
  }

  close(): void {
    if (!this.#closed.signal.aborted) this.#closed.abort(this.#closedError())
    for (const connection of this.#open) dropConnection(connection)
    this.#slots.clear()
    this.#open.clear()
  }

  async #openOne(address: BrokerAddress, purpose: Purpose): Promise<SessionConnection> {
    this.#refuseWhenClosed()
    const { signal } = this.#closed
    const opening = openBrokerConnection(address, purpose, this.#options, this.#deps, signal)
    // Nobody waits for a peer that does not answer once the pool is closed, nor for an attempt that the library leaves open (P4).
    const connection = await untilAborted(opening, signal, dropConnection)
    this.#open.add(connection)
    connection.once('close', () => this.#open.delete(connection))
    return connection
  }

  #followOwn(
    connection: SessionConnection,
    address: BrokerAddress,
    purpose: Purpose,
    onRenewed: (successor: SessionConnection) => void,
  ): void {
    renewBeforeEnd(connection, {
      deps: this.#deps,
      open: () => this.#openOne(address, purpose),
      replace: (successor) => {
        this.#followOwn(successor, address, purpose, onRenewed)
        onRenewed(successor)
        return true
      },
    })
  }

  /** The connection of a slot from now on. */
  #share(key: string, address: BrokerAddress, purpose: Purpose, connection: SessionConnection): void {
    const slot: Extract<Slot, { kind: 'open' }> = { kind: 'open', connection }
    this.#slots.set(key, slot)
    const loginRequests = connection.requests
    renewBeforeEnd(connection, {
      deps: this.#deps,
      isWanted: () => connection.requests > loginRequests,
      open: () => {
        slot.successor = this.#openOne(address, purpose)
        return slot.successor
      },
      replace: (successor) => {
        if (this.#slots.get(key) !== slot) return false
        this.#share(key, address, purpose, successor)
        return true
      },
    })
  }

  async #attempt(
    key: string,
    address: BrokerAddress,
    purpose: Purpose,
    before: Extract<Slot, { kind: 'failed' }> | undefined,
  ): Promise<SessionConnection> {
    try {
      const waitMs = (before?.notBeforeMs ?? 0) - this.#deps.clock.monotonicMs()
      if (waitMs > 0) await sleep(this.#deps, waitMs, this.#closed.signal)
      const connection = await this.#openOne(address, purpose)
      this.#share(key, address, purpose, connection)
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

  #closedError(): MqError {
    return new MqError('MQ_CLOSED', `the connection to cluster ${this.#options.cluster} was closed`)
  }
}

function keyOf(address: BrokerAddress, purpose: Purpose): string {
  return `${purpose} ${addressText(address)}`
}
