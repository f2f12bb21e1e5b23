/**
 * Clusters through the Kafka protocol.
 *
 * F1. Credentials stay in this process: they are looked up by the cluster's name, and never come from or go to the store.
 * F2. Topic names are asked for with automatic creation off: a look never makes what it looks for.
 */
import { type ClusterAddress, MqError } from '@mq/contract'
import { Admin, Cluster, type ClusterCredentials, CompactedTopic, type Deps, Survey, securityOf } from '@mq/kafka'
import { REGISTRY_TOPIC } from '../recovery/registry-copy.ts'
import type { OpenAdmin, TopicFacts } from './cluster-admin.ts'
import { CHECK_DEADLINE_MS } from './clusters.ts'
import { groupAdmin } from './group-admin.ts'
import { migrationAdmin } from './migration-admin.ts'

const CLIENT_ID = 'mq-control-plane'
const REQUEST_TIMEOUT_MS = 10_000
/** One that takes longer to connect to counts as not reachable; a check has to end in time for the others. */
const TRY_BROKER_MS = 2_500
const UNKNOWN_TOPIC_OR_PARTITION = 3

/** Opens connections to a cluster, with the credentials of each by name (F1). */
export function kafkaClusterOpener(
  credentials: Readonly<Record<string, ClusterCredentials>>,
  deps: Deps,
): (address: ClusterAddress) => Cluster {
  return (address) => {
    const own = Object.hasOwn(credentials, address.name) ? credentials[address.name]! : {}
    return new Cluster({
      name: address.name,
      clientId: CLIENT_ID,
      bootstrap: address.bootstrap,
      security: securityOf(address, own, (field) => `the control plane was given no ${field} for it`),
      connectTimeoutMs: CHECK_DEADLINE_MS - 1_000,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      deps,
    })
  }
}

/** Opens admin connections, with the credentials of each cluster by name (F1). */
export function kafkaAdminOpener(credentials: Readonly<Record<string, ClusterCredentials>>, deps: Deps): OpenAdmin {
  const open = kafkaClusterOpener(credentials, deps)
  return (address) => {
    const cluster = open(address)
    const admin = new Admin(cluster)
    const copy = new CompactedTopic(cluster, REGISTRY_TOPIC)
    return {
      ...migrationAdmin(cluster),
      ...groupAdmin(cluster),
      describe: async () => {
        // Together: a broker that is silent holds both up, and a check has its time.
        const [{ clusterId, brokers }, trials] = await Promise.all([
          admin.describeCluster(),
          cluster.tryBrokers(TRY_BROKER_MS),
        ])
        const advertised = trials.map(({ nodeId, address, problem }) => {
          return { nodeId, address, problem: problem === null ? null : `${problem.code}: ${problem.message}` }
        })
        return { clusterId, brokers: brokers.length, zones: zonesOf(brokers.map(({ rack }) => rack)), advertised }
      },
      findTopics: async (names) => {
        const found = new Map<string, TopicFacts>()
        const rackOf = (id: number): string | null =>
          cluster.brokers().find(({ nodeId }) => nodeId === id)?.rack ?? null
        for (const topic of await cluster.metadata(names, { refresh: true })) {
          if (topic.errorCode === UNKNOWN_TOPIC_OR_PARTITION || topic.partitions.length === 0) continue
          found.set(topic.name, {
            topicId: topic.id,
            partitions: topic.partitions.length,
            replication: Math.min(...topic.partitions.map(({ replicas }) => replicas.length)),
            zones: fewest(topic.partitions.map(({ replicas }) => zonesOf(replicas.map(rackOf)))),
            leaderless: topic.partitions.filter((partition) => partition.leader < 0).length,
            leastInSync: Math.min(...topic.partitions.map((partition) => partition.isr.length)),
          })
        }
        return found
      },
      topicSettings: async (names, keys) => {
        if (keys !== undefined) return (await new Survey(cluster).configs(names, keys)).found
        const found = new Map<string, ReadonlyMap<string, string | null>>()
        for (const name of names) {
          try {
            found.set(name, await admin.topicConfigs(name))
          } catch (error) {
            if (!(error instanceof MqError) || error.code !== 'MQ_TOPIC_MISSING') throw error
          }
        }
        return found
      },
      createTopic: (spec) => admin.createTopic(spec),
      deleteTopic: async (name) => {
        try {
          await admin.deleteTopic(name)
        } catch (error) {
          if (!(error instanceof MqError) || error.code !== 'MQ_TOPIC_MISSING') throw error
        }
      },
      alterTopicConfigs: (name, configs) => admin.alterTopicConfigs(name, configs),
      endOffsets: async (name, partitions) => {
        const indexes = Array.from({ length: partitions }, (_, index) => index)
        const ends = await admin.listOffsets(name, indexes, 'latest')
        return indexes.map((index) => ends.get(index) ?? 0n)
      },
      readRegistryCopy: () => copy.read(),
      writeRegistryCopy: (values) => copy.write(values),
      close: () => cluster.close(),
    }
  }
}

/** How many different racks these are; null where one of them is not named. */
function zonesOf(racks: readonly (string | null)[]): number | null {
  return racks.length === 0 || racks.includes(null) ? null : new Set(racks).size
}

function fewest(zones: readonly (number | null)[]): number | null {
  return zones.reduce((least, one) => (least === null || one === null ? null : Math.min(least, one)))
}
