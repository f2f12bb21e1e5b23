/**
 * The workloads whose configuration is chosen and then judged, and the one the model is calibrated on, which is none of them.
 *
 * W1. The same seed gives the same messages at the same moments.
 * W2. Messages differ, and are many enough that no batch holds one twice.
 */
import { basename } from 'node:path'
import { burstyMoments, type TwinMessage, type TwinMessages } from '../../packages/control-plane/src/twin/messages.ts'
import { seededRandom } from '../payloads.ts'
import { type Recording, readRecording } from './recorded.ts'

export interface BenchWorkload {
  readonly name: string
  readonly what: string
  readonly messagesPerSecond: number
  /** While it is on. */
  readonly burstPerSecond: number
  readonly isKeyed: boolean
  readonly partitions: number
  /** What the owner asks for: end to end. */
  readonly latencyP99Ms: number
  readonly messages: readonly TwinMessage[]
  /** Moments of the given length; another seed, another draw of the same stream. */
  moments(forMs: number, seed: number): Float64Array
}

export function trafficOf(workload: BenchWorkload, forMs: number, seed: number): TwinMessages {
  return { messages: workload.messages, dueMs: workload.moments(forMs, seed) }
}

interface Spec {
  readonly what: string
  readonly perSecond: number
  readonly partitions: number
  readonly latencyP99Ms: number
  /** Different keys; 0 for none. */
  readonly keys: number
  readonly burst?: { readonly periodMs: number; readonly onShare: number }
  /** How many different messages there are. */
  readonly count: number
  readonly make: (dice: Dice, n: number) => Buffer
}

const SPECS: Readonly<Record<string, Spec>> = {
  counters: {
    what: '20-byte text counters without a key, 50,000 a second',
    perSecond: 50_000,
    partitions: 4,
    latencyP99Ms: 100,
    keys: 0,
    count: 100_000,
    make: (dice, n) =>
      Buffer.from(`c${dice.below(500)}=${1_700_000_000 + n * 3 + dice.below(9)}`.padEnd(20, '0').slice(0, 20)),
  },
  clicks: {
    what: '350-byte JSON events of 20,000 users, 5,000 a second',
    perSecond: 5_000,
    partitions: 4,
    latencyP99Ms: 250,
    keys: 20_000,
    count: 20_000,
    make: (dice, n) =>
      json({
        event: dice.of(['page_view', 'click', 'scroll', 'add_to_cart', 'search']),
        at: isoAt(n, 200),
        session: dice.code(16),
        user: `u-${dice.below(20_000)}`,
        page: `/${dice.of(WORDS)}/${dice.of(WORDS)}-${dice.below(5_000)}`,
        referrer: `https://www.${dice.of(WORDS)}.example/${dice.of(WORDS)}`,
        agent: dice.of(AGENTS),
        screen: dice.of(['390x844', '1920x1080', '1366x768', '412x915']),
        ms: dice.below(4_000),
      }),
  },
  orders: {
    what: '1 KB JSON orders by customer, 200 a second',
    perSecond: 200,
    partitions: 3,
    latencyP99Ms: 500,
    keys: 2_000,
    count: 6_000,
    make: (dice, n) =>
      json({
        order: `o-${dice.code(12)}`,
        customer: { id: `c-${dice.below(2_000)}`, name: `${dice.name()} ${dice.name()}`, city: dice.name() },
        placedAt: isoAt(n, 5_000),
        currency: dice.of(['EUR', 'USD', 'INR']),
        items: Array.from({ length: 5 + dice.below(4) }, () => ({
          sku: `SKU-${dice.below(99_999)}`,
          title: `${dice.of(WORDS)} ${dice.of(WORDS)} ${dice.of(WORDS)}`,
          quantity: 1 + dice.below(4),
          cents: 99 + dice.below(90_000),
        })),
        note: dice.sentence(12),
      }),
  },
  documents: {
    what: '20 KB text documents without a key, 20 a second',
    perSecond: 20,
    partitions: 2,
    latencyP99Ms: 1_000,
    keys: 0,
    count: 400,
    make: (dice) => Buffer.from(dice.sentence(3_100).slice(0, 20_480)),
  },
  thumbnails: {
    what: '2 KB of data that is compressed already, without a key, 300 a second',
    perSecond: 300,
    partitions: 3,
    latencyP99Ms: 250,
    keys: 0,
    count: 3_000,
    make: (dice) => dice.bytes(1_900 + dice.below(300)),
  },
  sensors: {
    what: '48-byte binary readings of 1,000 devices, 2,000 a second',
    perSecond: 2_000,
    partitions: 4,
    latencyP99Ms: 50,
    keys: 1_000,
    count: 60_000,
    make: (dice, n) => {
      const reading = Buffer.alloc(48)
      reading.writeUInt32BE(dice.below(1_000), 0)
      reading.writeBigUInt64BE(1_767_225_600_000n + BigInt(n), 4)
      for (let at = 12; at < 48; at += 4) reading.writeFloatBE(Math.round((20 + dice.below(500) / 100) * 100) / 100, at)
      return reading
    },
  },
  alerts: {
    what: '300-byte JSON alerts by host, 10 a second, wanted within 40 ms',
    perSecond: 10,
    partitions: 1,
    latencyP99Ms: 40,
    keys: 50,
    count: 2_000,
    make: (dice, n) =>
      json({
        alert: dice.of(['disk_full', 'high_latency', 'oom', 'certificate_expires', 'replica_lag']),
        severity: dice.of(['info', 'warning', 'critical']),
        host: `${dice.of(WORDS)}-${dice.below(50)}.prod.example`,
        at: isoAt(n, 100_000),
        value: dice.below(100_000) / 100,
        threshold: dice.below(1_000) / 10,
        text: dice.sentence(14),
      }),
  },
  logs: {
    what: '200-byte log lines in bursts (a fifth of the time), 1,000 a second on average',
    perSecond: 1_000,
    partitions: 4,
    latencyP99Ms: 1_000,
    keys: 0,
    burst: { periodMs: 2_500, onShare: 0.2 },
    count: 30_000,
    make: (dice, n) =>
      Buffer.from(
        `${isoAt(n, 1_000)} ${dice.of(['INFO ', 'WARN ', 'ERROR', 'DEBUG'])} [worker-${dice.below(16)}] ${dice.of(WORDS)}.${dice.of(WORDS)}.Service - request ${dice.code(12)} of tenant ${dice.below(400)} took ${dice.below(2_000)} ms: ${dice.sentence(9)}`,
      ),
  },
}

/** Unlike any of the above: what the constants of the model come from. */
const CALIBRATION: Spec = {
  what: '600-byte JSON invoices by account, 1,500 a second',
  perSecond: 1_500,
  partitions: 4,
  latencyP99Ms: 250,
  keys: 3_000,
  count: 10_000,
  make: (dice, n) =>
    json({
      invoice: `i-${dice.code(8)}`,
      account: dice.below(3_000),
      issued: isoAt(n, 60_000),
      lines: Array.from({ length: 4 }, () => ({ text: dice.sentence(6), amount: dice.below(1e6) / 100 })),
      iban: `DE${dice.below(89) + 10}${dice.below(1e9)}${dice.below(1e9)}`,
      paid: dice.below(2) === 0,
    }),
}

export const BUILT_IN: readonly string[] = Object.keys(SPECS)
const CALIBRATION_NAME = 'calibration'

/** Where a workload comes from: enough for another process to make the same one. */
export type WorkloadSource =
  | { readonly kind: 'built-in'; readonly name: string; readonly seed: number }
  | { readonly kind: 'calibration'; readonly seed: number }
  | { readonly kind: 'file'; readonly path: string; readonly latencyP99Ms: number }

export async function openWorkload(source: WorkloadSource): Promise<BenchWorkload> {
  if (source.kind === 'file') {
    return recordedWorkload(basename(source.path), await readRecording(source.path), source.latencyP99Ms)
  }
  if (source.kind === 'calibration') return build(CALIBRATION_NAME, CALIBRATION, source.seed + 1_000)
  const spec = SPECS[source.name]
  if (spec === undefined) throw new Error(`there is no workload '${source.name}'; there are: ${BUILT_IN.join(', ')}`)
  return build(source.name, spec, source.seed + BUILT_IN.indexOf(source.name))
}

/** Recorded messages at their recorded times, from the first again when they are used up. */
export function recordedWorkload(name: string, recording: Recording, latencyP99Ms: number): BenchWorkload {
  const { messages, atMs, lengthMs } = recording
  return {
    name,
    what: `${messages.length} recorded messages`,
    messagesPerSecond: (messages.length / lengthMs) * 1_000,
    burstPerSecond: busiestSecond(atMs),
    isKeyed: messages.some(({ key }) => key !== null),
    partitions: 4,
    latencyP99Ms,
    messages,
    moments: (forMs) => {
      const moments: number[] = []
      for (let n = 0; ; n++) {
        const at = Math.floor(n / messages.length) * lengthMs + atMs[n % messages.length]!
        if (at >= forMs) return Float64Array.from(moments)
        moments.push(at)
      }
    },
  }
}

function build(name: string, spec: Spec, seed: number): BenchWorkload {
  const dice = new Dice(seededRandom(seed))
  const messages = Array.from({ length: spec.count }, (_, n) => ({
    key: spec.keys === 0 ? null : Buffer.from(`k-${Math.floor(spec.keys * dice.next() ** 2)}`),
    value: spec.make(dice, n),
  }))
  return {
    name,
    what: spec.what,
    messagesPerSecond: spec.perSecond,
    burstPerSecond: spec.perSecond / (spec.burst?.onShare ?? 1),
    isKeyed: spec.keys > 0,
    partitions: spec.partitions,
    latencyP99Ms: spec.latencyP99Ms,
    messages,
    moments: (forMs, momentSeed) =>
      burstyMoments(
        { perSecond: spec.perSecond, periodMs: spec.burst?.periodMs ?? 1_000, onShare: spec.burst?.onShare ?? 1 },
        forMs,
        seededRandom(seed * 31 + momentSeed),
      ),
  }
}

function busiestSecond(atMs: readonly number[]): number {
  let most = 0
  for (let from = 0, to = 0; to < atMs.length; to++) {
    while (atMs[to]! - atMs[from]! >= 1_000) from++
    most = Math.max(most, to - from + 1)
  }
  return most
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const isoAt = (n: number, stepUs: number): string =>
  new Date(Date.UTC(2026, 0, 1) + Math.floor((n * stepUs) / 1_000)).toISOString()

const WORDS =
  'account amber archive basin billing cache cedar checkout cluster delta driver ember engine filter flint gateway grove harbor index island jasper kernel lantern ledger meadow metric nickel orchid parser pebble quartz queue river router saddle schema session shard timber token umber valley vector walnut window yarrow zephyr'.split(
    ' ',
  )
const AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) Version/19.1 Mobile Safari/604.1',
  'Mozilla/5.0 (Linux; Android 16) Chrome/142.0 Mobile Safari/537.36',
]
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'

class Dice {
  readonly next: () => number

  constructor(next: () => number) {
    this.next = next
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }

  code(length: number): string {
    return Array.from({ length }, () => ALPHABET[this.below(ALPHABET.length)]).join('')
  }

  name(): string {
    const word = this.of(WORDS)
    return `${word[0]!.toUpperCase()}${word.slice(1)}`
  }

  sentence(words: number): string {
    return Array.from(
      { length: words },
      () => this.of(WORDS) + (this.below(4) === 0 ? ` ${this.below(1_000)}` : ''),
    ).join(' ')
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)))
  }
}
