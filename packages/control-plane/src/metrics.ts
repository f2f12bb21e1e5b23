/**
 * What `/metrics` shows, read when it is asked for.
 */

import { Counter, Gauge, Histogram, Registry as PromRegistry } from 'prom-client'
import type { GroupTrouble } from './telemetry/handler-trouble.ts'

/** Where the numbers come from. */
export interface MetricsSource {
  clients(): number
  instances(): number
  published(): number
  dropped(): number
  reports(): number
  outliers(): number
  incarnation(): number
  revision(): number
  clusters(): { name: string; up: boolean; brokers: number | null }[]
  ids(): { id: string; messagesPerSecond: number | null }[]
  storeFailing(): boolean
  /** What somebody else changed about topics of mQ IDs. */
  drift(): { readonly alarms: number; readonly others: number }
  /** Only groups of mQ; what is null is not shown. */
  groups(): MeasuredGroup[]
  trouble(): GroupTrouble[]
}

export interface MeasuredGroup {
  readonly id: string
  readonly group: string
  readonly members: number | null
  readonly lagRecords: number | null
  readonly lagMs: number | null
}

export class Metrics {
  readonly #registry = new PromRegistry()
  readonly #requests: Counter<'route' | 'method' | 'status'>
  readonly #seconds: Histogram<'route'>

  constructor(source: MetricsSource) {
    const registers = [this.#registry]
    this.#requests = new Counter({
      name: 'mq_http_requests_total',
      help: 'Requests answered',
      labelNames: ['route', 'method', 'status'],
      registers,
    })
    this.#seconds = new Histogram({
      name: 'mq_http_request_seconds',
      help: 'Time to answer a request',
      labelNames: ['route'],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
      registers,
    })
    new Gauge({
      name: 'mq_topic_drift',
      help: 'Differences between topics of mQ IDs and what mQ made of them',
      labelNames: ['alarm'],
      registers,
      collect() {
        const { alarms, others } = source.drift()
        this.set({ alarm: 'yes' }, alarms)
        this.set({ alarm: 'no' }, others)
      },
    })
    const gauge = (name: string, help: string, read: () => number): void => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read())
        },
      })
    }
    gauge('mq_push_clients', 'Connected push streams', () => source.clients())
    gauge('mq_reporting_instances', 'Processes that reported within the last minute', () => source.instances())
    gauge('mq_push_bindings_total', 'Bindings pushed, counted per receiver', () => source.published())
    gauge('mq_push_dropped_total', 'Push streams dropped because nobody read them', () => source.dropped())
    gauge('mq_telemetry_reports_total', 'Telemetry reports taken', () => source.reports())
    gauge('mq_telemetry_outliers_total', 'Parts of reports left out because they contradict themselves', () =>
      source.outliers(),
    )
    gauge('mq_store_incarnation', 'Incarnation of the store', () => source.incarnation())
    gauge('mq_store_revision', 'Revision of the store', () => source.revision())
    gauge('mq_store_failing', '1 when the last write to the store failed', () => (source.storeFailing() ? 1 : 0))
    gauge('mq_ids', 'Declared mQ IDs', () => source.ids().length)
    new Gauge({
      name: 'mq_cluster_up',
      help: '1 when the cluster answers',
      labelNames: ['cluster'],
      registers,
      collect() {
        this.reset()
        for (const { name, up } of source.clusters()) this.set({ cluster: name }, up ? 1 : 0)
      },
    })
    new Gauge({
      name: 'mq_id_messages_per_second',
      help: 'Messages sent a second over the last minute',
      labelNames: ['mq_id'],
      registers,
      collect() {
        this.reset()
        for (const { id, messagesPerSecond } of source.ids()) {
          if (messagesPerSecond !== null) this.set({ mq_id: id }, messagesPerSecond)
        }
      },
    })
    const groupGauge = (name: string, help: string, read: (group: MeasuredGroup) => number | null): void => {
      new Gauge({
        name,
        help,
        labelNames: ['mq_id', 'group'],
        registers,
        collect() {
          this.reset()
          for (const one of source.groups()) {
            const value = read(one)
            if (value !== null) this.set({ mq_id: one.id, group: one.group }, value)
          }
        },
      })
    }
    groupGauge(
      'mq_group_lag_records',
      'Records a group is behind; not there while it is not known',
      (one) => one.lagRecords,
    )
    groupGauge('mq_group_lag_seconds', 'How long ago the record a group stands at came in', (one) =>
      one.lagMs === null ? null : one.lagMs / 1_000,
    )
    const troubleGauge = (name: string, help: string, read: (one: GroupTrouble) => number): void => {
      new Gauge({
        name,
        help,
        labelNames: ['mq_id', 'group'],
        registers,
        collect() {
          this.reset()
          for (const one of source.trouble()) this.set({ mq_id: one.id, group: one.group }, read(one))
        },
      })
    }
    troubleGauge(
      'mq_group_dead_letters_total',
      'Messages that a group put aside as dead letters, since this control plane started',
      (one) => one.deadLetters,
    )
    troubleGauge(
      'mq_group_handler_failures_total',
      'Handlers of a group that failed, since this control plane started',
      (one) => one.handlerFailures,
    )
    troubleGauge(
      'mq_group_retries_total',
      'Messages handed out again to a group, since this control plane started',
      (one) => one.retries,
    )
    troubleGauge(
      'mq_group_failing_records',
      'Messages that failed in a group and are not finished, now',
      (one) => one.failingRecords,
    )
    groupGauge('mq_group_members', 'Clients in a group', (one) => one.members)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  request(route: string, method: string, status: number, ms: number): void {
    this.#requests.inc({ route, method, status: String(status) })
    this.#seconds.observe({ route }, ms / 1_000)
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }
}
