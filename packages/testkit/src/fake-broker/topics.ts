/**
 * The topics of a fake cluster: their partitions, who leads them, their settings and their logs.
 *
 * T1. A topic that is made again under its old name has another id, and an empty log.
 * T2. Whoever begins to lead a partition begins a new leader epoch.
 */
import { createHash } from 'node:crypto'
import { FakeLog } from './log.ts'

export interface FakePartition {
  readonly index: number
  readonly log: FakeLog
  /** -1 while nobody leads. */
  leader: number
}

export interface FakeTopic {
  readonly name: string
  readonly id: string
  readonly partitions: FakePartition[]
  readonly configs: Map<string, string>
}

export const SIZE_LIMIT = 'max.message.bytes'
export const DEFAULT_SIZE_LIMIT = 1_048_588

export class FakeTopics {
  readonly #nodes: () => readonly number[]
  readonly #topics = new Map<string, FakeTopic>()
  #made = 0

  /** @param nodes who may lead */
  constructor(nodes: () => readonly number[]) {
    this.#nodes = nodes
  }

  all(): FakeTopic[] {
    return [...this.#topics.values()]
  }

  get(name: string): FakeTopic | undefined {
    return this.#topics.get(name)
  }

  byId(id: string): FakeTopic | undefined {
    return this.all().find((topic) => topic.id === id)
  }

  partition(name: string, index: number): FakePartition | undefined {
    return this.#topics.get(name)?.partitions[index]
  }

  /** Leaders are spread over the nodes. */
  create(name: string, partitions: number, configs: Iterable<readonly [string, string]> = []): FakeTopic {
    const nodes = this.#nodes()
    const topic: FakeTopic = {
      name,
      id: idOf(name, this.#made++),
      partitions: Array.from({ length: partitions }, (_, index) => ({
        ...{ index, log: new FakeLog(), leader: nodes[index % nodes.length]! },
      })),
      configs: new Map(configs),
    }
    this.#topics.set(name, topic)
    return topic
  }

  delete(name: string): void {
    this.#topics.delete(name)
  }

  /** T2. @param nodeId -1 for nobody */
  moveLeader(name: string, index: number, nodeId: number): void {
    const partition = this.partition(name, index)
    if (partition === undefined) throw new Error(`there is no partition ${index} of ${name}`)
    partition.leader = nodeId
    partition.log.leaderEpoch += 1
  }

  sizeLimitOf(name: string): number {
    const own = this.#topics.get(name)?.configs.get(SIZE_LIMIT)
    return own === undefined ? DEFAULT_SIZE_LIMIT : Number(own)
  }
}

/** The same for the same name and turn, so that runs are alike. */
function idOf(name: string, turn: number): string {
  const hex = createHash('sha1').update(`${name}:${turn}`).digest('hex')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5')
}
