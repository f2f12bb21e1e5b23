/**
 * Telemetry: what a client tells the control plane about itself, every 10 seconds and on close.
 *
 * T1. Counts are deltas of the window, so that a lost report loses its window and nothing else.
 * T2. Latencies travel as encoded HDR histograms (microseconds, 2 significant digits) that merge; never as percentiles.
 * T3. Payloads, keys and header values never leave the process.
 * T4. What was sent or read under different settings is told apart: an entry of `producers` or `consumers` holds one mQ ID, one
 *     epoch, one group and one set of settings, so that a trial and what it is compared with never mix, also within one window.
 * T5. Every field that is not in the first release is optional: a report of an older client stays valid.
 */
import { z } from 'zod'
import { Codec, OffsetText } from './binding.ts'
import { MqId, Name } from './mq-id.ts'

const count = z.number().int().min(0)

/** HDR histogram in hdr-histogram-js' compressed V2 base64 form, values in microseconds. */
export const EncodedHistogram = z.string().max(65_536)

const share = z.number().min(0).max(1)

/** What one codec made of real records at one batch depth; sizes and times only (T3). */
export const ShadowSample = z.object({
  codec: Codec,
  codecLevel: z.number().int().min(-100).max(100).nullable(),
  depth: z.number().int().min(1).max(1_000_000).describe('Records in the batch'),
  batches: z
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .describe('Batches of that depth that were measured; the rest are means of them'),
  uncompressedBytes: z
    .number()
    .min(0)
    .max(1e9)
    .describe('The whole batch as it goes out without a codec, header included'),
  compressedBytes: z
    .number()
    .min(0)
    .max(1e9)
    .describe('The whole batch as it goes out with this codec, header included'),
  compressUs: z.number().min(0).max(1e9).describe('CPU of compressing one batch, microseconds'),
  decompressUs: z.number().min(0).max(1e9).nullable().describe('CPU of decompressing it, microseconds'),
})
export type ShadowSample = z.output<typeof ShadowSample>

/** What is known of keys without knowing one: from sampled records. */
export const KeySketch = z.object({
  sampled: count.describe('Records that the looks stand for'),
  keyed: count.describe('Those of them that have a key'),
  registers: z
    .string()
    .max(2_048)
    .describe(
      'HyperLogLog of the sampled keys: 256 registers of one byte as base64, merged by the larger; empty without keys',
    ),
  topShares: z.array(share).max(8).describe('Shares of the busiest keys among the keyed samples, largest first'),
})
export type KeySketch = z.output<typeof KeySketch>

export const ProducerTelemetry = z.object({
  mqId: MqId,
  epoch: z.number().int().min(1),
  records: count.describe('Records that were stored'),
  batches: count.describe('Batches that were stored'),
  requests: count.describe('Produce requests that were answered'),
  recordBytes: count.describe('Keys and values as the application gave them'),
  batchBytesUncompressed: count.describe('Bytes of those batches before compression, headers of batches included'),
  batchBytesWire: count.describe('Bytes of those batches as they went out'),
  retries: count.describe('Batches sent again, counted each time'),
  errors: count.describe('Records whose senders got an error'),
  throttledMs: count.describe('How long brokers held requests back for quotas, milliseconds'),
  bufferBytesMax: count.describe('Most bytes of buffers in use by the whole process'),
  codec: Codec.describe('Of the settings in force'),
  lingerMs: z.number().describe('Of the settings in force, milliseconds'),
  sendLatencyUs: EncodedHistogram.describe(
    'From the oldest record of a batch to its acknowledgement, by record; microseconds',
  ),
  activeMs: count.optional().describe('How long of the window these settings were in force, milliseconds'),
  codecLevel: z.number().int().nullable().optional().describe('Of the settings in force; null without one'),
  batchBytesLimit: count.optional().describe('The longest batch the settings allow, bytes'),
  trial: z.number().int().min(1).nullable().optional().describe('The decision whose trial these settings are'),
  cpuUs: count
    .optional()
    .describe(
      'CPU of encoding and compressing these records, microseconds: encoding from timed samples, compressing as measured',
    ),
  compressUs: count.optional().describe('The part of it that went into compressing, microseconds'),
  batchDepths: EncodedHistogram.optional().describe('Records per batch'),
  recordSizes: EncodedHistogram.optional().describe('Bytes of key, value and headers, from sampled records'),
  partitionRecords: z
    .array(z.tuple([z.number().int().min(0).max(99_999), count]))
    .max(64)
    .optional()
    .describe('Records by partition, the busiest 64'),
  partitionsSeen: count.optional().describe('Partitions that got a record in the window'),
  dispersion: z
    .number()
    .min(0)
    .max(1e6)
    .optional()
    .describe(
      'Records that arrive together: mean records of a batch beyond what the rate explains; 1 when arrivals are Poisson',
    ),
  keys: KeySketch.optional().describe('From sampled records'),
  shadow: z
    .array(ShadowSample)
    .max(128)
    .optional()
    .describe('What other codecs, levels and depths would make of these records, from the last round; told once'),
  clockAheadMs: z
    .number()
    .optional()
    .describe(
      'How far the clock of the process is ahead of the brokers, milliseconds, negative when behind; only while it is so wrong that Kafka refuses its times, and records without one carry that of the brokers',
    ),
  producerIds: z.array(OffsetText).max(16).optional().describe('Under which Kafka knows this producer, newest last'),
})

/** A message whose handler failed and that is not finished: it holds back its key and the committed position. */
export const FailingMessage = z.object({
  partition: z.number().int().min(0).max(99_999),
  offset: OffsetText,
  keyHash: z
    .string()
    .regex(/^[0-9a-f]{8}$/)
    .nullable()
    .describe('Tells keys apart without naming one; null where records are not ordered'),
  attempts: z.number().int().min(1).describe('How often its handler failed'),
  error: z.string().max(100).describe('Class of the last error, or its code; never its text'),
  failingMs: count.describe('Since its handler failed first, milliseconds'),
})
export type FailingMessage = z.output<typeof FailingMessage>

export const ConsumerTelemetry = z.object({
  mqId: MqId,
  group: Name,
  epoch: z.number().int().min(1),
  records: count.describe('Records handed to handlers'),
  recordBytes: count.describe('Keys and values of them'),
  wireBytes: count.describe('Bytes of fetched batches as they came'),
  handlerErrors: count.describe('Handlers that failed'),
  redeliveries: count.describe('Records handed out again'),
  deadLetters: count.optional().describe('Messages that were put aside as dead letters'),
  failingRecords: count.optional().describe('Records that failed and are not finished, now'),
  commits: count.describe('Commits of positions'),
  rebalances: count.describe('Changes of the assignment'),
  lagRecords: count.nullable().describe('Records behind the end now; null while that is unknown'),
  endToEndLatencyUs: EncodedHistogram.describe(
    'From the timestamp of a record to its handler; sampled above 10,000 records; microseconds',
  ),
  unfinishedRecords: count
    .optional()
    .describe('Fetched and not finished now: waiting, running, failed, or behind one of their key that failed'),
  failing: z.array(FailingMessage).max(10).optional().describe('Of these the ones that failed most often'),
  batches: count.optional().describe('Batches that were handed out'),
  uncompressedBytes: count.optional().describe('Bytes of those batches once decompressed'),
  fetchRequests: count.optional().describe('Fetch requests that were sent'),
  throttledMs: count.optional().describe('How long brokers slowed reading down for quotas, milliseconds'),
  activeMs: count.optional().describe('How long of the window these settings were in force, milliseconds'),
  fetchMinBytes: count.optional().describe('Of the settings in force'),
  fetchMaxWaitMs: count.optional().describe('Of the settings in force, milliseconds'),
  trial: z.number().int().min(1).nullable().optional().describe('The decision whose trial these settings are'),
})

const spanMs = z.number().min(0).max(1e9)

/** How one process went on sending in the epoch after the one that was sealed. */
export const ProducerMigration = z.object({
  mqId: MqId,
  fromEpoch: z.number().int().min(1),
  toEpoch: z.number().int().min(2),
  writePauseMs: spanMs.describe('From the first refusal, or the word that the epoch is being sealed, to sending again'),
  handedOver: count.describe('Records that were held and went to the new epoch'),
  found: count.describe('Records without an answer that the sealed log turned out to hold'),
  uncertain: count.describe('Records of which nobody can tell; their senders were told so'),
  failed: count
    .optional()
    .describe('Records whose sends failed from the pause on; left out by clients that do not count them'),
})
export type ProducerMigration = z.output<typeof ProducerMigration>

/** How one member of a group came to the next epoch; only from those that were reading when the seal came. */
export const ConsumerMigration = z.object({
  mqId: MqId,
  group: Name,
  fromEpoch: z.number().int().min(1),
  toEpoch: z.number().int().min(2),
  gapMs: spanMs.describe('From the last batch of the old epoch that arrived to the first of the new one'),
})
export type ConsumerMigration = z.output<typeof ConsumerMigration>

/** Sends of one process that wait because an epoch takes nothing more and the next one is not open. */
export const HeldTelemetry = z.object({
  mqId: MqId,
  epoch: z.number().int().min(1).describe('The epoch that takes nothing more'),
  records: count.describe('Records whose sends wait now'),
  forMs: spanMs.describe('Since when, milliseconds before the end of the window'),
})
export type HeldTelemetry = z.output<typeof HeldTelemetry>

export const TelemetryReport = z.object({
  app: Name.describe('As the application called itself'),
  instance: z.string().min(1).max(100).describe('Unique to the process'),
  version: z.string().max(40).describe('Of the client'),
  windowStartMs: z.number().int().describe('When the window began, by the clock of the process'),
  windowMs: z.number().int().min(1).describe('How long it was, milliseconds'),
  cpuUs: count.describe('CPU of the whole process in the window'),
  rssBytes: count.describe('Resident memory of the process'),
  zone: z.string().min(1).max(100).optional().describe('Where the process runs: the zone it was told at connect'),
  host: z.string().min(1).max(255).optional().describe('Name of the machine or container it runs on'),
  startedAtMs: z.number().int().min(0).optional().describe('When it connected, by its own clock'),
  features: z
    .array(z.string().max(40))
    .max(50)
    .optional()
    .describe('What this client can do that others cannot; group-hold: leave a group for a change of its positions'),
  bindings: z
    .array(z.object({ mqId: MqId, incarnation: z.number().int(), revision: z.number().int() }))
    .describe('What the client is running on'),
  producers: z
    .array(ProducerTelemetry)
    .max(1_000)
    .describe('One entry for each mQ ID, epoch and set of settings under which something happened'),
  consumers: z
    .array(ConsumerTelemetry)
    .max(1_000)
    .describe(
      'One entry for each mQ ID, group and epoch, and one more for each other set of settings that was in force',
    ),
  migrations: z
    .object({ producers: z.array(ProducerMigration).max(1_000), consumers: z.array(ConsumerMigration).max(1_000) })
    .optional()
    .describe('Changes of epoch that ended in the window'),
  held: z.array(HeldTelemetry).max(1_000).optional().describe('Sends that wait for an epoch at the end of the window'),
})
export type ProducerTelemetry = z.output<typeof ProducerTelemetry>
export type ConsumerTelemetry = z.output<typeof ConsumerTelemetry>
export type TelemetryReport = z.output<typeof TelemetryReport>
