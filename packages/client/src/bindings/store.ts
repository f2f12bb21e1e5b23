/**
 * The bindings in force in this process.
 *
 * S1. A binding replaces another only when its (incarnation, revision) is newer; whatever order they arrive in, the newest wins.
 * S2. Input that does not match the contract is kept out and reported; the last good binding stays in force.
 * S3. Listeners hear of each applied binding exactly once, in order, and never of one that was not applied.
 * S4. What is in force is the newest binding with what this process has proven itself (contract: proven-seal.ts): no binding that comes later takes
 *     a proof back without saying more.
 */
import {
  Binding,
  bindingVersion,
  compareBindings,
  describeIssues,
  holdsFor,
  type ProvenSeal,
  proofWithin,
  withProvenSeal,
} from '@mq/contract'
import type { Logger } from '../base/logger.ts'

export type BindingOrigin = 'push' | 'get' | 'cache' | 'proof'
export type Applied = 'applied' | 'not-newer' | 'invalid'
export type BindingListener = (binding: Binding) => void

export class BindingStore {
  readonly #bindings = new Map<string, Binding>()
  readonly #listeners = new Map<string, Set<BindingListener>>()
  readonly #proofs = new Map<string, ProvenSeal>()
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
    // Only what this process wrote itself can rest on a proof.
    const kept = origin === 'cache' ? proofWithin(binding) : undefined
    if (kept !== undefined) this.#proofs.set(binding.mqId, kept)
    this.#put(withProvenSeal(binding, this.#proofs.get(binding.mqId)), origin)
    return 'applied'
  }

  /** Takes what this process has proven (S4). @returns whether it says something that the binding in force does not */
  prove(proof: ProvenSeal): boolean {
    const current = this.#bindings.get(proof.mqId)
    if (current === undefined || !holdsFor(proof, current)) return false
    this.#proofs.set(proof.mqId, proof)
    this.#put(withProvenSeal(current, proof), 'proof')
    return true
  }

  #put(binding: Binding, origin: BindingOrigin): void {
    this.#bindings.set(binding.mqId, binding)
    this.#onApplied(binding, origin)
    for (const listener of [...(this.#listeners.get(binding.mqId) ?? [])]) listener(binding)
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
