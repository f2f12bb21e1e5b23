/**
 * Reads the topic of a twin as a consumer group would, and measures how late records arrive and how many fetches that takes.
 *
 * L1. Latency is from the timestamp of the record, taken by `send`, to the moment the record is handed out: whole milliseconds, as
 *     Kafka keeps timestamps.
 * L2. Figures are of the window alone, by the timestamps of the records.
 */
import type { ConsumerSettings } from '@mq/contract'
import {
  ClusterFetchNetwork,
  type Deps,
  type FetchCluster,
  Fetcher,
  type FetchLink,
  type FetchNetwork,
  type LocatedTopic,
} from '@mq/kafka'
import { quantile } from './quantile.ts'

export interface HeardFigures {
  readonly windowMs: number
  readonly records: number
  readonly wireBytes: number
  readonly fetchRequests: number
  readonly endToEndP50Ms: number
  readonly endToEndP99Ms: number
  readonly samples: number
}

export interface ListenerOptions {
  readonly cluster: FetchCluster
  readonly topic: string
  /** Where to begin, for every partition. */
  readonly offsets: readonly bigint[]
  readonly settings: ConsumerSettings
  readonly deps: Deps
  /** Wall clock; may be set later with `window`. */
  readonly fromMs?: number
  readonly untilMs?: number
}

export class Listener {
  readonly #options: ListenerOptions
  readonly #network: CountingNetwork
  readonly #fetcher: Fetcher
  readonly #latencies: number[] = []
  #fromMs: number
  #untilMs: number
  #records = 0
  #wireBytes = 0
  #failure: Error | undefined

  constructor(options: ListenerOptions) {
    const { cluster, topic, offsets, settings, deps } = options
    this.#options = options
    this.#fromMs = options.fromMs ?? Number.POSITIVE_INFINITY
    this.#untilMs = options.untilMs ?? Number.POSITIVE_INFINITY
    this.#network = new CountingNetwork(new ClusterFetchNetwork(cluster), () => {
      const now = deps.clock.nowMs()
      return now >= this.#fromMs && now < this.#untilMs
    })
    this.#fetcher = new Fetcher({
      cluster,
      settings,
      deps,
      network: this.#network,
      onError: (_topic, _partition, error) => {
        this.#failure ??= error
      },
      onBatch: (batch) => {
        const now = deps.clock.nowMs()
        let counted = 0
        for (const record of batch) {
          const sentAt = record.timestampMs
          if (sentAt < this.#fromMs || sentAt >= this.#untilMs) continue
          counted++
          this.#latencies.push(Math.max(0, now - sentAt))
        }
        this.#records += counted
        if (batch.count > 0) this.#wireBytes += (batch.wireBytes * counted) / batch.count
        batch.release()
      },
    })
    for (const [partition, offset] of offsets.entries()) this.#fetcher.add(topic, partition, offset)
  }

  /** Which records count, by their timestamps. */
  window(fromMs: number, untilMs: number): void {
    this.#fromMs = fromMs
    this.#untilMs = untilMs
  }

  /** Ends the reading. @throws what the fetcher could not get around */
  async close(): Promise<HeardFigures> {
    await this.#fetcher.close()
    if (this.#failure !== undefined) throw this.#failure
    const latencies = this.#latencies.sort((a, b) => a - b)
    const untilMs = Math.min(this.#untilMs, this.#options.deps.clock.nowMs())
    return {
      windowMs: Math.max(0, untilMs - this.#fromMs),
      records: this.#records,
      wireBytes: this.#wireBytes,
      fetchRequests: this.#network.requests,
      endToEndP50Ms: quantile(latencies, 0.5),
      endToEndP99Ms: quantile(latencies, 0.99),
      samples: latencies.length,
    }
  }
}

/** Counts the fetches that are asked while somebody counts. */
class CountingNetwork implements FetchNetwork {
  readonly #inner: FetchNetwork
  readonly #isCounting: () => boolean
  requests = 0

  constructor(inner: FetchNetwork, isCounting: () => boolean) {
    this.#inner = inner
    this.#isCounting = isCounting
  }

  locate(topics: readonly string[], refresh: boolean): Promise<readonly LocatedTopic[]> {
    return this.#inner.locate(topics, refresh)
  }

  async open(nodeId: number): Promise<FetchLink> {
    const link = await this.#inner.open(nodeId)
    return {
      get receivedBytes() {
        return link.receivedBytes
      },
      fetch: (request) => {
        if (this.#isCounting()) this.requests++
        return link.fetch(request)
      },
      range: (topic, partition) => link.range(topic, partition),
      close: () => link.close(),
    }
  }
}
