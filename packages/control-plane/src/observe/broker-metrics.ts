/**
 * Metrics of brokers from a Prometheus endpoint: CPU and bytes, where somebody exports them.
 *
 * P1. Nothing depends on them: an endpoint that is away, slow, huge or says something else costs a line of text and no more.
 * P2. Counters become rates over two scrapes; one that went back was restarted and counts from zero.
 * P3. Sums of one topic stand beside those of all: only series without a topic count.
 */
import { MqError } from '@mq/contract'
import { type Deps, within } from '@mq/kafka'

/** Counters as they were at one moment, over all series of the endpoint. */
export interface MetricsScrape {
  readonly atMs: number
  readonly cpuSeconds: number | null
  readonly bytesIn: number | null
  readonly bytesOut: number | null
}

/** P2 */
export interface BrokerMetrics {
  /** vCPUs busy, all brokers of the endpoint together. */
  readonly busyVcpus: number | null
  readonly inBytesPerSecond: number | null
  readonly outBytesPerSecond: number | null
}

const DEADLINE_MS = 3_000
const MOST_BYTES = 16 * 1_048_576
const SERIES = /^([a-zA-Z_:][\w:]*)(?:\{([^}]*)\})?\s+([^\s]+)(?:\s+-?\d+)?$/
/** As the usual exporters name them: in one metric for each direction, with or without a unit behind. */
const BYTES_IN = /^kafka_server_brokertopicmetrics_bytesin(?:persec)?(?:_count|_total)?$/i
const BYTES_OUT = /^kafka_server_brokertopicmetrics_bytesout(?:persec)?(?:_count|_total)?$/i
const CPU = /^process_cpu_seconds(?:_total)?$/i
const TOPIC_LABEL = /(?:^|,)\s*topic="[^"]/

/** @throws MqError when the endpoint cannot be read (P1) */
export async function scrapeMetrics(url: string, deps: Deps): Promise<MetricsScrape> {
  const atMs = deps.clock.monotonicMs()
  const stop = new AbortController()
  const late = (): MqError => {
    stop.abort()
    return new MqError('MQ_KAFKA_TIMEOUT', `no metrics from ${url} within ${DEADLINE_MS} ms`)
  }
  return parseMetrics(await within(deps, DEADLINE_MS, late, read(url, stop)), atMs)
}

/** The text format of Prometheus, as far as three sums need it; what is not understood is passed over. */
export function parseMetrics(text: string, atMs: number): MetricsScrape {
  let cpuSeconds: number | null = null
  let bytesIn: number | null = null
  let bytesOut: number | null = null
  for (const line of text.split('\n')) {
    const match = SERIES.exec(line.trim())
    if (match === null) continue
    const [, name = '', labels = '', digits = ''] = match
    const value = Number(digits)
    if (!Number.isFinite(value) || value < 0 || TOPIC_LABEL.test(labels)) continue
    if (CPU.test(name)) cpuSeconds = (cpuSeconds ?? 0) + value
    else if (BYTES_IN.test(name)) bytesIn = (bytesIn ?? 0) + value
    else if (BYTES_OUT.test(name)) bytesOut = (bytesOut ?? 0) + value
  }
  return { atMs, cpuSeconds, bytesIn, bytesOut }
}

export function metricsBetween(before: MetricsScrape, now: MetricsScrape): BrokerMetrics | null {
  const seconds = (now.atMs - before.atMs) / 1_000
  if (seconds <= 0) return null
  const rate = (from: number | null, to: number | null): number | null => {
    if (from === null || to === null) return null
    return (to >= from ? to - from : to) / seconds
  }
  return {
    busyVcpus: rate(before.cpuSeconds, now.cpuSeconds),
    inBytesPerSecond: rate(before.bytesIn, now.bytesIn),
    outBytesPerSecond: rate(before.bytesOut, now.bytesOut),
  }
}

async function read(url: string, stop: AbortController): Promise<string> {
  const failed = (why: string, cause?: unknown): MqError =>
    new MqError('MQ_KAFKA_UNREACHABLE', `metrics of brokers at ${url}: ${why}`, cause === undefined ? {} : { cause })
  try {
    const response = await fetch(url, { signal: stop.signal, redirect: 'error' })
    if (!response.ok) throw failed(`HTTP status ${response.status}`)
    const parts: Uint8Array[] = []
    let bytes = 0
    for await (const part of response.body ?? []) {
      bytes += part.byteLength
      if (bytes > MOST_BYTES) {
        stop.abort()
        throw failed(`more than ${MOST_BYTES} bytes`)
      }
      parts.push(part)
    }
    return Buffer.concat(parts).toString('utf8')
  } catch (error) {
    if (error instanceof MqError) throw error
    throw failed(error instanceof Error ? error.message : String(error), error)
  }
}
