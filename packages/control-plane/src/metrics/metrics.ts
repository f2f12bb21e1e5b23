/**
 * What `/metrics` shows: figures that are read when somebody looks, and those that are counted when something happens.
 *
 * M2. Series with names of mQ IDs, groups or teams are bounded (definitions.ts).
 * M3. A figure that cannot be had is left out; it never fails the others.
 */
import { Counter, Gauge, Histogram, Registry as PromRegistry } from 'prom-client'
import { eventDefinitions, MAX_SERIES, type MetricDefinition, type ReadMetric, readDefinitions } from './definitions.ts'

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Where the figures come from: a single one has no labels. */
export type MetricsSource = {
  readonly [N in Exclude<ReadMetric, 'mq_series_left_out'>]: () => readonly Sample[] | Promise<readonly Sample[]>
}

/** How one round of something ended. */
export type Ended = 'ok' | 'failed'

export class Metrics {
  readonly #registry = new PromRegistry()
  /** What is told about the others, once they were read. */
  readonly #after = new PromRegistry()
  readonly #leftOut = new Map<string, number>()
  readonly #requests: Counter<'route' | 'method' | 'status'>
  readonly #seconds: Histogram<'route'>
  readonly #writes: Histogram<'result'>
  readonly #loops: Histogram<'loop' | 'result'>

  readonly #begin: () => void

  /** @param source `begin` is called before the figures of one look are read */
  constructor(source: { readonly read: MetricsSource; readonly begin: () => void }) {
    this.#begin = source.begin
    const registers = [this.#registry]
    for (const [name, definition] of Object.entries(readDefinitions)) {
      if (name === 'mq_series_left_out') continue
      this.#read(name, definition, source.read[name as keyof MetricsSource])
    }
    this.#read('mq_series_left_out', readDefinitions.mq_series_left_out, () =>
      [...this.#leftOut].map(([metric, value]) => ({ labels: { metric }, value })),
    )
    const event = <N extends keyof typeof eventDefinitions>(name: N) => ({
      name,
      help: eventDefinitions[name].help,
      labelNames: [...eventDefinitions[name].labels],
      registers,
    })
    this.#requests = new Counter(event('mq_http_requests_total'))
    this.#seconds = new Histogram({
      ...event('mq_http_request_seconds'),
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    })
    this.#writes = new Histogram({ ...event('mq_store_write_seconds'), buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10] })
    this.#loops = new Histogram({ ...event('mq_loop_seconds'), buckets: [0.01, 0.1, 0.5, 2, 10, 60] })
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  request(route: string, method: string, status: number, ms: number): void {
    this.#requests.inc({ route, method, status: String(status) })
    this.#seconds.observe({ route }, ms / 1_000)
  }

  storeWrite(ms: number, result: Ended): void {
    this.#writes.observe({ result }, ms / 1_000)
  }

  loop(loop: string, ms: number, result: Ended): void {
    this.#loops.observe({ loop, result }, ms / 1_000)
  }

  async text(): Promise<string> {
    this.#begin()
    const figures = await this.#registry.metrics()
    return `${figures.trimEnd()}\n\n${await this.#after.metrics()}`
  }

  #read(name: string, definition: MetricDefinition, read: () => readonly Sample[] | Promise<readonly Sample[]>): void {
    const { kind, help, labels, bounded } = definition
    const leftOut = this.#leftOut
    const registers = [name === 'mq_series_left_out' ? this.#after : this.#registry]
    const options = { name, help, labelNames: [...labels], registers }
    const collect = async (set: (labels: Sample['labels'], value: number) => void): Promise<void> => {
      let samples: readonly Sample[]
      try {
        samples = await read()
      } catch {
        // M3
        return
      }
      if (bounded !== undefined) {
        if (samples.length > MAX_SERIES) leftOut.set(name, samples.length - MAX_SERIES)
        else leftOut.delete(name)
        // Sources give the oldest first by themselves.
        if (samples.length > MAX_SERIES && bounded === 'largest first') {
          samples = samples.toSorted((a, b) => b.value - a.value)
        }
        samples = samples.slice(0, MAX_SERIES)
      }
      for (const { labels: own, value } of samples) set(own, value)
    }
    // The library begins a metric without labels at 0, and what cannot be had is not 0 (M3).
    const isSingle = labels.length === 0
    if (kind === 'counter') {
      new Counter({
        ...options,
        async collect() {
          this.reset()
          if (isSingle) this.remove()
          await collect((own, value) => this.inc(own, value))
        },
      })
    } else {
      new Gauge({
        ...options,
        async collect() {
          this.reset()
          if (isSingle) this.remove()
          await collect((own, value) => this.set(own, value))
        },
      })
    }
  }
}
