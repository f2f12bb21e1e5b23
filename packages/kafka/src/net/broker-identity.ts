/**
 * Whether a new connection leads to the broker it is meant for (ApiVersions version 5, KIP-1242, Kafka 4.4 and later).
 *
 * Addresses are given anew: a container that takes over the address of a broker may be another broker, or one of another cluster.
 *
 * I1. Cluster id and node id are told to the broker where both are known and the broker speaks version 5. One that is somebody else
 *     answers REBOOTSTRAP_REQUIRED, and the connection is not used.
 * I2. An older broker is not asked; what its metadata says is checked later (broker-access W4).
 */
import { MqError } from '@mq/contract'
import { type Connection, type Reader, Writer } from '@platformatic/kafka'
import { apisOf, peerName, SOFTWARE } from '../protocol/api-versions.ts'

const API_VERSIONS_KEY = 18
const IDENTITY_VERSION = 5
const REBOOTSTRAP_REQUIRED = 129

export interface BrokerIdentity {
  readonly clusterId: string
  readonly nodeId: number
}

/** @throws MqError MQ_KAFKA_UNREACHABLE when the peer is another broker, or one of another cluster (I1) */
export async function checkIdentity(connection: Connection, expected: BrokerIdentity): Promise<void> {
  const range = (await apisOf(connection)).range(API_VERSIONS_KEY)
  if (range === undefined || range.max < IDENTITY_VERSION) return
  const code = await askIdentity(connection, expected)
  if (code !== REBOOTSTRAP_REQUIRED) return
  throw new MqError(
    'MQ_KAFKA_UNREACHABLE',
    `${peerName(connection)} is not broker ${expected.nodeId} of Kafka cluster ${expected.clusterId} any more: somebody else has its address now`,
    { details: { kafkaCode: REBOOTSTRAP_REQUIRED, nodeId: expected.nodeId, clusterId: expected.clusterId } },
  )
}

/** Whether a failure to connect says that somebody else has the address. */
export function isStranger(error: unknown): boolean {
  return error instanceof MqError && error.details.kafkaCode === REBOOTSTRAP_REQUIRED
}

async function askIdentity(connection: Connection, { clusterId, nodeId }: BrokerIdentity): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  connection.send(
    API_VERSIONS_KEY,
    IDENTITY_VERSION,
    () =>
      Writer.create()
        .appendString(SOFTWARE.name)
        .appendString(SOFTWARE.version)
        .appendString(clusterId)
        .appendInt32(nodeId)
        .appendTaggedFields(),
    (_correlationId: number, _apiKey: number, _apiVersion: number, reader: Reader) => reader.readInt16(),
    true,
    // The header of this answer has no tags in any version, so that old clients can read the code.
    false,
    (error: Error | null | undefined, code?: number) => (error == null ? resolve(code ?? 0) : reject(error)),
  )
  return await promise
}
