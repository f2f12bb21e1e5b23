/**
 * Brings the binding of every mQ ID in use into the store and keeps it current.
 *
 * R1. The control plane is asked first; when it does not answer, the cached binding is used; with neither, the caller waits.
 * R2. A refusal by the control plane (unknown, malformed, not authorised) is final for the callers waiting, unless a
 *     cached binding is there: the last good binding is law. That an mQ ID was deleted is always final.
 * R3. While a push stream is down, its mQ IDs are asked for by conditional GET; even while it is up, now and then.
 * R5. While there is no binding, `problem` says why: a control plane that answers and cannot help is not one that is away.
 * R4. Nothing here is ever waited for once an mQ ID has a binding.
 */
import { type Binding, bindingVersion, MqError } from '@mq/contract'
import { type BackoffLimits, backoffMs, type Deps, pause } from '@mq/kafka'
import type { Logger } from '../base/logger.ts'
import type { BindingCache } from './cache.ts'
import type { ControlPlaneClient } from './control-plane-client.ts'
import type { BindingStore } from './store.ts'
import { BindingStream } from './stream.ts'

const RETRY: BackoffLimits = { baseMs: 200, maxMs: 5_000 }
const CACHED_LIMIT_MS = 2_000
const POLL_MS = 30_000
const SWEEP_EVERY = 10

export interface BindingSourceOptions {
  readonly client: ControlPlaneClient
  readonly store: BindingStore
  readonly cache: BindingCache | undefined
  readonly deps: Deps
  readonly logger: Logger
  readonly heartbeatMs?: number
  readonly pollMs?: number
}

export class BindingSource {
  readonly #options: BindingSourceOptions
  readonly #pending = new Map<string, Promise<Binding>>()
  readonly #problems = new Map<string, MqError>()
  readonly #streams: BindingStream[] = []
  readonly #followed = new Set<string>()
  readonly #closed = new AbortController()
  #polling: Promise<void> | undefined
  #saidDown = false

  constructor(options: BindingSourceOptions) {
    this.#options = options
  }

  /** The binding in force; asks for it when there is none. Rejects on a final refusal and on close. */
  resolve(mqId: string): Promise<Binding> {
    const known = this.#options.store.get(mqId)
    if (known !== undefined) return Promise.resolve(known)
    let pending = this.#pending.get(mqId)
    if (pending === undefined) {
      pending = this.#resolve(mqId).finally(() => {
        this.#pending.delete(mqId)
        this.#problems.delete(mqId)
      })
      this.#pending.set(mqId, pending)
    }
    return pending
  }

  /** Why an mQ ID has no binding yet, as far as that is known (R5). */
  problem(mqId: string): MqError | undefined {
    return this.#problems.get(mqId)
  }

  /** Asks the control plane now; what is newer reaches the store. Never rejects. */
  async refresh(mqId: string): Promise<void> {
    await this.#ask(mqId)
  }

  /** Whether the control plane is heard now: it would push what is new of the mQ ID. */
  isHeard(mqId: string): boolean {
    return this.#streams.some((stream) => stream.live && stream.mqIds.includes(mqId))
  }

  async close(): Promise<void> {
    this.#closed.abort()
    await Promise.all([...this.#streams.map((stream) => stream.close()), this.#polling])
  }

  async #resolve(mqId: string): Promise<Binding> {
    const { client, store, cache, deps, logger } = this.#options
    const cached = await cache?.load(mqId)
    for (let failures = 1; !this.#closed.signal.aborted; failures++) {
      try {
        const answer = await client.binding(mqId, {
          signal: this.#closed.signal,
          ...(cached === undefined ? {} : { limitMs: CACHED_LIMIT_MS }),
        })
        if (answer.kind === 'binding' && store.apply(answer.candidate, 'get') === 'invalid' && cached === undefined) {
          throw new MqError('MQ_BINDING_INVALID', `The binding of ${mqId} does not match the contract of this client`)
        }
      } catch (error) {
        if (!(error instanceof MqError)) throw error
        this.#problems.set(mqId, error)
        if (error.code === 'MQ_ID_DELETED' || (cached === undefined && !error.retryable)) throw error
        if (cached !== undefined) {
          logger.warn(`${mqId} runs on its cached binding ${bindingVersion(cached)}: ${error.message}`, {
            code: error.code,
            mqId,
          })
        }
      }
      if (cached !== undefined) store.apply(cached, 'cache')
      const binding = store.get(mqId)
      if (binding !== undefined) {
        this.#follow(mqId)
        return binding
      }
      await pause(deps, backoffMs(failures, deps.random, RETRY, 'full'), this.#closed.signal)
    }
    throw new MqError('MQ_CLOSED', `The connection was closed before ${mqId} had a binding`)
  }

  #follow(mqId: string): void {
    if (this.#followed.has(mqId)) return
    this.#followed.add(mqId)
    this.#polling ??= this.#poll()
    if (this.#streams.at(-1)?.add(mqId) === true) return
    const { client, deps, store, logger, heartbeatMs } = this.#options
    const stream = new BindingStream({
      client,
      deps,
      ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
      onBinding: (candidate) => {
        this.#saidDown = false
        store.apply(candidate, 'push')
      },
      onUnreadable: (problem) => logger.warn(`Push from ${client.url}: ${problem}`, { code: 'MQ_BINDING_INVALID' }),
      onDown: (error) => this.#sayDown(error),
    })
    this.#streams.push(stream)
    stream.add(mqId)
  }

  /** A control plane that is away is told once, not at every attempt. */
  #sayDown(error: MqError | undefined): void {
    if (this.#saidDown || error === undefined) return
    this.#saidDown = true
    this.#options.logger.warn(`Running on the last good bindings: ${error.message}`, { code: error.code })
  }

  async #poll(): Promise<void> {
    const { deps, pollMs = POLL_MS } = this.#options
    for (let round = 1; !this.#closed.signal.aborted; round++) {
      await pause(deps, pollMs * (0.8 + 0.4 * deps.random()), this.#closed.signal)
      for (const stream of this.#streams) {
        if (stream.live && round % SWEEP_EVERY !== 0) continue
        for (const mqId of stream.mqIds) if (!(await this.#ask(mqId))) break
      }
    }
  }

  /** @returns false when the control plane did not answer, and asking for more is vain */
  async #ask(mqId: string): Promise<boolean> {
    const { client, store } = this.#options
    if (this.#closed.signal.aborted) return false
    const current = store.get(mqId)
    try {
      const version = current === undefined ? {} : { version: bindingVersion(current) }
      const answer = await client.binding(mqId, { ...version, signal: this.#closed.signal })
      if (answer.kind === 'binding') store.apply(answer.candidate, 'get')
      return true
    } catch (error) {
      return error instanceof MqError && error.code !== 'MQ_CONTROL_PLANE_AWAY'
    }
  }
}
