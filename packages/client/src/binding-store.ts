/**
 * The bindings in force in this process.
 *
 * S1. A binding replaces another only when its (incarnation, revision) is newer; whatever order they arrive in, the newest wins.
 * S2. Input that does not match the contract is kept out and reported; the last good binding stays in force.
 * S3. Listeners hear of each applied binding exactly once, in order, and never of one that was not applied.
 */
import { Binding, bindingVersion, compareBindings, describeIssues } from '@mq/contract'
import type { Logger } from './logger.ts'

export type BindingOrigin = 'push' | 'get' | 'cache'
export type Applied = 'applied' | 'not-newer' | 'invalid'
export type BindingListener = (binding: Binding) => void

export class BindingStore {
  readonly #bindings = new Map<string, Binding>()
  readonly #listeners = new Map<string, Set<BindingListener>>()
  readonly #logger: Logger
  readonly #onApplied: (binding: Binding, origin: BindingOrigin) => void

  constructor(logger: Logger, onApplied: (binding: Binding, origin: BindingOrigin) => void = () => {}) {
    this.#logger = logger
    this.#onApplied = onApplied
  }

  get(mqId: string): Binding | undefined {
    return this.#bindings.get(mqId)
  }

  /** All bindings in force. */
  all(): Binding[] {
    return [...this.#bindings.values()]
  }

  apply(candidate: unknown, origin: BindingOrigin): Applied {
    const parsed = Binding.safeParse(candidate)
    if (!parsed.success) {
      this.#reject(candidate, origin, describeIssues(parsed.error).slice(0, 3).join('; '))
      return 'invalid'
    }
    const binding = parsed.data
    const current = this.#bindings.get(binding.mqId)
    if (current !== undefined && compareBindings(binding, current) <= 0) return 'not-newer'
    this.#bindings.set(binding.mqId, binding)
    this.#onApplied(binding, origin)
    for (const listener of [...(this.#listeners.get(binding.mqId) ?? [])]) listener(binding)
    return 'applied'
  }

  /** @returns the way to stop listening */
  listen(mqId: string, listener: BindingListener): () => void {
    const listeners = this.#listeners.get(mqId) ?? new Set()
    this.#listeners.set(mqId, listeners)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#listeners.get(mqId) === listeners) this.#listeners.delete(mqId)
    }
  }

  #reject(candidate: unknown, origin: BindingOrigin, problem: string): void {
    const named =
      typeof candidate === 'object' && candidate !== null ? (candidate as { mqId?: unknown }).mqId : undefined
    const mqId = typeof named === 'string' ? named.slice(0, 120) : 'an unnamed mQ ID'
    const current = typeof named === 'string' ? this.#bindings.get(named) : undefined
    const inForce =
      current === undefined ? 'there is none in force' : `revision ${bindingVersion(current)} stays in force`
    this.#logger.error(`Binding of ${mqId} from ${origin} does not match the contract (${problem}); ${inForce}`, {
      code: 'MQ_BINDING_INVALID',
      mqId,
      origin,
    })
  }
}
