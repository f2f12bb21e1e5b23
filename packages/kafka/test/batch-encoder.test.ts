import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Codec, ProducerSettings } from '@mq/contract'
import { systemDeps } from '@mq/contract/timing'
import { type ReferenceBatch, readReferenceBatch } from '@mq/testkit'
import fc from 'fast-check'
import { PendingBatch } from '../src/produce/pending-batch.ts'
import { BatchDecoder } from '../src/records/batch-decoder.ts'
import { BatchEncoder, type Bytes, nextSequence, SEALED_TOPIC_BYTES } from '../src/records/batch-encoder.ts'
import { recordsOf, splitBatch } from '../src/records/batch-parts.ts'
import { compress } from '../src/records/compression.ts'
import { PADDING_HEADER } from '../src/records/padding-header.ts'
import { encodeHeaders, type HeaderValue } from '../src/records/record-headers.ts'

interface Given {
  readonly key: Bytes | null
  readonly value: Bytes | null
  readonly headers: readonly (readonly [string, HeaderValue])[]
  readonly timestampMs: number
}

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.constant('é'),
  fc.constant('\ud800'),
)
const bytes = fc.oneof(text, fc.uint8Array({ maxLength: 300 }))
const field = fc.option(bytes, { nil: null })
const time = fc.oneof(fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }), fc.maxSafeNat())
const name = fc.oneof(fc.constantFrom('a', 'trace'), fc.string()).filter((one) => one !== PADDING_HEADER)
const headers = fc.array(fc.tuple(name, field), { maxLength: 4 })
const record: fc.Arbitrary<Given> = fc.record({ key: field, value: field, headers, timestampMs: time })
const identity = { producerId: 77n, producerEpoch: 3, baseSequence: 12 }

const asBuffer = (value: Bytes): Buffer => Buffer.from(value as string)

function pendingWith(records: readonly Given[], buffer = Buffer.allocUnsafeSlow(262_208)): PendingBatch {
  const batch = new PendingBatch(buffer, 0, false)
  for (const { key, value, headers: with_, timestampMs } of records) {
    assert.equal(batch.encoder.tryAppend(key, value, encodeHeaders(with_), timestampMs, 1_000_000), 0)
  }
  return batch
}

const settingsOf = (codec: Codec): ProducerSettings => ({
  codec,
  lingerMs: 0,
  batchBytes: 262_144,
  maxMessageBytes: 1_048_576,
  requestTimeoutMs: 30_000,
})

async function wireOf(batch: PendingBatch, codec: Codec): Promise<Buffer> {
  await new Promise<void>((resolve, reject) => {
    batch.seal(settingsOf(codec), compress, systemDeps.clock, (trouble) =>
      trouble === undefined ? resolve() : reject(trouble),
    )
    if (batch.wire.kind === 'ready') resolve()
  })
  batch.stamp(identity)
  assert.equal(batch.wire.kind, 'ready')
  if (batch.wire.kind !== 'ready') throw new Error('not ready')
  return Buffer.concat(batch.wire.records === null ? [batch.wire.header] : [batch.wire.header, batch.wire.records])
}

function sameRecords(actual: ReferenceBatch, given: readonly Given[]): void {
  assert.equal(actual.records.length, given.length)
  for (const [index, { key, value, headers: with_, timestampMs }] of given.entries()) {
    const read = actual.records[index]!
    assert.deepEqual(read.key, key === null ? null : asBuffer(key))
    assert.deepEqual(read.value, value === null ? null : asBuffer(value))
    assert.equal(read.timestampMs, BigInt(timestampMs))
    assert.deepEqual(
      read.headers.filter(([name]) => name !== PADDING_HEADER),
      with_.map(([title, content]) => [asBuffer(title).toString(), content === null ? null : asBuffer(content)]),
    )
  }
}

for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
  test(`what is written with ${codec} is what a plain reader of the format finds`, { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 60 }), async (given) => {
        const wire = await wireOf(pendingWith(given), codec)
        assert.ok(wire.length > SEALED_TOPIC_BYTES, `${wire.length} bytes would pass a seal (E4)`)
        const read = readReferenceBatch(wire)
        assert.deepEqual([read.producerId, read.producerEpoch, read.baseSequence], [77n, 3, 12])
        sameRecords(read, given)
      }),
      { numRuns: 150 },
    )
  })
}

test('the fetch side reads what the produce side writes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { minLength: 1, maxLength: 30 }),
      fc.constantFrom<Codec>('none', 'gzip', 'snappy', 'lz4', 'zstd'),
      async (given, codec) => {
        const wire = await wireOf(pendingWith(given), codec)
        const decoder = new BatchDecoder({
          topic: 't',
          partition: 0,
          buffer: wire,
          start: 0,
          end: wire.length,
          fetchOffset: 0,
          aborted: undefined,
          maxBatchBytes: 10_000_000,
        })
        const batch = decoder.next()
        assert.equal(batch?.count, given.length)
        const values = [...batch!].map((one) => (one.value === null ? null : Buffer.from(one.value)))
        assert.deepEqual(
          values,
          given.map(({ value }) => (value === null ? null : asBuffer(value))),
        )
      },
    ),
    { numRuns: 100 },
  )
})

test('a record that does not fit leaves nothing behind, and the answer is the exact length it would need (E2)', () => {
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 100, max: 3_000 }),
      (given, limit) => {
        const encoder = new BatchEncoder(Buffer.allocUnsafeSlow(65_600))
        const roomy = new BatchEncoder(Buffer.allocUnsafeSlow(65_600))
        const kept: Given[] = []
        for (const one of given) {
          const before = encoder.length
          const needed = encoder.tryAppend(one.key, one.value, encodeHeaders(one.headers), one.timestampMs, limit)
          if (needed === 0) {
            assert.ok(encoder.length <= limit)
            assert.equal(roomy.tryAppend(one.key, one.value, encodeHeaders(one.headers), one.timestampMs, 65_000), 0)
            kept.push(one)
            continue
          }
          assert.equal(encoder.length, before)
          assert.ok(needed > limit)
          const trial = new BatchEncoder(Buffer.allocUnsafeSlow(65_600))
          for (const earlier of [...kept, one]) {
            trial.tryAppend(earlier.key, earlier.value, encodeHeaders(earlier.headers), earlier.timestampMs, 65_000)
          }
          assert.equal(needed, trial.length)
        }
        assert.deepEqual(
          Buffer.from(encoder.bytes.subarray(61, encoder.length)),
          Buffer.from(roomy.bytes.subarray(61, roomy.length)),
        )
      },
    ),
  )
})

test('a tiny batch gets padding that its records do not show (E4)', async () => {
  const tiny: Given = { key: null, value: null, headers: [], timestampMs: 5 }
  // Two tiny records lack four bytes, and a header takes at least eight.
  for (const [count, bytes] of [
    [1, 79],
    [2, 83],
    [3, 82],
    [4, 89],
  ] as const) {
    const given = Array.from({ length: count }, () => tiny)
    const batch = pendingWith(given)
    const wire = await wireOf(batch, 'none')
    assert.equal(wire.length, bytes)
    sameRecords(readReferenceBatch(wire), given)
    assert.deepEqual(
      recordsOf(batch).map(({ headers: found }) => found),
      given.map(() => undefined),
    )
  }
})

test('records come out of a batch as they went in, and both halves of a split batch hold all of them (R1)', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 2, maxLength: 30 }), async (given) => {
      const whole = pendingWith(given)
      await wireOf(whole, 'none')
      const parts = splitBatch(whole, () => {})
      assert.equal(parts.length, 2)
      const wires = [await wireOf(parts[0]!, 'none'), await wireOf(parts[1]!, 'none')]
      const read = wires.map((bytes) => readReferenceBatch(bytes))
      sameRecords({ ...read[0]!, records: read.flatMap((one) => one.records) }, given)
    }),
    { numRuns: 100 },
  )
})

test('a batch may be stamped again, for another identity', () => {
  const encoder = new BatchEncoder(Buffer.allocUnsafeSlow(4_160))
  encoder.tryAppend('k', 'v'.repeat(100), undefined, 1, 4_096)
  const batch = new PendingBatch(Buffer.allocUnsafeSlow(4_160), 0, false)
  batch.encoder.tryAppend('k', 'v'.repeat(100), undefined, 1, 4_096)
  batch.seal(settingsOf('none'), compress, systemDeps.clock, () => {})
  for (const sequence of [0, 2_147_483_647]) {
    batch.stamp({ producerId: 9_007_199_254_740_993n, producerEpoch: 32_767, baseSequence: sequence })
    const read = readReferenceBatch(batch.encoder.sealed())
    assert.deepEqual(
      [read.producerId, read.producerEpoch, read.baseSequence],
      [9_007_199_254_740_993n, 32_767, sequence],
    )
  }
})

test('sequence numbers start again after 2^31 - 1', () => {
  assert.equal(nextSequence(0, 10), 10)
  assert.equal(nextSequence(2_147_483_646, 1), 2_147_483_647)
  assert.equal(nextSequence(2_147_483_647, 1), 0)
  assert.equal(nextSequence(2_147_483_640, 10), 2)
})
