/**
 * Connections to the Kafka clusters that bindings name, one pool for each address, shared by all mQ IDs.
 *
 * Q1. Credentials stay in this process: they are looked up by the cluster's name and never come from a binding.
 * Q2. A cluster that asks for credentials nobody gave is refused before the first connection.
 */
import { type ClusterAddress, MqError } from '@mq/contract'
import { Cluster, type Deps, type Sasl, type Secret, type Security, type TlsOptions } from '@mq/kafka'

/** How this application proves who it is to one cluster. */
export interface ClusterCredentials {
  readonly username?: string
  readonly password?: Secret
  /** For OAUTHBEARER. */
  readonly token?: Secret
  readonly tls?: TlsOptions
}

export interface ClusterPoolOptions {
  readonly clientId: string
  readonly credentials: Readonly<Record<string, ClusterCredentials>>
  readonly deps: Deps
}

export class ClusterPool {
  readonly #options: ClusterPoolOptions
  readonly #clusters = new Map<string, Cluster>()

  constructor(options: ClusterPoolOptions) {
    this.#options = options
  }

  get(address: ClusterAddress): Cluster {
    const key = JSON.stringify([address.name, address.bootstrap, address.securityProtocol, address.saslMechanism])
    let cluster = this.#clusters.get(key)
    if (cluster === undefined) {
      const { clientId, credentials, deps } = this.#options
      const own = Object.hasOwn(credentials, address.name) ? credentials[address.name]! : {}
      const security = securityOf(address, own)
      cluster = new Cluster({ name: address.name, clientId, bootstrap: address.bootstrap, security, deps })
      this.#clusters.set(key, cluster)
    }
    return cluster
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clusters.values()].map((cluster) => cluster.close()))
  }
}

/** What a binding says about a cluster, joined with what only this process knows. */
export function securityOf(address: ClusterAddress, credentials: ClusterCredentials): Security {
  const tls = credentials.tls === undefined ? {} : { tls: credentials.tls }
  switch (address.securityProtocol) {
    case 'plaintext':
      return { protocol: 'plaintext' }
    case 'tls':
      return { protocol: 'tls', ...tls }
    case 'sasl-plaintext':
    case 'sasl-tls':
      return { protocol: address.securityProtocol, ...tls, sasl: saslOf(address, credentials) }
  }
}

function saslOf(address: ClusterAddress, credentials: ClusterCredentials): Sasl {
  const mechanism = address.saslMechanism ?? 'PLAIN'
  const { username, password, token } = credentials
  if (mechanism === 'OAUTHBEARER') {
    if (token === undefined) throw missing(address.name, mechanism, 'token')
    return { mechanism, token }
  }
  if (username === undefined) throw missing(address.name, mechanism, 'username')
  if (password === undefined) throw missing(address.name, mechanism, 'password')
  return { mechanism, username, password }
}

function missing(cluster: string, mechanism: string, field: string): MqError {
  return new MqError(
    'MQ_OPTION_INVALID',
    `Cluster ${cluster} asks for ${mechanism}: pass credentials['${cluster}'].${field} to connect()`,
  )
}
