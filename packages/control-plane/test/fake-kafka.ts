/**
 * A Kafka cluster as the control plane sees one, in memory, with faults to order.
 */
import { MqError } from '@mq/contract'
import type { ClusterAdmin, OpenAdmin, TopicFacts, TopicSpec } from '../src/provision/cluster-admin.ts'

interface FakeTopic extends TopicSpec {
  readonly id: string
  readonly ends: bigint[]
  configs: Readonly<Record<string, string>>
}

export class FakeKafka {
  clusterId = 'fake-cluster'
  brokers = 3
  readonly topics = new Map<string, FakeTopic>()
  readonly calls: string[] = []
  /** Admin connections that are open. */
  open = 0
  /** Thrown by every call as long as it is set. */
  away: MqError | undefined
  /** Topics that were made and that the broker asked does not know of yet. */
  readonly unseen = new Set<string>()
  /** Called before a call takes effect; may throw or wait. */
  before: (call: string) => Promise<void> | void = () => {}
  /** Called after a call took effect; what it throws is a lost answer. */
  after: (call: string) => Promise<void> | void = () => {}
  #made = 0

  readonly openAdmin: OpenAdmin = () => {
    this.open++
    return this.#admin()
  }

  addForeignTopic(name: string, partitions = 1, records = 1n): void {
    const ends = new Array<bigint>(partitions).fill(records)
    this.topics.set(name, { name, partitions, replication: 3, configs: {}, id: 'foreign', ends })
  }

  #admin(): ClusterAdmin {
    const call = async <T>(name: string, effect: () => T): Promise<T> => {
      this.calls.push(name)
      await this.before(name)
      if (this.away !== undefined) throw this.away
      const result = effect()
      await this.after(name)
      return result
    }
    return {
      describe: () => call('describe', () => ({ clusterId: this.clusterId, brokers: this.brokers })),
      findTopics: (names) =>
        call('findTopics', () => {
          const found = new Map<string, TopicFacts>()
          for (const name of names) {
            const topic = this.topics.get(name)
            if (topic === undefined || this.unseen.has(name)) continue
            const { id: topicId, partitions, replication } = topic
            found.set(name, { topicId, partitions, replication, leaderless: 0 })
          }
          return found
        }),
      createTopic: (spec) =>
        call('createTopic', () => {
          if (this.topics.has(spec.name)) throw new MqError('MQ_TOPIC_EXISTS', `topic ${spec.name} exists`)
          this.topics.set(spec.name, {
            ...spec,
            id: `topic-${++this.#made}`,
            ends: new Array<bigint>(spec.partitions).fill(0n),
          })
        }),
      deleteTopic: (name) => call('deleteTopic', () => void this.topics.delete(name)),
      alterTopicConfigs: (name, configs) =>
        call('alterTopicConfigs', () => {
          const topic = this.topics.get(name)
          if (topic === undefined) throw new MqError('MQ_TOPIC_MISSING', `topic ${name} is gone`)
          topic.configs = { ...topic.configs, ...configs }
        }),
      endOffsets: (name) => call('endOffsets', () => this.topics.get(name)?.ends ?? []),
      close: async () => {
        this.open--
      },
    }
  }
}
