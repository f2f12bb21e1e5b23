/**
 * Sends the messages of a twin at their moments through one producer, and measures what that took.
 *
 * R1. Figures are of the window alone: what is sent while it warms up is sent the same way and not counted, and what is cut short
 *     at the end is not either.
 * R2. Latency is that of each record, from the call of `send` to its acknowledgement.
 * R3. A replay that falls behind sends late and says by how much: nothing is left out in silence.
 */
import type { MqError } from '@mq/contract'
import {
  type BatchReport,
  type Deps,
  type Producer,
  type ProducerObserver,
  type ProducerTopic,
  type Receipt,
  sleep,
} from '@mq/kafka'
import type { TwinMessages } from './messages.ts'
import { quantile } from './quantile.ts'

export interface SentFigures {
  readonly windowMs: number
  readonly records: number
  /** Keys and values. */
  readonly recordBytes: number
  /** As batches, before compression. */
  readonly uncompressedBytes: number
  readonly wireBytes: number
  readonly batches: number
  readonly requests: number
  readonly retries: number
  readonly failures: number
  /** By the meter that was handed in. */
  readonly cpuUs: number
  /** Of compressing, as the producer measured it; with the wait for a thread where a batch was handed to one. */
  readonly compressUs: number
  /** Of encoding, from the appends that were timed. */
  readonly encodeUs: number
  readonly sendP50Ms: number
  readonly sendP99Ms: number
  readonly samples: number
  /** How far the replay fell behind its own clock, at most (R3). */
  readonly behindMs: number
}

/** Counts what a producer says about itself; made before the producer, which takes it as its observer. */
export class SentCounter implements ProducerObserver {
  records = 0
  recordBytes = 0
  uncompressedBytes = 0
  wireBytes = 0
  batches = 0
  requests = 0
  retries = 0
  failures = 0
  compressUs = 0
  appends = 0
  appendUs = 0
  lastFailure: MqError | undefined

  onBatch(report: BatchReport): void {
    this.records += report.records
    this.recordBytes += report.recordBytes
    this.uncompressedBytes += report.uncompressedBytes
    this.wireBytes += report.wireBytes
    this.batches++
    this.retries += report.retries
    this.compressUs += report.compression.ownUs + report.compression.handedUs
  }

  onAppend(us: number): void {
    this.appends++
    this.appendUs += us
  }

  onRequest(): void {
    this.requests++
  }

  onFailure(records: number, error: MqError): void {
    this.failures += records
    this.lastFailure = error
  }

  take(): Counts {
    return Object.fromEntries(COUNTS.map((name) => [name, this[name]])) as Counts
  }
}

const COUNTS = [
  'records',
  'recordBytes',
  'uncompressedBytes',
  'wireBytes',
  'batches',
  'requests',
  'retries',
  'failures',
  'compressUs',
  'appends',
  'appendUs',
] as const
type Counts = Record<(typeof COUNTS)[number], number>

export interface ReplayOptions {
  readonly producer: Pick<Producer, 'send' | 'flush'>
  readonly topic: ProducerTopic
  readonly counter: SentCounter
  readonly traffic: TwinMessages
  /** Of the moments: what is before it is sent and not counted (R1). */
  readonly warmMs: number
  readonly windowMs: number
  readonly deps: Deps
  /** Wall clock at which moment zero is; now when missing. */
  readonly startAtMs?: number
  /** Microseconds of CPU used so far, by whom the caller wants counted. */
  cpuUs(): number
  readonly signal?: AbortSignal
  /** Called now and then with the share that is done. */
  onProgress?(share: number): void
}

/** Latencies of records that share one promise. */
interface Open {
  readonly sentAt: number[]
}

export async function replay(options: ReplayOptions): Promise<SentFigures> {
  const { producer, topic, counter, traffic, warmMs, windowMs, deps, signal } = options
  const { clock } = deps
  const startInMs = (options.startAtMs ?? 0) - clock.nowMs()
  if (startInMs > 0) await sleep(deps, startInMs, signal)
  const startedAt = clock.monotonicMs()
  const latencies: number[] = []
  const open = new Map<Promise<Receipt>, Open>()
  const { messages, dueMs } = traffic
  const endMs = warmMs + windowMs
  let next = 0
  let behindMs = 0
  let before: { counts: Counts; cpuUs: number; atMs: number } | undefined
  for (;;) {
    const nowMs = clock.monotonicMs() - startedAt
    if (nowMs >= warmMs && before === undefined) {
      before = { counts: counter.take(), cpuUs: options.cpuUs(), atMs: nowMs }
    }
    if (nowMs >= endMs) break
    signal?.throwIfAborted()
    const first = dueMs[next]
    if (first !== undefined && first <= nowMs) behindMs = Math.max(behindMs, nowMs - first)
    for (let sent = 0; next < dueMs.length && dueMs[next]! <= nowMs && sent < SENDS_PER_TURN; next++, sent++) {
      const message = messages[next % messages.length]!
      const isCounted = before !== undefined
      const sentAt = clock.monotonicMs()
      const promise = producer.send(topic, message.key, message.value)
      const known = open.get(promise)
      if (known !== undefined) {
        if (isCounted) known.sentAt.push(sentAt)
        continue
      }
      const fresh: Open = { sentAt: isCounted ? [sentAt] : [] }
      open.set(promise, fresh)
      const settled = (): void => {
        const at = clock.monotonicMs()
        for (const since of fresh.sentAt) latencies.push(at - since)
        open.delete(promise)
      }
      // A failed send is as slow as it was until it failed; the counter has it among the failures.
      promise.then(settled, settled)
    }
    options.onProgress?.(nowMs / endMs)
    const waitMs = Math.min((dueMs[next] ?? endMs) - (clock.monotonicMs() - startedAt), MAX_WAIT_MS)
    await sleep(deps, Math.max(1, waitMs), signal)
  }
  const after = { counts: counter.take(), cpuUs: options.cpuUs(), atMs: clock.monotonicMs() - startedAt }
  await producer.flush()
  latencies.sort((a, b) => a - b)
  const counted = Object.fromEntries(
    COUNTS.map((name) => [name, after.counts[name] - (before?.counts[name] ?? 0)]),
  ) as Counts
  const { appends, appendUs, ...counts } = counted
  return {
    windowMs: after.atMs - (before?.atMs ?? 0),
    ...counts,
    failures: counter.failures - (before?.counts.failures ?? 0),
    cpuUs: after.cpuUs - (before?.cpuUs ?? 0),
    encodeUs: appends === 0 ? 0 : (appendUs / appends) * counts.records,
    sendP50Ms: quantile(latencies, 0.5),
    sendP99Ms: quantile(latencies, 0.99),
    samples: latencies.length,
    behindMs,
  }
}

/** A turn of the event loop that sends more keeps the answers of the broker waiting. */
const SENDS_PER_TURN = 2_000
const MAX_WAIT_MS = 100
