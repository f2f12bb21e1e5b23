/**
 * What clusters tell after a restore, gathered in bulk for settle.ts.
 *
 * G1. The copies of a cluster are read once; a cluster that does not answer is asked again at the next look.
 * G2. Clusters that only a copy names are asked, too.
 * G3. Topics are looked at anew at every look.
 */
import type { ClusterAddress } from '@mq/contract'
import { SEALED_TOPIC_BYTES } from '@mq/kafka'
import { errorFacts, type Logger } from '../logger.ts'
import type { Migrations } from '../migration/migrations.ts'
import type { Clusters } from '../provision/clusters.ts'
import { topicName } from '../provision/placement-rules.ts'
import type { Registry } from '../registry/registry.ts'
import { decodeCopy, idOfKey, type RegistryCopy } from './registry-copy.ts'
import { type Evidence, type KnownRecord, type LaterTopic, newest, type TopicState } from './settle.ts'

/** Later epochs that are looked for where the newest one is gone. */
const LATER_EPOCHS = 3
const TOPICS_AT_A_TIME = 500
const LIMITS_AT_A_TIME = 8

export interface EvidencesOptions {
  readonly registry: Registry
  readonly clusters: Clusters
  readonly migrations: Migrations
  readonly plane: string
  /** The incarnation that the stored rows belong to. */
  readonly from: number
  readonly logger: Logger
}

export class Evidences {
  readonly #options: EvidencesOptions
  readonly #copies = new Map<string, RegistryCopy[]>()
  readonly #read = new Set<string>()
  readonly #topics = new Map<string, TopicState>()
  readonly #foundClusters = new Map<string, ClusterAddress>()

  constructor(options: EvidencesOptions) {
    this.#options = options
  }

  /** Clusters whose copies were not read yet. */
  get unread(): string[] {
    return this.#options.registry
      .clusters()
      .map(({ address }) => address.name)
      .filter((name) => !this.#read.has(name))
  }

  /** Asks the clusters about the mQ IDs that `wanted` names; returns those that are known. */
  async gather(wanted: (id: string) => boolean): Promise<string[]> {
    await this.#readCopies()
    this.#topics.clear()
    const { registry } = this.#options
    const ids = [...new Set([...registry.all().map(({ id }) => id), ...this.#copies.keys()])].filter(wanted).sort()
    const asked = new Map<string, Set<string>>()
    const ask = (cluster: string, topic: string): void => {
      const topics = asked.get(cluster) ?? new Set<string>()
      asked.set(cluster, topics.add(topic))
    }
    for (const id of ids) {
      const best = newest(this.of(id))
      if (best === undefined || best.record.state !== 'active') continue
      for (const { cluster, topic } of best.record.epochs) ask(cluster, topic)
      for (const { address } of registry.clusters()) {
        for (let step = 1; step <= LATER_EPOCHS; step++)
          ask(address.name, topicName(id, lastOpened(best.record) + step))
      }
    }
    await Promise.all([...asked].map(([cluster, topics]) => this.#look(cluster, [...topics])))
    return ids
  }

  of(id: string): Evidence {
    const { registry, migrations, from } = this.#options
    const record = registry.get(id)
    return {
      stored:
        record === undefined
          ? undefined
          : {
              stamp: { incarnation: from, revision: record.revision },
              record,
              migrations: migrations.of(id),
            },
      copies: this.#copies.get(id) ?? [],
      topic: (cluster, topic) =>
        this.#topics.get(`${cluster} ${topic}`) ?? { kind: 'unreachable', why: 'it was not asked' },
      later: (known) => this.#later(known),
    }
  }

  /** G1, G2 */
  async #readCopies(): Promise<void> {
    for (let unread = this.unread; unread.length > 0; ) {
      const before = unread.length
      await Promise.all(unread.map((name) => this.#readCopiesOf(name)))
      for (const address of this.#foundClusters.values()) {
        if (this.#options.registry.cluster(address.name) === undefined) {
          await this.#options.registry.putCluster(address, 'mq, from a copy on a cluster')
        }
      }
      this.#foundClusters.clear()
      unread = this.unread
      if (unread.length >= before) return
    }
  }

  async #readCopiesOf(cluster: string): Promise<void> {
    const { clusters, plane, logger } = this.#options
    try {
      await clusters.reach(cluster)
      const values = await clusters.use(cluster, 'reading the copy of the registry', (admin) =>
        admin.readRegistryCopy(),
      )
      for (const [key, text] of values) {
        const id = idOfKey(plane, key)
        if (id === undefined) continue
        const copy = decodeCopy(text)
        if (copy === undefined) {
          logger.warn({ cluster, mqId: id }, 'the copy of an mQ ID cannot be read')
          continue
        }
        this.#copies.set(id, [...(this.#copies.get(id) ?? []), copy])
        for (const address of copy.clusters) this.#foundClusters.set(address.name, address)
      }
      this.#read.add(cluster)
    } catch (error) {
      logger.warn({ cluster, ...errorFacts(error) }, 'the copy of the registry cannot be read now')
    }
  }

  async #look(cluster: string, topics: readonly string[]): Promise<void> {
    const put = (topic: string, state: TopicState): void => void this.#topics.set(`${cluster} ${topic}`, state)
    const { clusters } = this.#options
    try {
      await clusters.reach(cluster)
      for (let from = 0; from < topics.length; from += TOPICS_AT_A_TIME) {
        const some = topics.slice(from, from + TOPICS_AT_A_TIME)
        const found = await clusters.use(cluster, 'looking at the topics of mQ IDs', (admin) => admin.findTopics(some))
        for (const topic of some) if (!found.has(topic)) put(topic, { kind: 'absent' })
        const waiting = [...found]
        const worker = async (): Promise<void> => {
          for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
            const [topic, { topicId, partitions }] = next
            const limit = await clusters.use(cluster, `reading the size limit of ${topic}`, (admin) =>
              admin.sizeLimit(topic),
            )
            put(topic, { kind: 'present', topicId, partitions, sealed: Number(limit) <= SEALED_TOPIC_BYTES })
          }
        }
        await Promise.all(Array.from({ length: LIMITS_AT_A_TIME }, worker))
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      for (const topic of topics) if (!this.#topics.has(`${cluster} ${topic}`)) put(topic, { kind: 'unreachable', why })
    }
  }

  #later(record: KnownRecord): LaterTopic[] {
    const found: LaterTopic[] = []
    for (const { address } of this.#options.registry.clusters()) {
      for (let step = 1; step <= LATER_EPOCHS; step++) {
        const epoch = lastOpened(record) + step
        const topic = topicName(record.id, epoch)
        const state = this.#topics.get(`${address.name} ${topic}`)
        if (state?.kind === 'present') found.push({ cluster: address.name, topic, epoch, state })
      }
    }
    return found
  }
}

function lastOpened(record: KnownRecord): number {
  return record.epochs.at(-1)?.epoch ?? record.lastEpoch
}
