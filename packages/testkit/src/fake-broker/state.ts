/** What all brokers of a fake cluster know in common. */
import { type Deps, systemDeps } from '@mq/kafka'
import { Groups } from './groups.ts'
import type { FakeClusterOptions, FakeSpeech, OnProduce } from './options.ts'
import { FakeTopics } from './topics.ts'

/** A broker as the others and the handlers see it. */
export interface NodeView {
  readonly id: number
  readonly isUp: boolean
  /** Where it says that clients find it. */
  readonly advertised: { readonly host: string; readonly port: number }
  readonly speech: FakeSpeech
  /** The connection is not read for that time. */
  mute(connection: number, throttleMs: number): void
}

export class ClusterState {
  readonly options: FakeClusterOptions
  readonly deps: Pick<Deps, 'clock' | 'timers'>
  readonly topics: FakeTopics
  readonly groups: Groups
  readonly nodes: NodeView[] = []
  onProduce: OnProduce | undefined
  /** Answered to a batch whose checksum is wrong. */
  wrongCrcCode: number
  /** Producer ids that were asked for. */
  inits = 0
  /** Produce answers that were given. */
  produced = 0
  readonly #arrived = new Map<string, number>()
  #waiting = new Set<() => void>()

  constructor(options: FakeClusterOptions, wrongCrcCode: number) {
    this.options = options
    this.deps = options.deps ?? systemDeps
    this.onProduce = options.onProduce
    this.wrongCrcCode = wrongCrcCode
    this.topics = new FakeTopics(() => this.nodes.map(({ id }) => id))
    this.groups = new Groups(this.topics, () => this.nodes.map(({ id }) => id), this.deps, options.groupTimes)
  }

  get clusterId(): string {
    return this.options.clusterId ?? 'fake'
  }

  /** @returns how many batches came for the partition before this one */
  arrived(topic: string, partition: number): number {
    const name = `${topic}:${partition}`
    const index = this.#arrived.get(name) ?? 0
    this.#arrived.set(name, index + 1)
    return index
  }

  /** Something may have come for those who wait for records. */
  wake(): void {
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const resume of waiting) resume()
  }

  /** Until `wake` is called, or the time is over. */
  async untilWoken(limitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = this.deps.timers.setTimeout(resolve, limitMs)
    this.#waiting.add(resolve)
    await promise
    this.#waiting.delete(resolve)
    this.deps.timers.clearTimeout(timer)
  }

  async pause(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => this.deps.timers.setTimeout(resolve, delayMs))
  }
}
