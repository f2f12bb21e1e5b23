/**
 * One connection to one broker: the library's, guarded and with its reason of failure kept.
 *
 * C1. Every frame passes the guard, those of the SASL handshake included.
 * C2. The library tells a request only that the connection closed; why it closed is kept in `failureOf`.
 * C3. A connection that was handed out is connected and authenticated; one that failed is never handed out again.
 * C4. A connection that ended leaves no timer behind: the library keeps the one of its next login.
 * C5. TLS options and secrets that come by reference are asked for anew at every connection.
 * C6. The first request on it asks for the API versions of the broker; connecting includes the answer.
 * C7. A connection that leads to another broker than the one expected at its address is never handed out (broker-identity.ts).
 */
import { MqError } from '@mq/contract'
import { type Deps, within } from '@mq/contract/timing'
import type { Connection } from '@platformatic/kafka'
import { apisOf, namePeer } from '../protocol/api-versions.ts'
import { toMqError } from '../protocol/kafka-errors.ts'
import { type BrokerIdentity, checkIdentity, isStranger } from './broker-identity.ts'
import { guardSocket } from './frame-guard.ts'
import { securityOptions } from './security.ts'
import type { Security } from './security-types.ts'
import { SessionConnection } from './session-connection.ts'

/** What a connection is for: a fetch that waits for records must not stand before a produce request. */
export const PURPOSES = ['produce', 'fetch', 'group', 'admin'] as const
export type Purpose = (typeof PURPOSES)[number]

export interface BrokerAddress {
  readonly host: string
  readonly port: number
}

export interface ConnectOptions {
  readonly cluster: string
  readonly clientId: string
  readonly security: Security
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly maxResponseBytes: number
  /** Who is expected at an address; undefined while nobody knows (C7). */
  readonly identityOf?: (address: BrokerAddress, purpose: Purpose) => BrokerIdentity | undefined
  /** Somebody else has the address now (C7). */
  readonly onStranger?: (address: BrokerAddress) => void
}

/** Requests under way at once; more wait in the library's queue. */
const MOST_INFLIGHT: Readonly<Record<Purpose, number>> = { produce: 64, fetch: 4, group: 16, admin: 16 }

const failures = new WeakMap<Connection, Error>()

/** Why a connection ended, where that is known. */
export function failureOf(connection: Connection): Error | undefined {
  return failures.get(connection)
}

export function addressText({ host, port }: BrokerAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * @param signal ends the attempt at once, whatever it waits for
 * @throws MqError MQ_KAFKA_UNREACHABLE, MQ_KAFKA_AUTH_FAILED, MQ_KAFKA_TLS_FAILED or MQ_PROTOCOL_VIOLATION
 */
export async function openBrokerConnection(
  address: BrokerAddress,
  purpose: Purpose,
  options: ConnectOptions,
  deps: Deps,
  signal?: AbortSignal,
): Promise<SessionConnection> {
  const peer = `broker ${addressText(address)} of cluster ${options.cluster}`
  const connection = new SessionConnection(
    options.clientId,
    {
      connectTimeout: options.connectTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      maxInflights: MOST_INFLIGHT[purpose],
      ...(await securityOptions(options.security, address.host)),
    },
    deps,
  )
  connection.on('error', (error: Error) => {
    if (!failures.has(connection)) failures.set(connection, error)
  })
  // The library stops the timer of the next login in `close` alone.
  connection.once('close', () => void connection.close().catch(() => {}))
  const limitMs = Math.min(options.connectTimeoutMs, options.requestTimeoutMs)
  let isUp = false
  const drop = (): void => dropConnection(connection)
  signal?.throwIfAborted()
  signal?.addEventListener('abort', drop, { once: true })
  try {
    const connecting = connection.connect(address.host, address.port) as Promise<void>
    const { socket } = connection
    const isTls = options.security.protocol === 'tls' || options.security.protocol === 'sasl-tls'
    socket.once(isTls ? 'secureConnect' : 'connect', () => guardSocket(socket, options.maxResponseBytes, peer))
    await connecting
    namePeer(connection, peer, deps)
    isUp = true
    await within(deps, limitMs, () => silent(peer, limitMs), apisOf(connection))
    const expected = options.identityOf?.(address, purpose)
    if (expected !== undefined) {
      await within(deps, limitMs, () => silent(peer, limitMs), checkIdentity(connection, expected))
    }
  } catch (error) {
    const wasClosed = connection.socket?.readableEnded === true
    connection.socket?.destroy()
    if (isStranger(error)) {
      options.onStranger?.(address)
      throw error
    }
    const failed = toMqError(failures.get(connection) ?? error, `connect to ${peer}`)
    if (isUp && failed.details.kafkaCode === UNKNOWN_SERVER_ERROR) throw noBroker(peer, error)
    if (isUp && failed.code === 'MQ_KAFKA_TIMEOUT') throw silent(peer, limitMs, error)
    if (wasClosed && failed.code === 'MQ_KAFKA_UNREACHABLE') throw hungUp(peer, error)
    // A connection that does not come about in time is an unreachable broker, not a slow answer.
    throw failed.code === 'MQ_KAFKA_TIMEOUT'
      ? new MqError('MQ_KAFKA_UNREACHABLE', failed.message, { cause: error })
      : failed
  } finally {
    signal?.removeEventListener('abort', drop)
  }
  return connection
}

const UNKNOWN_SERVER_ERROR = -1

function silent(peer: string, limitMs: number, cause?: unknown): MqError {
  const why = `${peer} took the connection and did not tell its API versions within ${limitMs} ms`
  return new MqError('MQ_KAFKA_TIMEOUT', why, { cause })
}

/** A protocol proxy (Kroxylicious) answers for a broker that it cannot reach. */
function noBroker(peer: string, cause: unknown): MqError {
  const why = `${peer} answered the question for its API versions with an error: it may be a proxy that reaches no broker now`
  return new MqError('MQ_KAFKA_UNREACHABLE', why, { cause })
}

function hungUp(peer: string, cause: unknown): MqError {
  const why = `${peer} took the connection and closed it instead of answering: it may expect TLS or a login, or have no broker behind it`
  return new MqError('MQ_KAFKA_UNREACHABLE', why, { cause })
}

/** Ends a connection without waiting for the peer. */
export function dropConnection(connection: Connection): void {
  if (connection instanceof SessionConnection) {
    connection.drop()
    return
  }
  connection.close().catch(() => {})
  connection.socket?.destroy()
}
