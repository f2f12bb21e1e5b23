/**
 * Connections to the Kafka clusters that bindings name, one pool for each address, shared by all mQ IDs.
 *
 * Q1. Credentials stay in this process: they are looked up by the cluster's name and never come from a binding.
 * Q2. A cluster that asks for credentials nobody gave is refused before the first connection.
 */
import type { ClusterAddress } from '@mq/contract'
import { Cluster, type ClusterCredentials, type Deps, securityOf } from '@mq/kafka'
import type { Logger } from './logger.ts'
import { QuotaNotice } from './quota-notice.ts'

export interface ClusterPoolOptions {
  readonly clientId: string
  readonly credentials: Readonly<Record<string, ClusterCredentials>>
  readonly deps: Deps
  readonly logger: Logger
}

export class ClusterPool {
  readonly #options: ClusterPoolOptions
  readonly #clusters = new Map<string, Cluster>()
  /** Quotas hold for the process as a whole, so they are said for it as a whole. */
  readonly quotas: QuotaNotice

  constructor(options: ClusterPoolOptions) {
    this.#options = options
    this.quotas = new QuotaNotice(options.deps.clock, options.logger)
  }

  get(address: ClusterAddress): Cluster {
    const key = JSON.stringify([address.name, address.bootstrap, address.securityProtocol, address.saslMechanism])
    let cluster = this.#clusters.get(key)
    if (cluster === undefined) {
      const { clientId, credentials, deps } = this.#options
      const own = Object.hasOwn(credentials, address.name) ? credentials[address.name]! : {}
      const security = securityOf(address, own, (field) => `pass credentials['${address.name}'].${field} to connect()`)
      cluster = new Cluster({ name: address.name, clientId, bootstrap: address.bootstrap, security, deps })
      this.#clusters.set(key, cluster)
    }
    return cluster
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clusters.values()].map((cluster) => cluster.close()))
  }
}
