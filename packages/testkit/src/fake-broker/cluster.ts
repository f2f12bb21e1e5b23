/**
 * A small Kafka cluster on real sockets, for faults that a real one cannot be made to show at a chosen moment.
 *
 * F1. It speaks the requests of handlers/all-handlers.ts in all their versions, and answers the requests of one connection strictly in turn.
 * F2. `control` decides about every request (control.ts); `onProduce` about every batch of one before it is looked at. Without a fault a
 *     batch is checked and appended (log.ts).
 * F3. Whatever was appended stays in `log`, whatever the client was told.
 * F4. `ignoresCrc` stores a batch whose checksum is wrong, `ignoresValidateOnly` changes what was only to be checked: there are engines
 *     that do.
 * F5. What it says it speaks may be anything (`speak`); what it does not play in truth ends the connection, as Kafka does.
 * F6. A produce answer that names a throttle time is sent at once; the connection is then not read for that time, as by Kafka.
 * F7. A broker that does not lead a partition, or does not coordinate a group, says so, as Kafka does.
 */
import { Code } from './codes.ts'
import { type ApiName, type Control, Controls } from './control.ts'
import { apiNameOf } from './handlers/all-handlers.ts'
import type { FakeLog } from './log.ts'
import { FakeNode, type FakeRequest } from './node.ts'
import type { FakeClusterOptions, FakeSpeech, OnProduce } from './options.ts'
import { playedSpeech } from './speech.ts'
import { ClusterState } from './state.ts'
import { SIZE_LIMIT } from './topics.ts'

export class FakeCluster {
  readonly #state: ClusterState
  readonly #controls = new Controls()
  readonly #nodes: readonly FakeNode[]
  #connections = 0
  /** Everything that was asked, in turn. */
  readonly requests: FakeRequest[] = []

  private constructor(options: FakeClusterOptions) {
    this.#state = new ClusterState(options, Code.CORRUPT_MESSAGE)
    const parts = {
      state: this.#state,
      controls: this.#controls,
      requests: this.requests,
      nextConnection: () => this.#connections++,
    }
    const ids = Array.from({ length: options.brokers ?? 1 }, (_, index) => index + 1)
    this.#nodes = ids.map((id) => new FakeNode(parts, id, options.speech ?? playedSpeech))
    this.#state.nodes.push(...this.#nodes)
    for (const [name, partitions] of Object.entries(options.topics)) this.#state.topics.create(name, partitions)
  }

  static async start(options: FakeClusterOptions): Promise<FakeCluster> {
    const cluster = new FakeCluster(options)
    await cluster.up()
    return cluster
  }

  get nodes(): readonly FakeNode[] {
    return this.#nodes
  }

  /** Of its first broker. */
  get bootstrap(): string {
    return this.#nodes[0]!.address
  }

  /** Decides about requests of a kind from now on. @returns what takes it away again */
  control<N extends ApiName>(name: N, control: Control<N>): () => void {
    return this.#controls.add(name, control)
  }

  set onProduce(onProduce: OnProduce | undefined) {
    this.#state.onProduce = onProduce
  }

  /** Answered to a batch whose checksum is wrong. */
  set wrongCrcCode(code: number) {
    this.#state.wrongCrcCode = code
  }

  /** How many requests of a kind came. */
  count(name: ApiName): number {
    return this.requests.filter(({ key }) => apiNameOf(key) === name).length
  }

  /** How many producer ids were given or asked for. */
  get inits(): number {
    return this.count('InitProducerId')
  }

  /** Requests that came over a connection before its throttle time had passed. */
  get earlyRequests(): number {
    return this.#nodes.reduce((sum, node) => sum + node.earlyRequests, 0)
  }

  log(topic: string, partition: number): FakeLog {
    const found = this.#state.topics.partition(topic, partition)
    if (found === undefined) throw new Error(`there is no partition ${partition} of ${topic}`)
    return found.log
  }

  /** Names of the topics there are. */
  get topics(): string[] {
    return this.#state.topics.all().map(({ name }) => name)
  }

  createTopic(name: string, partitions: number): void {
    this.#state.topics.create(name, partitions)
  }

  deleteTopic(name: string): void {
    this.#state.topics.delete(name)
    this.#state.groups.forgetTopic(name)
    this.#state.wake()
  }

  limitOf(topic: string): number | undefined {
    const own = this.#state.topics.get(topic)?.configs.get(SIZE_LIMIT)
    return own === undefined ? undefined : Number(own)
  }

  /** Refuses batches above that size, with MESSAGE_TOO_LARGE: 78 seals the topic. */
  limit(topic: string, maxBytes: number): void {
    this.#state.topics.get(topic)?.configs.set(SIZE_LIMIT, String(maxBytes))
  }

  leaderOf(topic: string, partition: number): number | undefined {
    return this.#state.topics.partition(topic, partition)?.leader
  }

  /** @param nodeId -1 for nobody */
  moveLeader(topic: string, partition: number, nodeId: number): void {
    this.#state.topics.moveLeader(topic, partition, nodeId)
    this.#state.wake()
  }

  coordinatorOf(groupId: string): number {
    return this.#state.groups.coordinatorOf(groupId)
  }

  /** Another broker looks after the group from now on, as it stands. */
  moveCoordinator(groupId: string, nodeId: number): void {
    this.#state.groups.moveTo(groupId, nodeId)
  }

  /** What a group committed, by `topic:partition`. */
  positionsOf(groupId: string): ReadonlyMap<string, bigint> {
    const positions = this.#state.groups.get(groupId)?.positions
    return new Map([...(positions ?? [])].map(([name, { offset }]) => [name, offset]))
  }

  /** Ids of the members of a group. */
  membersOf(groupId: string): string[] {
    return this.#state.groups.get(groupId)?.memberIds() ?? []
  }

  /** Says from now on that it speaks this (F5). */
  speak(speech: FakeSpeech): void {
    for (const node of this.#nodes) node.speech = speech
  }

  /** Takes connections and requests and answers nothing, as a stopped process does. */
  get isFrozen(): boolean {
    return this.#nodes.every((node) => node.isFrozen)
  }

  set isFrozen(isFrozen: boolean) {
    for (const node of this.#nodes) node.isFrozen = isFrozen
  }

  /** All brokers come back, on the same ports. */
  async up(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.up()))
  }

  /** All brokers go away, keeping their logs. */
  async down(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.down()))
  }

  async stop(): Promise<void> {
    this.#state.groups.stop()
    this.#state.wake()
    await this.down()
  }
}
