/**
 * Which clusters keep what the seal of a migration rests on, as found out on a canary topic of each.
 *
 * K1. No probe goes to the topic of an mQ ID before its cluster has passed: an engine that stores what it should refuse would
 *     damage that topic for good.
 * K2. A cluster that passed is believed for an hour, as the same Kafka cluster; one that failed is tried out anew each time.
 * K3. One check of a cluster at a time; who asks meanwhile waits for it.
 */
import type { Deps } from '@mq/kafka'
import type { Clusters } from '../provision/clusters.ts'

const BELIEVED_MS = 3_600_000
const CANARY = 'mq.canary.seal'
const COPIES = 3

export class SealChecks {
  readonly #clusters: Clusters
  readonly #deps: Deps
  readonly #passed = new Map<string, { readonly clusterId: string | null; readonly atMs: number }>()
  readonly #running = new Map<string, Promise<void>>()

  constructor(clusters: Clusters, deps: Deps) {
    this.#clusters = clusters
    this.#deps = deps
  }

  /** @throws MqError MQ_SEAL_UNSAFE */
  check(cluster: string): Promise<void> {
    const running = this.#running.get(cluster)
    if (running !== undefined) return running
    const check = this.#check(cluster).finally(() => this.#running.delete(cluster))
    this.#running.set(cluster, check)
    return check
  }

  async #check(cluster: string): Promise<void> {
    const { clusterId } = this.#clusters.view(cluster)
    const known = this.#passed.get(cluster)
    const nowMs = this.#deps.clock.monotonicMs()
    if (known !== undefined && known.clusterId === clusterId && nowMs - known.atMs < BELIEVED_MS) return
    this.#passed.delete(cluster)
    const brokers = this.#clusters.brokers(cluster) ?? 1
    await this.#clusters.use(cluster, `trying the seal on topic ${CANARY}`, (admin) =>
      admin.checkSealing({
        name: CANARY,
        replication: Math.min(COPIES, brokers),
        configs: { 'min.insync.replicas': '1', 'retention.ms': '3600000' },
      }),
    )
    this.#passed.set(cluster, { clusterId, atMs: nowMs })
  }
}
