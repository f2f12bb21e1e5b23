/**
 * The server.properties of one local broker.
 *
 * S1. Three listeners: CLIENT (advertised to clients, through the fault proxy when there is one), INTERNAL (between brokers, and for
 *     the readiness probe) and CONTROLLER. So a fault on a client's way never breaks replication, and a test may put TLS or SASL on
 *     CLIENT alone.
 * S2. Durability is that of a real cluster of the size: three brokers mean three replicas, two in sync; only sizes are made small.
 * S3. A topic exists only when somebody made it: automatic creation is off.
 * S4. A version is given only the settings it knows (those of the caller, too), and only those of its metadata mode.
 */
import { isKafkaAtLeast } from './kafka-version.ts'

export interface BrokerPorts {
  readonly client: number
  readonly internal: number
  readonly controller: number
}

export interface BrokerConfig {
  readonly nodeId: number
  readonly ports: BrokerPorts
  /** What clients are told to connect to; differs from `ports.client` behind a proxy. */
  readonly advertisedPort: number
  readonly version: string
  readonly metadata: MetadataPlace
  /** How many brokers the cluster has. */
  readonly brokers: number
  readonly logFolder: string
  /** Rights are checked. */
  readonly authorizer: boolean
  readonly overrides: Readonly<Record<string, string>>
}

/** Where the cluster keeps its metadata. */
export type MetadataPlace =
  | { readonly mode: 'kraft'; readonly voters: readonly { readonly nodeId: number; readonly controllerPort: number }[] }
  | { readonly mode: 'zookeeper'; readonly port: number }

type Settings = Record<string, string | number | boolean>

/** Settings of newer versions, by how their names begin, and the version that brought them. */
const SINCE: readonly (readonly [prefix: string, version: string])[] = [
  ['group.consumer.', '3.7.0'],
  ['telemetry.', '3.7.0'],
  ['share.', '4.0.0'],
]
const AUTHORIZERS = {
  kraft: 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  zookeeper: 'kafka.security.authorizer.AclAuthorizer',
} as const

export const HOST = '127.0.0.1'

export function serverProperties(config: BrokerConfig): string {
  const replicas = config.brokers
  const inSync = replicas > 1 ? replicas - 1 : 1
  const properties: Settings = {
    ...(config.metadata.mode === 'kraft'
      ? kraftSettings(config, config.metadata.voters)
      : zookeeperSettings(config, config.metadata.port)),
    'advertised.listeners': `CLIENT://${HOST}:${config.advertisedPort},INTERNAL://${HOST}:${config.ports.internal}`,
    'inter.broker.listener.name': 'INTERNAL',
    'log.dirs': config.logFolder,

    'auto.create.topics.enable': false,
    'num.partitions': 1,
    'default.replication.factor': replicas,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': inSync,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': inSync,
    'share.coordinator.state.topic.num.partitions': 4,
    'group.initial.rebalance.delay.ms': 0,

    'num.network.threads': 2,
    'num.io.threads': 4,
    'num.replica.fetchers': 1,
    'background.threads': 2,
    'num.recovery.threads.per.data.dir': 1,
    'log.cleaner.threads': 1,
    'log.cleaner.dedupe.buffer.size': 8 * 1024 * 1024,
    'log.cleaner.io.buffer.size': 256 * 1024,
    'offsets.load.buffer.size': 1024 * 1024,
    'transaction.state.log.load.buffer.size': 1024 * 1024,
    'socket.request.max.bytes': 100 * 1024 * 1024,
    'telemetry.max.bytes': 1024 * 1024,
    ...(config.authorizer && { 'authorizer.class.name': AUTHORIZERS[config.metadata.mode] }),
    ...config.overrides,
  }
  const isKnown = (name: string): boolean =>
    SINCE.every(([prefix, version]) => !name.startsWith(prefix) || isKafkaAtLeast(config.version, version))
  return `${Object.entries(properties)
    .filter(([name]) => isKnown(name))
    .map(([name, value]) => `${name}=${escapeValue(String(value))}`)
    .join('\n')}\n`
}

function kraftSettings(
  { nodeId, ports }: BrokerConfig,
  voters: readonly { readonly nodeId: number; readonly controllerPort: number }[],
): Settings {
  return {
    'process.roles': 'broker,controller',
    'node.id': nodeId,
    'controller.quorum.voters': voters.map((voter) => `${voter.nodeId}@${HOST}:${voter.controllerPort}`).join(','),
    listeners: `CLIENT://${HOST}:${ports.client},INTERNAL://${HOST}:${ports.internal},CONTROLLER://${HOST}:${ports.controller}`,
    'listener.security.protocol.map': 'CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'controller.quorum.election.timeout.ms': 500,
    'controller.quorum.election.backoff.max.ms': 500,
    // A killed broker may not register again before its session ends; Kafka's 9 s are mostly waiting here.
    'broker.heartbeat.interval.ms': 500,
    'broker.session.timeout.ms': 5000,
  }
}

function zookeeperSettings({ nodeId, ports }: BrokerConfig, port: number): Settings {
  return {
    'broker.id': nodeId,
    'zookeeper.connect': `${HOST}:${port}`,
    'zookeeper.connection.timeout.ms': 30_000,
    // As for KRaft: a killed broker may register again only when its session has ended.
    'zookeeper.session.timeout.ms': 5000,
    // The last broker finds no other to hand its partitions to and tries again; Kafka pauses 5 s each time.
    'controlled.shutdown.retry.backoff.ms': 500,
    listeners: `CLIENT://${HOST}:${ports.client},INTERNAL://${HOST}:${ports.internal}`,
    'listener.security.protocol.map': 'CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT',
  }
}

/** What `kafka-storage format` writes beside the bootstrap metadata: whose folder this is. */
export function metaProperties(version: string, clusterId: string, nodeId: number, directoryId: string): string {
  const directory = isKafkaAtLeast(version, '3.7.0') ? `directory.id=${directoryId}\n` : ''
  return `version=1\ncluster.id=${clusterId}\nnode.id=${nodeId}\n${directory}`
}

/** Java reads `\` as an escape and a line end as the end of the value. */
function escapeValue(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r')
}
