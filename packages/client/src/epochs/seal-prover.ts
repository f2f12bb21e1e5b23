/**
 * Finishes a migration without the control plane, as far as that is a matter of proof: when it does not say what came of an epoch, the
 * brokers are asked (the rule and what follows from it are in proven-seal.ts of the contract).
 *
 * P1. Nothing is done before PATIENCE_MS without news: as a rule the control plane opens the new epoch long before that.
 * P2. What begins it is a refusal by the old epoch, a binding that says `sealing`, or a control plane that is not heard: a process that
 *     only reads is refused nothing.
 * P3. The old epoch is proven first, and the new one is asked whether it takes records after that. The control plane, before it takes
 *     a new epoch back, closes it first and asks the old one after that. So one of the two sees what the other did, and an epoch that
 *     somebody opened is never taken back (control-plane: undo.ts).
 * P4. One attempt at a time for an mQ ID; what could not be found out is asked again, more and more rarely.
 */
import { type Binding, type ClusterAddress, type Epoch, provenSeal, type Succession, successionOf } from '@mq/contract'
import {
  backoffMs,
  type Cluster,
  type Deps,
  mayBeSealed,
  pause,
  probeOpen,
  proveSealed,
  type SealFinding,
} from '@mq/kafka'
import type { Logger } from '../base/logger.ts'
import type { BindingStore } from '../bindings/store.ts'
import type { ClusterPool } from './cluster-pool.ts'

export const PATIENCE_MS = 3_000
const LOOK_EVERY_MS = 500
const ASK_EVERY_MS = { baseMs: 250, maxMs: 5_000 }
const SAY_AFTER = 8

/** What is asked of the brokers. */
export interface SealPort {
  prove(address: ClusterAddress, epoch: Epoch): Promise<SealFinding>
  probeOpen(address: ClusterAddress, epoch: Epoch): Promise<SealFinding>
  mayBeSealed(address: ClusterAddress, epoch: Epoch): Promise<boolean>
}

export interface SealProverOptions {
  readonly store: Pick<BindingStore, 'get' | 'prove'>
  readonly port: SealPort
  readonly deps: Deps
  readonly logger: Logger
  /** Whether the control plane is heard now, as far as the mQ ID is concerned. */
  readonly isHeard: (mqId: string) => boolean
  readonly patienceMs?: number
}

export class SealProver {
  readonly #options: SealProverOptions
  /** Since when an epoch of an mQ ID is known to end. */
  readonly #ending = new Map<string, { readonly epoch: number; readonly sinceMs: number }>()
  readonly #watching = new Map<string, Promise<void>>()
  readonly #closed = new AbortController()

  constructor(options: SealProverOptions) {
    this.#options = options
  }

  /** A binding is in force from now on. */
  look(binding: Binding): void {
    const succession = successionOf(binding)
    if (succession === undefined) {
      this.#ending.delete(binding.mqId)
      return
    }
    if (succession.from.state === 'sealing') this.refused(binding.mqId, succession.from.epoch)
    if (this.#closed.signal.aborted || this.#watching.has(binding.mqId)) return
    const watching = this.#watch(binding.mqId).finally(() => this.#watching.delete(binding.mqId))
    this.#watching.set(binding.mqId, watching)
  }

  /** An epoch refused what only a sealed topic refuses, or is said to be about to. */
  refused(mqId: string, epoch: number): void {
    if (this.#ending.get(mqId)?.epoch === epoch) return
    this.#ending.set(mqId, { epoch, sinceMs: this.#options.deps.clock.monotonicMs() })
  }

  async close(): Promise<void> {
    this.#closed.abort()
    await Promise.all(this.#watching.values())
  }

  async #watch(mqId: string): Promise<void> {
    const { store, deps, isHeard, patienceMs = PATIENCE_MS } = this.#options
    const { signal } = this.#closed
    let silentSinceMs: number | undefined
    let attempts = 0
    while (!signal.aborted) {
      const binding = store.get(mqId)
      const succession = binding === undefined ? undefined : successionOf(binding)
      if (binding === undefined || succession === undefined) return
      const nowMs = deps.clock.monotonicMs()
      silentSinceMs = isHeard(mqId) ? undefined : (silentSinceMs ?? nowMs)
      const ending = this.#ending.get(mqId)
      const isEnding = ending?.epoch === succession.from.epoch
      // P1, P2
      const sinceMs = isEnding ? ending.sinceMs : silentSinceMs
      if (sinceMs === undefined || nowMs - sinceMs < patienceMs) attempts = 0
      else if (await this.#open(binding, succession, isEnding, ++attempts)) return
      const everyMs = attempts === 0 ? LOOK_EVERY_MS : backoffMs(attempts + 1, deps.random, ASK_EVERY_MS, 'none')
      await pause(deps, everyMs * (0.75 + 0.5 * deps.random()), signal)
    }
  }

  /** @returns whether the new epoch is open by proof now */
  async #open(binding: Binding, succession: Succession, isEnding: boolean, attempt: number): Promise<boolean> {
    const { store, port } = this.#options
    const { from, to } = succession
    const old = addressOf(binding, from)
    if (!isEnding && !(await port.mayBeSealed(old, from))) return false
    const found = await port.prove(old, from)
    if (found.kind !== 'sealed') {
      if (found.kind === 'unknown')
        this.#say(attempt, binding, `epoch ${from.epoch} is not proven sealed: ${found.reason}`)
      return false
    }
    // P3: not before the proof is complete.
    const next = await port.probeOpen(addressOf(binding, to), to)
    if (next.kind !== 'open') {
      const why = next.kind === 'unknown' ? next.reason : `topic ${to.topic} refuses records`
      this.#say(attempt, binding, `epoch ${from.epoch} is sealed, and epoch ${to.epoch} cannot be opened: ${why}`)
      return false
    }
    if (this.#closed.signal.aborted || !store.prove(provenSeal(binding, succession, found.ends))) return false
    this.#options.logger.warn(
      `${binding.mqId} goes on in epoch ${to.epoch} on cluster ${to.cluster} without the control plane: every partition of epoch ${from.epoch} is proven sealed`,
      { code: 'MQ_CONTROL_PLANE_AWAY', mqId: binding.mqId },
    )
    return true
  }

  #say(attempt: number, { mqId }: Binding, what: string): void {
    if (attempt % SAY_AFTER !== 0) return
    this.#options.logger.warn(`${mqId} waits for the control plane: ${what}`, { code: 'MQ_CONTROL_PLANE_AWAY', mqId })
  }
}

/** The contract holds that there is one. */
function addressOf({ clusters }: Binding, { cluster }: Epoch): ClusterAddress {
  return clusters.find(({ name }) => name === cluster)!
}

/** Never throws: a cluster that cannot be asked leaves the question open. */
export function kafkaSealPort(clusters: Pick<ClusterPool, 'get'>): SealPort {
  const asking = async <T>(
    address: ClusterAddress,
    ask: (cluster: Cluster) => Promise<T>,
    otherwise: (why: string) => T,
  ): Promise<T> => {
    try {
      return await ask(clusters.get(address))
    } catch (error) {
      return otherwise(error instanceof Error ? error.message : String(error))
    }
  }
  const unknown = (reason: string): SealFinding => ({ kind: 'unknown', reason })
  return {
    prove: (address, epoch) => asking(address, (cluster) => proveSealed(cluster, epoch), unknown),
    probeOpen: (address, epoch) => asking(address, (cluster) => probeOpen(cluster, epoch), unknown),
    mayBeSealed: (address, { topic }) =>
      asking(
        address,
        (cluster) => mayBeSealed(cluster, topic),
        () => true,
      ),
  }
}
