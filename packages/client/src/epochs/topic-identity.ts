/**
 * Which topic has a name now, and whether it is another one than before: positions belong to a topic, not to its name (reader/R10).
 */
import { MqError } from '@mq/contract'
import type { ReaderLog } from './reader-log.ts'
import type { ReaderPorts } from './reader-ports.ts'

export class TopicIdentity {
  readonly #topic: string
  readonly #ports: Pick<ReaderPorts, 'topicId'>
  readonly #log: Pick<ReaderLog, 'recreated'>
  #topicId: string | undefined
  /** Those that had the name before. */
  readonly #formerIds = new Set<string>()

  constructor(topic: string, ports: Pick<ReaderPorts, 'topicId'>, log: Pick<ReaderLog, 'recreated'>) {
    this.#topic = topic
    this.#ports = ports
    this.#log = log
  }

  /** Whether the topic was deleted and created again since the first look. */
  get wasRecreated(): boolean {
    return this.#formerIds.size > 0
  }

  /**
   * @returns undefined where the cluster has no topic ids
   * @throws MqError MQ_KAFKA_UNAVAILABLE when the broker asked still knows a former topic of that name
   */
  async find(): Promise<string | undefined> {
    const topicId = await this.#ports.topicId(this.#topic)
    const before = this.#topicId
    if (topicId === undefined || topicId === before) return topicId
    if (this.#formerIds.has(topicId)) {
      throw new MqError(
        'MQ_KAFKA_UNAVAILABLE',
        `a broker has not heard yet that topic ${this.#topic} was created again`,
      )
    }
    this.#topicId = topicId
    if (before === undefined) return topicId
    this.#formerIds.add(before)
    this.#log.recreated(before, topicId)
    return topicId
  }
}
