/**
 * The rules that turn an intent into producer and consumer settings. Pure; every setting comes with its reason.
 *
 * U1. acks and idempotence are no settings: every record waits for all in-sync replicas and is written once.
 * U2. mQ may spend a stated share of the latency the owner allows, never more.
 * U3. The same intent always gives the same settings.
 */
import { type Choice, type ConsumerSettings, formatDurationMs, type Intent, type ProducerSettings } from '@mq/contract'

/** Part of the latency p99 that waiting for a fuller batch may take. */
export const LINGER_SHARE = 0.04
export const MAX_LINGER_MS = 100
/** Part of the time until a send is acknowledged that waiting for a fuller batch may take. */
export const LINGER_SHARE_OF_ACKNOWLEDGEMENT = 0.2
/** Part of the latency p99 that a broker may wait for a fuller fetch. */
export const FETCH_WAIT_SHARE = 0.1
export const MAX_FETCH_WAIT_MS = 500
/** From this latency on, fetches are collected at the broker. */
export const RELAXED_LATENCY_MS = 1_000
/** From this rate on a batch is worth twice the size. */
export const BUSY_BYTES_PER_SECOND = 5 * 1_024 * 1_024
const KIB = 1_024
const MIB = 1_024 * KIB

export interface Settings {
  readonly producer: ProducerSettings
  readonly consumer: ConsumerSettings
  readonly choices: readonly Choice[]
}

export function chooseSettings(intent: Intent): Settings {
  const choices: Choice[] = []
  const because = <T>(setting: string, value: T, shown: string, reason: string): T => {
    choices.push({ setting, value: shown, reason })
    return value
  }
  const latency = formatDurationMs(intent.latencyP99Ms)

  const codec = because(
    'producer.codec',
    'zstd' as const,
    'zstd level 1',
    'batches of zstd level 1 are about a quarter of the size of uncompressed JSON events; compressing 1 TB costs about ' +
      '0.02 USD of CPU and saves about 150 USD of transfer and storage, and higher levels save at most a tenth more for 4 times the CPU',
  )
  const share = Math.floor(intent.latencyP99Ms * LINGER_SHARE)
  const within = intent.acknowledgedWithinMs ?? Number.POSITIVE_INFINITY
  const ofSends = Math.floor(within * LINGER_SHARE_OF_ACKNOWLEDGEMENT)
  const chosen = Math.min(share, MAX_LINGER_MS, ofSends)
  const lingerMs = because(
    'producer.lingerMs',
    chosen,
    `${chosen} ms`,
    ofSends < Math.min(share, MAX_LINGER_MS)
      ? `${LINGER_SHARE_OF_ACKNOWLEDGEMENT * 100} % of the ${formatDurationMs(within)} within which you want sends acknowledged`
      : share === 0
        ? `${LINGER_SHARE * 100} % of the ${latency} you allow is under one millisecond, so a batch leaves as soon as the one before it is through`
        : share > MAX_LINGER_MS
          ? `${LINGER_SHARE * 100} % of the ${latency} you allow would be ${share} ms; past ${MAX_LINGER_MS} ms batches hardly get fuller`
          : `${LINGER_SHARE * 100} % of the ${latency} you allow: waiting fills batches, and fuller batches compress better and cost less`,
  )
  const bytesPerSecond = (intent.expectedMessagesPerSecond ?? 0) * (intent.expectedMessageBytes ?? 1_000)
  const roomy = intent.latencyP99Ms >= RELAXED_LATENCY_MS || bytesPerSecond >= BUSY_BYTES_PER_SECOND
  const batchBytes = because(
    'producer.batchBytes',
    (roomy ? 512 : 256) * KIB,
    `${roomy ? 512 : 256} KiB`,
    roomy
      ? `${bytesPerSecond >= BUSY_BYTES_PER_SECOND ? `about ${(bytesPerSecond / MIB).toFixed(1)} MiB/s are expected` : `${latency} are allowed`}, so a batch may grow to 512 KiB`
      : 'about 1,000 messages of 250 bytes: nine tenths of what compression can win are won by 100 messages a batch',
  )
  const producer: ProducerSettings = {
    codec,
    codecLevel: 1,
    lingerMs,
    batchBytes,
    maxMessageBytes: intent.maxMessageBytes,
    requestTimeoutMs: because(
      'producer.requestTimeoutMs',
      30_000,
      '30 s',
      'a send may take 120 s by default: four tries of the same batch fit in, and a slow broker is not given up too early',
    ),
  }

  const relaxed = intent.latencyP99Ms >= RELAXED_LATENCY_MS
  const fetchWait = Math.min(Math.floor(intent.latencyP99Ms * FETCH_WAIT_SHARE), MAX_FETCH_WAIT_MS)
  const hurry = intent.priority === 'critical' || intent.priority === 'high'
  const readAheadBytes = Math.max(8 * MIB, 2 * intent.maxMessageBytes)
  const consumer: ConsumerSettings = {
    fetchMinBytes: because(
      'consumer.fetchMinBytes',
      relaxed ? 64 * KIB : 1,
      relaxed ? '64 KiB' : '1 byte',
      relaxed
        ? `${latency} are allowed: the broker collects 64 KiB before it answers, which takes fewer fetches`
        : `${latency} are allowed: the broker answers as soon as there is anything`,
    ),
    fetchMaxWaitMs: because(
      'consumer.fetchMaxWaitMs',
      relaxed ? fetchWait : MAX_FETCH_WAIT_MS,
      `${relaxed ? fetchWait : MAX_FETCH_WAIT_MS} ms`,
      relaxed
        ? `at most ${FETCH_WAIT_SHARE * 100} % of the ${latency} you allow goes into collecting`
        : 'a fetch that finds nothing waits at the broker: the next record ends the wait at once, so this costs no latency',
    ),
    readAheadBytes: because(
      'consumer.readAheadBytes',
      readAheadBytes,
      `${readAheadBytes / MIB} MiB`,
      readAheadBytes > 8 * MIB
        ? `room for two messages of your largest size (${intent.maxMessageBytes} bytes)`
        : 'keeps handlers busy while the next fetch is under way, in bounded memory',
    ),
    isolation: because(
      'consumer.isolation',
      'read_committed',
      'read_committed',
      'a record of a transaction that was rolled back is never handed to a handler',
    ),
    sessionTimeoutMs: because(
      'consumer.sessionTimeoutMs',
      hurry ? 10_000 : 30_000,
      hurry ? '10 s' : '30 s',
      hurry
        ? `priority '${intent.priority}': partitions of a dead process are taken over within 10 s`
        : 'partitions of a dead process are taken over within 30 s; a pause shorter than that disturbs nobody',
    ),
  }
  return { producer, consumer, choices }
}
