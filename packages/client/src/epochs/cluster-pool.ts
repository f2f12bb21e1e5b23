/**
 * Connections to the Kafka clusters that bindings name, one for each name, shared by all mQ IDs.
 *
 * Q1. Credentials stay in this process: they are looked up by the cluster's name and never come from a binding.
 * Q2. A cluster that asks for credentials nobody gave is refused before the first connection.
 * Q3. Of the addresses that bindings give for a name those of the newest binding count, whichever mQ ID it is of. Whoever uses the cluster
 *     already goes on over them, without being asked.
 * Q4. A name that now stands for another Kafka cluster is connected to anew for whoever asks from then on; who used it before stays
 *     where its records are.
 */
import { type Binding, type ClusterAddress, compareBindings, MqError } from '@mq/contract'
import { Cluster, type ClusterCredentials, type Deps, type Security, securityOf } from '@mq/kafka'
import { FailureThrottle } from '../base/failure-throttle.ts'
import type { Logger } from '../base/logger.ts'
import { Clocks } from './clocks.ts'
import { QuotaNotice } from './quota-notice.ts'

export interface ClusterPoolOptions {
  readonly clientId: string
  readonly credentials: Readonly<Record<string, ClusterCredentials>>
  readonly deps: Deps
  readonly logger: Logger
}

interface Known {
  readonly address: ClusterAddress
  readonly version: Pick<Binding, 'incarnation' | 'revision'>
}

export class ClusterPool {
  readonly #options: ClusterPoolOptions
  /** What the newest binding says (Q3). */
  readonly #known = new Map<string, Known>()
  readonly #clusters = new Map<string, Cluster>()
  /** Of names that stand for another Kafka cluster by now (Q4). */
  readonly #former: Cluster[] = []
  /** Quotas hold for the process as a whole, so they are said for it as a whole. */
  readonly quotas: QuotaNotice
  readonly clocks: Clocks

  constructor(options: ClusterPoolOptions) {
    this.#options = options
    this.quotas = new QuotaNotice(options.deps.clock, options.logger)
    this.clocks = new Clocks(options.logger)
  }

  get(address: ClusterAddress): Cluster {
    const { name } = address
    const open = this.#clusters.get(name)
    if (open !== undefined && !open.leadsElsewhere) return open
    const cluster = this.#open(this.#known.get(name)?.address ?? address)
    if (open !== undefined) this.#former.push(open)
    this.#clusters.set(name, cluster)
    return cluster
  }

  /** A binding is in force from now on (Q3). */
  follow(binding: Binding): void {
    for (const address of binding.clusters) {
      const known = this.#known.get(address.name)
      if (known !== undefined && compareBindings(binding, known.version) < 0) continue
      this.#known.set(address.name, { address, version: binding })
      if (known !== undefined && keyOf(known.address) !== keyOf(address)) this.#reconfigure(address)
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clusters.values(), ...this.#former].map((cluster) => cluster.close()))
  }

  #open(address: ClusterAddress): Cluster {
    const { clientId, deps } = this.#options
    const { name, bootstrap } = address
    const trouble = new FailureThrottle(deps.clock)
    const onTrouble = (error: MqError): void => {
      if (!trouble.failed()) return
      this.#warn(
        name,
        error,
        `The new addresses of cluster ${name} cannot be used, and it is gone on with the old ones`,
      )
    }
    return new Cluster({ name, clientId, bootstrap, security: this.#securityOf(address), deps, onTrouble })
  }

  #reconfigure(address: ClusterAddress): void {
    const cluster = this.#clusters.get(address.name)
    if (cluster === undefined) return
    try {
      cluster.reconfigure({ bootstrap: address.bootstrap, security: this.#securityOf(address) })
    } catch (error) {
      const problem = error instanceof MqError ? error : new MqError('MQ_INTERNAL', String(error), { cause: error })
      this.#warn(address.name, problem, `Cluster ${address.name} was given settings that this process cannot use`)
    }
  }

  #securityOf(address: ClusterAddress): Security {
    const { credentials } = this.#options
    const own = Object.hasOwn(credentials, address.name) ? credentials[address.name]! : {}
    return securityOf(address, own, (field) => `pass credentials['${address.name}'].${field} to connect()`)
  }

  #warn(cluster: string, error: MqError, what: string): void {
    this.#options.logger.warn(`${what}: ${error.message}`, { code: error.code, cluster })
  }
}

function keyOf({ bootstrap, securityProtocol, saslMechanism }: ClusterAddress): string {
  return JSON.stringify([bootstrap, securityProtocol, saslMechanism])
}
