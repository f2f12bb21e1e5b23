/**
 * A whole cluster looked at from outside: every question about many topics, groups or brokers at once (survey-answers.ts, V1-V3).
 */
import { AdminCalls, type AdminOptions } from '../admin/calls.ts'
import type { OffsetPoint } from '../admin/offsets.ts'
import { ClusterFetchNetwork } from '../fetch/fetch-network.ts'
import type { Cluster } from '../net/cluster.ts'
import type { Broker, TopicMetadata } from '../net/metadata-cache.ts'
import type { Surveyed } from './answers.ts'
import { type SampleOptions, type SampleRequest, sampleBatches } from './batches.ts'
import { surveyBrokerConfigs, surveyConfigs } from './configs.ts'
import { type SurveyedGroup, surveyGroups } from './groups.ts'
import { type BrokerDisk, surveyLogDirs } from './log-dirs.ts'
import { surveyOffsets, type TopicOffsets } from './offsets.ts'

export interface SurveyedTopics {
  readonly clusterId: string | null
  readonly brokers: readonly Broker[]
  /** Those that may be described, and those that were asked for by name with the error code of why not. */
  readonly topics: readonly TopicMetadata[]
}

export class Survey {
  readonly #cluster: Cluster
  readonly #calls: AdminCalls

  constructor(cluster: Cluster, options: AdminOptions = {}) {
    this.#cluster = cluster
    this.#calls = new AdminCalls(cluster, options)
  }

  /** @param names all topics that may be seen when left out */
  async topics(names?: readonly string[]): Promise<SurveyedTopics> {
    const asked =
      names ?? (await this.#calls.retrying('list topics', () => this.#cluster.topicNames(), { attempts: 2 }))
    const topics = await this.#calls.retrying('describe topics', () => this.#cluster.metadata(asked, { refresh: true }))
    return { clusterId: this.#cluster.clusterId, brokers: this.#cluster.brokers(), topics }
  }

  offsets(topics: readonly TopicMetadata[], point: OffsetPoint): Promise<Surveyed<TopicOffsets>> {
    return surveyOffsets(this.#calls, topics, point)
  }

  configs(topics: readonly string[], keys: readonly string[]): Promise<Surveyed<ReadonlyMap<string, string>>> {
    return surveyConfigs(this.#calls, topics, keys)
  }

  brokerConfigs(nodeId: number, keys: readonly string[]): Promise<ReadonlyMap<string, string> | undefined> {
    return surveyBrokerConfigs(this.#calls, nodeId, keys)
  }

  logDirs(nodeIds: readonly number[]): Promise<Surveyed<BrokerDisk>> {
    return surveyLogDirs(this.#calls, nodeIds)
  }

  groups(): Promise<Surveyed<SurveyedGroup>> {
    return surveyGroups(this.#calls)
  }

  sample(requests: readonly SampleRequest[], hooks: Pick<SampleOptions, 'onSample' | 'onProblem'>): Promise<void> {
    const { deps } = this.#cluster
    return sampleBatches(new ClusterFetchNetwork(this.#cluster), requests, {
      deps,
      requestMs: this.#calls.requestMs,
      ...hooks,
    })
  }
}
