/**
 * What a contender is asked to do, and how it answers.
 *
 * J1. Each run is a process of its own: it gets one Job as its argument and prints one JSON object as its last line.
 * J2. The clock and the CPU meter run from the first message of the measured part to the last acknowledgement (or the
 *     last message received); start, connection and warm-up stay outside.
 * J3. A client that gives up on an error which it calls passing itself, such as metadata that is a moment old, ends with
 *     PASSING_TROUBLE: nothing was measured, and the run may be made again.
 */
import { performance } from 'node:perf_hooks'
import type { Percentiles, Run } from '../results.ts'
import { percentile } from '../statistics.ts'

export const PASSING_TROUBLE = 75

export type Job = Produce | Consume | Latency

interface Common {
  readonly bootstrap: readonly string[]
  readonly topic: string
  readonly partitions: number
  /** Where mQ clients find their binding; other clients ignore it. */
  readonly url: string
  readonly mqId: string
  readonly cacheDir: string
}

export interface Produce extends Common {
  readonly role: 'produce'
  readonly payloadFile: string
  readonly messages: number
  readonly warmupMessages: number
}

export interface Consume extends Common {
  readonly role: 'consume'
  readonly group: string
  readonly messages: number
}

export interface Latency extends Common {
  readonly role: 'latency'
  readonly payloadFile: string
  readonly messagesPerSecond: number
  readonly seconds: number
  readonly warmupSeconds: number
}

export type Roles = { readonly [R in Job['role']]: (job: Extract<Job, { role: R }>) => Promise<unknown> }

/**
 * Runs the job given on the command line and prints its answer (J1).
 *
 * @param isPassing whether the contender's own client calls an error one that passes (J3)
 */
export async function answer(roles: Roles, isPassing: (error: unknown) => boolean = () => false): Promise<void> {
  const job = JSON.parse(process.argv[2] ?? '') as Job
  try {
    const result =
      job.role === 'produce'
        ? await roles.produce(job)
        : job.role === 'consume'
          ? await roles.consume(job)
          : await roles.latency(job)
    process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0))
  } catch (error) {
    if (!isPassing(error)) throw error
    process.stderr.write(`${String(error)}\n`, () => process.exit(PASSING_TROUBLE))
  }
}

/** Whether this error, one of its causes or one of the errors it collects has the property. */
export function isAnyOf(error: unknown, has: (one: Readonly<Record<string, unknown>>) => boolean): boolean {
  if (typeof error !== 'object' || error === null) return false
  const one = error as Readonly<Record<string, unknown>>
  if (has(one)) return true
  const inner = Array.isArray(one.errors) ? one.errors : []
  return [one.cause, one.originalError, ...inner].some((next) => next !== error && isAnyOf(next, has))
}

/** Clock and CPU meter of this process (J2). */
export class Meter {
  #startedMs = 0
  #cpu: NodeJS.CpuUsage | undefined

  start(): void {
    this.#cpu = process.cpuUsage()
    this.#startedMs = performance.now()
  }

  stop(messages: number): Run {
    const seconds = (performance.now() - this.#startedMs) / 1_000
    const cpu = process.cpuUsage(this.#cpu)
    return { messages, seconds, cpuUs: cpu.user + cpu.system, rssMb: process.resourceUsage().maxRSS / 1_024 }
  }
}

/**
 * Counts received messages and the bytes of their values: the first message starts the meter, the last one ends it. Asking
 * for the length makes sure that every value is really there, also with a client that decodes only on demand.
 */
export class Arrivals {
  readonly #expected: number
  readonly #meter = new Meter()
  readonly #done = Promise.withResolvers<Run>()
  #count = 0
  #bytes = 0

  constructor(expected: number) {
    this.#expected = expected
  }

  add(value: { readonly length: number } | null | undefined): void {
    if (this.#count === 0) this.#meter.start()
    this.#count += 1
    this.#bytes += value?.length ?? 0
    if (this.#count === this.#expected) this.#done.resolve(this.#meter.stop(this.#expected))
  }

  get bytes(): number {
    return this.#bytes
  }

  get done(): Promise<Run> {
    return this.#done.promise
  }
}

/** Sends batches of 1,000 with `outstanding` of them under way at any time. */
export async function sendBatches(
  messages: number,
  outstanding: number,
  send: (batch: number) => Promise<unknown>,
): Promise<void> {
  const batches = Math.ceil(messages / 1_000)
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < batches) await send(next++)
  }
  await Promise.all(Array.from({ length: outstanding }, lane))
}

/** Calls `send` at a steady rate and tells how long acknowledgements took; the warm-up is not counted. */
export async function pace(job: Latency, send: (n: number) => Promise<unknown>): Promise<Percentiles> {
  const total = Math.round(job.messagesPerSecond * (job.warmupSeconds + job.seconds))
  const skip = Math.round(job.messagesPerSecond * job.warmupSeconds)
  const tookMs = new Float64Array(total - skip)
  const settled = Promise.withResolvers<void>()
  const startedMs = performance.now()
  let sent = 0
  let acknowledged = 0

  const sendOne = (n: number): void => {
    const sentMs = performance.now()
    send(n).then(() => {
      if (n >= skip) tookMs[n - skip] = performance.now() - sentMs
      acknowledged += 1
      if (acknowledged === total) settled.resolve()
    }, settled.reject)
  }
  const timer = setInterval(() => {
    const due = Math.min(total, Math.ceil(((performance.now() - startedMs) * job.messagesPerSecond) / 1_000))
    while (sent < due) sendOne(sent++)
    if (sent === total) clearInterval(timer)
  }, 1)
  await settled.promise
  tookMs.sort()
  return { p50: percentile(tookMs, 50), p99: percentile(tookMs, 99), p999: percentile(tookMs, 99.9) }
}
