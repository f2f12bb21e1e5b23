/**
 * How a connection proves who it is, mapped to what the library and Node take.
 *
 * S1. The name in the certificate is always checked against the broker's address, unless the caller's own TLS options say otherwise.
 * S2. A secret, and the TLS options as a whole, may be a function, asked anew for every connection, so that they can be rotated.
 * S3. No secret ever stands in an error or in `describe`.
 * S4. A broker refuses a bearer token inside an answer that looks like success; it is read as the refusal it is.
 */
import { isIP } from 'node:net'
import { MqError } from '@mq/contract'
import type { ConnectionOptions } from '@platformatic/kafka'
import type { Sasl, Security, TlsOptions, TlsSource } from './security-types.ts'

/** Refuses what could never work, before the first connection. */
export function checkSecurity(security: Security, cluster: string): void {
  if (security.protocol === 'plaintext' || security.protocol === 'tls') return
  const { sasl } = security
  const missing =
    sasl.mechanism === 'OAUTHBEARER'
      ? sasl.token === '' && 'token'
      : (sasl.username === '' && 'user name') || (sasl.password === '' && 'password')
  if (missing) throw new MqError('MQ_OPTION_INVALID', `Cluster ${cluster}: ${sasl.mechanism} needs a ${missing}`)
}

/** The library's options for one connection to one broker. */
export async function securityOptions(
  security: Security,
  host: string,
): Promise<Pick<ConnectionOptions, 'tls' | 'tlsServerName' | 'sasl'>> {
  const usesTls = security.protocol === 'tls' || security.protocol === 'sasl-tls'
  const tls = usesTls ? { minVersion: 'TLSv1.2' as const, ...(await tlsOf(security.tls)) } : undefined
  return {
    ...(tls === undefined ? {} : { tls }),
    // A server name is asked for by host names only: TLS forbids addresses there.
    ...(tls !== undefined && tls.servername === undefined && isIP(host) === 0 ? { tlsServerName: host } : {}),
    ...('sasl' in security ? { sasl: saslOptions(security.sasl) } : {}),
  }
}

async function tlsOf(source: TlsSource | undefined): Promise<TlsOptions | undefined> {
  if (typeof source !== 'function') return source
  try {
    return await source()
  } catch (error) {
    // A file that is being replaced is there again in a moment.
    throw new MqError('MQ_KAFKA_UNREACHABLE', `the TLS options cannot be had: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

function saslOptions(sasl: Sasl): NonNullable<ConnectionOptions['sasl']> {
  if (sasl.mechanism === 'OAUTHBEARER') {
    return {
      mechanism: sasl.mechanism,
      token: sasl.token,
      authBytesValidator: refuseBearerProblem,
      ...(sasl.extensions === undefined ? {} : { oauthBearerExtensions: { ...sasl.extensions } }),
    }
  }
  return { mechanism: sasl.mechanism, username: sasl.username, password: sasl.password }
}

/** RFC 7628: success is an empty message, anything else names the problem. */
function refuseBearerProblem(message: Buffer, callback: (error: Error | null, message?: Buffer) => void): void {
  if (message.length === 0) callback(null, message)
  else callback(new Error(`the bearer token is refused: ${problemOf(message)}`))
}

function problemOf(message: Buffer): string {
  try {
    const { status } = JSON.parse(message.toString()) as { readonly status?: unknown }
    return typeof status === 'string' ? status : 'no reason given'
  } catch {
    return 'the reason cannot be read'
  }
}
