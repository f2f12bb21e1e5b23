/**
 * What a process knows about getting into one cluster, joined with what a binding or the registry says about it.
 *
 * D1. Secrets stay in the process that was given them: they are looked up by the cluster's name and never come from outside.
 * D2. A cluster that asks for credentials nobody gave is refused before the first connection.
 * D3. Files are read anew for every connection: a certificate that was replaced is used without a restart.
 */
import { readFile } from 'node:fs/promises'
import { type ClusterAddress, MqError } from '@mq/contract'
import type { Sasl, Secret, Security, TlsOptions, TlsSource } from './security-types.ts'

export interface ClusterCredentials {
  readonly username?: string
  readonly password?: Secret
  /** For OAUTHBEARER. */
  readonly token?: Secret
  readonly tls?: TlsSource
  /** PEM files: who is trusted, and the certificate of this client with its key (D3). They go before the same fields of `tls`. */
  readonly tlsFiles?: TlsFiles
}

export interface TlsFiles {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
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
  const source = tlsOf(credentials)
  const tls = source === undefined ? {} : { tls: source }
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

function tlsOf({ tls, tlsFiles }: ClusterCredentials): TlsSource | undefined {
  if (tlsFiles === undefined) return tls
  return async () => {
    const own = typeof tls === 'function' ? await tls() : tls
    const fields = Object.entries(tlsFiles).map(async ([field, path]) => [field, await readFile(path)] as const)
    return { ...own, ...(Object.fromEntries(await Promise.all(fields)) as TlsOptions) }
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
