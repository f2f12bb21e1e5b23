/** Measuring codecs on real records (codec-probe C1-C3, codec-probe-thread H1-H2, codec-probe-worker W1-W2, record-sample L1). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProducerSettings } from '@mq/contract'
import { systemDeps } from '@mq/contract/timing'
import { PendingBatch } from '../src/produce/pending-batch.ts'
import { BatchEncoder } from '../src/records/batch-encoder.ts'
import {
  CodecProbe,
  measureCodecs,
  PROBE_CANDIDATES,
  type ProbeBatch,
  probeBatchOf,
} from '../src/records/codec-probe.ts'
import { CodecProbeThread } from '../src/records/codec-probe-thread.ts'
import { compress } from '../src/records/compression.ts'
import { encodeHeaders } from '../src/records/record-headers.ts'
import { sampleRecords } from '../src/records/record-sample.ts'

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage()
  return user + system
}

const records = (count: number, secret = '') =>
  Array.from({ length: count }, (_, n) => ({
    key: Buffer.from(`customer-${n % 7}`),
    value: Buffer.from(JSON.stringify({ order: n, at: `2026-11-23T10:00:${n % 60}`, items: ['tea', 'cup'], secret })),
    headers: n % 3 === 0 ? encodeHeaders({ trace: `t-${n}` }) : undefined,
    timestampMs: 1_700_000_000_000 + n,
  }))

/** The same records through what sends them. */
async function sentBytes(count: number, codec: ProducerSettings['codec'], codecLevel?: number): Promise<number> {
  const batch = new PendingBatch(Buffer.allocUnsafeSlow(1_048_640), 0, false)
  for (const { key, value, headers, timestampMs } of records(count)) {
    assert.equal(batch.encoder.tryAppend(key, value, headers, timestampMs, 1_048_576), 0)
  }
  const settings = { codec, lingerMs: 0, batchBytes: 1_048_576, maxMessageBytes: 1_048_576, requestTimeoutMs: 30_000 }
  await new Promise<void>((resolve, reject) => {
    const whole = codecLevel === undefined ? settings : { ...settings, codecLevel }
    batch.seal(whole, compress, systemDeps.clock, (trouble) => (trouble === undefined ? resolve() : reject(trouble)))
    if (batch.wire.kind === 'ready') resolve()
  })
  return batch.wireBytes
}

test('measured sizes are those of a batch that is sent, to the byte, for every codec and depth (C1)', async () => {
  for (const count of [1, 4, 300]) {
    for (const { codec, codecLevel } of PROBE_CANDIDATES) {
      const probe = new CodecProbe([probeBatchOf(records(count))], cpuUs)
      const sample = probe.measure({ codec, codecLevel }, count)
      assert.equal(sample?.compressedBytes, await sentBytes(count, codec, codecLevel ?? undefined), `${codec} ${count}`)
      assert.equal(sample?.uncompressedBytes, await sentBytes(count, 'none'))
    }
  }
})

test('deep batches compress better, and depths without enough records are left out', () => {
  const samples = measureCodecs([probeBatchOf(records(40)), probeBatchOf(records(40), 1)], cpuUs)
  assert.deepEqual([...new Set(samples.map(({ depth }) => depth))], [1, 4, 16, 64])
  const ratio = (codec: string, depth: number): number => {
    const one = samples.find((sample) => sample.codec === codec && sample.depth === depth)!
    return one.uncompressedBytes / one.compressedBytes
  }
  for (const codec of ['gzip', 'snappy', 'lz4', 'zstd']) {
    assert.ok(ratio(codec, 64) > 2 * ratio(codec, 1), `${codec}: ${ratio(codec, 1)} to ${ratio(codec, 64)}`)
  }
  assert.ok(samples.filter(({ codec }) => codec !== 'none').every(({ compressUs }) => compressUs >= 0))
})

test('what does not shrink is said to go out as it is', () => {
  const noise = Array.from({ length: 16 }, (_, n) => ({
    key: null,
    value: Buffer.from(
      Array.from({ length: 200 }, (__, at) => (n * 7919 + at * at * 104_729 + ((at * 31) ^ n)) & 0xff),
    ),
    headers: undefined,
    timestampMs: 0,
  }))
  const random = noise.map((one) => ({ ...one, value: crypto.getRandomValues(Buffer.alloc(200)) }))
  for (const sample of measureCodecs([probeBatchOf(random)], cpuUs)) {
    assert.ok(sample.compressedBytes <= sample.uncompressedBytes, JSON.stringify(sample))
  }
})

test('the thread gives the same sizes, says its CPU, and answers with numbers only (W1, W2)', {
  timeout: 300_000,
}, async () => {
  const secret = 'a-secret-that-must-not-leave'
  const batch = probeBatchOf(records(64, secret))
  const expected = new CodecProbe([probeBatchOf(records(64, secret))], cpuUs).measure(
    { codec: 'zstd', codecLevel: 1 },
    64,
  )
  const thread = new CodecProbeThread()
  try {
    const loadUs = await thread.load([{ ...batch, records: Uint8Array.from(batch.records) }])
    assert.ok(loadUs > 100, `${loadUs} us for starting and loading`)
    const { sample, cpuUs: usedUs } = await thread.measure({ codec: 'zstd', codecLevel: 1 }, 64)
    assert.equal(sample?.compressedBytes, expected?.compressedBytes)
    assert.ok(usedUs >= (sample?.compressUs ?? 0))
    const told = JSON.stringify(sample)
    assert.doesNotMatch(told, /secret|customer|tea/)
    assert.equal((await thread.measure({ codec: 'zstd', codecLevel: 1 }, 1_024)).sample, null)
  } finally {
    await thread.close()
  }
  await assert.rejects(thread.measure({ codec: 'none', codecLevel: null }, 1), { code: 'MQ_CODEC_FAILED' })
})

test('records the thread cannot read fail that request and end nothing (H2)', { timeout: 300_000 }, async () => {
  const thread = new CodecProbeThread()
  try {
    const broken: ProbeBatch = { partition: 0, count: 9, baseTimestampMs: 0, records: new Uint8Array([255, 255, 255]) }
    await assert.rejects(thread.load([broken]), { code: 'MQ_CODEC_FAILED' })
    const batch = probeBatchOf(records(4))
    await thread.load([{ ...batch, records: Uint8Array.from(batch.records) }])
    assert.equal((await thread.measure({ codec: 'none', codecLevel: null }, 4)).sample?.depth, 4)
  } finally {
    await thread.close()
  }
})

test('a thread that is closed in the middle of its work ends after the step, and takes nobody with it (H3)', {
  timeout: 300_000,
}, async () => {
  const codecs = ['zstd', 'gzip'] as const
  for (let round = 0; round < 40; round++) {
    const thread = new CodecProbeThread()
    const batch = probeBatchOf(records(1_024))
    await thread.load([{ ...batch, records: Uint8Array.from(batch.records) }])
    const work = (async () => {
      for (let n = 0; ; n++) await thread.measure({ codec: codecs[n % 2]!, codecLevel: 1 }, 4)
    })()
    const refused = assert.rejects(work, { code: 'MQ_CODEC_FAILED' })
    await new Promise((resolve) => setTimeout(resolve, 2 + (round % 13)))
    await thread.close()
    await refused
  }
})

test('a look shows every so many records with their keys and sizes (L1)', () => {
  const encoder = new BatchEncoder(Buffer.allocUnsafeSlow(262_208))
  const all = records(100)
  for (const { key, value, headers, timestampMs } of all) encoder.tryAppend(key, value, headers, timestampMs, 262_144)
  encoder.tryAppend(null, null, undefined, 1_700_000_000_200, 262_144)
  encoder.seal()
  const seen: [string | null, number][] = []
  sampleRecords(encoder, 10, 100, (bytes, start, length, content) =>
    seen.push([start < 0 ? null : bytes.toString('utf8', start, start + length), content]),
  )
  assert.equal(seen.length, 11)
  for (const [index, [key, content]] of seen.slice(0, 10).entries()) {
    const { key: expected, value, headers } = all[index * 10]!
    assert.equal(key, expected.toString())
    const least = expected.length + value.length
    // Names and values of headers count, with the lengths before them.
    assert.ok(
      headers === undefined ? content === least : content > least && content < least + 20,
      `${content}, ${least}`,
    )
  }
  assert.deepEqual(seen[10], [null, 0])
  let few = 0
  sampleRecords(encoder, 1, 7, () => few++)
  assert.equal(few, 7)
})
