/**
 * What a process knows about getting into one cluster, joined with what a binding or the registry says about it.
 *
 * D1. Secrets stay in the process that was given them: they are looked up by the cluster's name and never come from outside.
 * D2. A cluster that asks for credentials nobody gave is refused before the first connection.
 */
import { type ClusterAddress, MqError } from '@mq/contract'
import type { Sasl, Secret, Security, TlsOptions } from './security.ts'

export interface ClusterCredentials {
  readonly username?: string
  readonly password?: Secret
  /** For OAUTHBEARER. */
  readonly token?: Secret
  readonly tls?: TlsOptions
}

/**
 * @param whereToSet tells a person where to give the missing field
 * @throws MqError MQ_OPTION_INVALID
 */
export function securityOf(
  address: ClusterAddress,
  credentials: ClusterCredentials,
  whereToSet: (field: string) => string,
): Security {
  const tls = credentials.tls === undefined ? {} : { tls: credentials.tls }
  switch (address.securityProtocol) {
    case 'plaintext':
      return { protocol: 'plaintext' }
    case 'tls':
      return { protocol: 'tls', ...tls }
    case 'sasl-plaintext':
    case 'sasl-tls':
      return { protocol: address.securityProtocol, ...tls, sasl: saslOf(address, credentials, whereToSet) }
  }
}

function saslOf(
  address: ClusterAddress,
  { username, password, token }: ClusterCredentials,
  whereToSet: (field: string) => string,
): Sasl {
  const mechanism = address.saslMechanism ?? 'PLAIN'
  const missing = (field: string): MqError =>
    new MqError('MQ_OPTION_INVALID', `Cluster ${address.name} asks for ${mechanism}: ${whereToSet(field)}`)
  if (mechanism === 'OAUTHBEARER') {
    if (token === undefined) throw missing('token')
    return { mechanism, token }
  }
  if (username === undefined) throw missing('username')
  if (password === undefined) throw missing('password')
  return { mechanism, username, password }
}
