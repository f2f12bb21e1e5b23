/**
 * The versions a broker speaks, asked on each connection before anything else is sent on it.
 *
 * V1. They belong to a connection, never to a cluster: during a rolling upgrade brokers differ, and one that restarts changes.
 * V2. Version 3 is asked first. A broker that is too old for it answers UNSUPPORTED_VERSION in the format of version 0, and is
 *     asked version 0 (KIP-511). It tells no features then.
 * V3. They are asked again on the same connection when a broker refuses what it listed, and, not more often than every
 *     `AGAIN_MS`, when what is wanted was absent: a feature level may have been raised meanwhile.
 */
import { MqError } from '@mq/contract'
import { type Deps, systemDeps } from '@mq/contract/timing'
import { apiVersionsV0, apiVersionsV3, type Connection } from '@platformatic/kafka'
import { BrokerApis } from './broker-apis.ts'
import { KafkaCode, kafkaCodeOf, toMqError } from './kafka-errors.ts'

export const SOFTWARE = { name: 'mq', version: '0.1.0' }
const AGAIN_MS = 5_000

interface Peer {
  /** For messages: `broker 127.0.0.1:9092 of cluster main`. */
  readonly name: string
  readonly deps: Pick<Deps, 'clock'>
  apis: BrokerApis | undefined
  askedAtMs: number
  asking: Promise<BrokerApis> | undefined
}

const peers = new WeakMap<Connection, Peer>()

/** Says who is at the other end, for messages, and with whose clock to count. */
export function namePeer(connection: Connection, name: string, deps: Pick<Deps, 'clock'>): void {
  peers.set(connection, { name, deps, apis: undefined, askedAtMs: 0, asking: undefined })
}

export function peerName(connection: Connection): string {
  return peerOf(connection).name
}

/** Asked at the first call. */
export async function apisOf(connection: Connection): Promise<BrokerApis> {
  const peer = peerOf(connection)
  return peer.apis ?? (await ask(connection, peer))
}

/** What is known without asking. */
export function knownApisOf(connection: Connection): BrokerApis | undefined {
  return peers.get(connection)?.apis
}

/**
 * Asks again (V3).
 * @param isRefused the broker refused what it listed; else it was absent, and was looked for before
 */
export async function apisAgain(connection: Connection, isRefused: boolean): Promise<BrokerApis> {
  const peer = peerOf(connection)
  const ageMs = peer.deps.clock.monotonicMs() - peer.askedAtMs
  if (!isRefused && peer.apis !== undefined && ageMs < AGAIN_MS) return peer.apis
  return await ask(connection, peer)
}

/** Instead of asking: for a test that plays other versions than its broker speaks. */
export function pretendApis(connection: Connection, apis: BrokerApis): void {
  const peer = peerOf(connection)
  peer.apis = apis
  peer.askedAtMs = Number.POSITIVE_INFINITY
}

function peerOf(connection: Connection): Peer {
  if (!peers.has(connection)) namePeer(connection, `broker ${connection.host}:${connection.port}`, systemDeps)
  return peers.get(connection)!
}

async function ask(connection: Connection, peer: Peer): Promise<BrokerApis> {
  peer.asking ??= request(connection)
    .then((apis) => {
      peer.apis = apis
      peer.askedAtMs = peer.deps.clock.monotonicMs()
      return apis
    })
    .finally(() => {
      peer.asking = undefined
    })
  return await peer.asking
}

async function request(connection: Connection): Promise<BrokerApis> {
  const { name, version } = SOFTWARE
  try {
    const { apiKeys, finalizedFeatures } = await apiVersionsV3.api.async(connection, name, version)
    return new BrokerApis(
      rangesOf(apiKeys),
      (finalizedFeatures ?? []).map((feature) => [feature.name, feature.maxVersionLevel]),
    )
  } catch (error) {
    if (kafkaCodeOf(error) !== KafkaCode.UNSUPPORTED_VERSION) throw withoutAnswer(error, connection)
  }
  try {
    const { apiKeys } = await apiVersionsV0.api.async(connection, name, version)
    if (apiKeys.length > 0) return new BrokerApis(rangesOf(apiKeys))
  } catch (error) {
    throw withoutAnswer(error, connection)
  }
  throw new MqError('MQ_PROTOCOL_VIOLATION', `${peerName(connection)} lists no request in its ApiVersions answer`)
}

/**
 * A refusal of ApiVersions without the answer it came in: whoever takes what holds of an answer with errors would read this one as that
 * of the request he made. A proxy that reaches no broker answers -1.
 */
function withoutAnswer(error: unknown, connection: Connection): unknown {
  const code = kafkaCodeOf(error)
  return code === undefined ? error : toMqError(code, `ask ${peerName(connection)} for its versions`)
}

function rangesOf(
  apis: readonly { readonly apiKey: number; readonly minVersion: number; readonly maxVersion: number }[],
): [number, { readonly min: number; readonly max: number }][] {
  return apis.map(({ apiKey, minVersion, maxVersion }) => [apiKey, { min: minVersion, max: maxVersion }])
}
