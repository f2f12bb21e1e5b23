import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MqError, type MqErrorCode } from '@mq/contract'
import fc from 'fast-check'
import { type AbortedTransaction, BatchDecoder, type DecodedBatch } from '../src/records/batch-decoder.ts'
import { BatchEncoder, SEALED_TOPIC_BYTES, stamp } from '../src/records/batch-encoder.ts'
import { codecs } from '../src/records/compression.ts'
import { encodeBatch, encodeMarker, encodeRecord, type HandBatch } from './hand-made.ts'

interface Options {
  readonly fetchOffset?: number
  readonly aborted?: readonly AbortedTransaction[]
  readonly maxBatchBytes?: number
}

const open = (buffer: Buffer, options: Options = {}): BatchDecoder =>
  new BatchDecoder({
    topic: 'orders',
    partition: 3,
    buffer,
    start: 0,
    end: buffer.length,
    fetchOffset: options.fetchOffset ?? 0,
    aborted: options.aborted,
    maxBatchBytes: options.maxBatchBytes ?? 1 << 20,
  })

const decodeAll = (parts: readonly Buffer[], options: Options = {}): DecodedBatch[] => {
  const decoder = open(Buffer.concat(parts), options)
  const batches: DecodedBatch[] = []
  for (let batch = decoder.next(); batch !== undefined; batch = decoder.next()) batches.push(batch)
  return batches
}

const values = (batches: readonly DecodedBatch[]): (string | null)[] =>
  batches.flatMap((batch) => [...batch].map((record) => record.valueString()))

const refuses = (code: MqErrorCode, parts: readonly Buffer[], options: Options = {}, message = /./): void => {
  assert.throws(
    () => decodeAll(parts, options),
    (error) => error instanceof MqError && error.code === code && message.test(error.message),
  )
}

const transactional = (baseOffset: number, producerId: bigint, ...texts: string[]): Buffer =>
  encodeBatch({ baseOffset, producerId, transactional: true, records: texts.map((value) => ({ value })) })

describe('the batch decoder', () => {
  for (const codec of codecs) {
    it(`reads keys, values, headers and times of a ${codec} batch, empty and null ones too`, () => {
      const batch = encodeBatch({
        baseOffset: 2 ** 40,
        codec,
        leaderEpoch: 7,
        records: [
          {
            key: 'k',
            value: 'v',
            headers: [
              ['trace', 'a'],
              ['trace', null],
              ['', ''],
            ],
            timestampDelta: -5,
          },
          { key: '', value: '' },
          { key: null, value: null, timestampDelta: 2 ** 35 },
        ],
      })
      const [decoded] = decodeAll([batch], { fetchOffset: 2 ** 40 })
      assert.ok(decoded)
      assert.equal(decoded.leaderEpoch, 7)
      assert.equal(decoded.nextOffset, 2 ** 40 + 3)
      assert.equal(decoded.wireBytes, batch.length)
      const [first, second, third] = [...decoded]
      assert.ok(first && second && third)
      assert.equal(first.offset, 2n ** 40n)
      assert.deepEqual([first.topic, first.partition], ['orders', 3])
      assert.deepEqual([first.key?.toString(), first.keyString(), first.value?.toString()], ['k', 'k', 'v'])
      assert.equal(first.timestampMs, 1_700_000_000_000 - 5)
      assert.deepEqual(
        first.headers.map(({ key, value }) => [key, value?.toString()]),
        [
          ['trace', 'a'],
          ['trace', undefined],
          ['', ''],
        ],
      )
      assert.deepEqual([second.keyString(), second.valueString(), second.hasHeaders], ['', '', false])
      assert.deepEqual([third.key, third.value, third.keyString(), third.valueString()], [null, null, null, null])
      assert.equal(third.timestampMs, 1_700_000_000_000 + 2 ** 35)
      assert.equal(third.offsetNumber, 2 ** 40 + 2)
    })
  }

  it('leaves out the header that pads a short batch, and no other (W3)', () => {
    const headers = [
      ['trace', '1'],
      ['mq-pad', '00000'],
    ] as const
    const [decoded] = decodeAll([
      encodeBatch({ records: [{ headers }, { headers: [['mq-pad', '']] }, { headers: [['mq-pads', 'x']] }] }),
    ])
    const keys = [...(decoded ?? [])].map((record) => record.headers.map(({ key }) => key))
    assert.deepEqual(keys, [['trace'], [], ['mq-pads']])
  })

  it('reads back what the batch encoder wrote, padding and all (W3)', () => {
    const encoder = new BatchEncoder(Buffer.alloc(BatchEncoder.bytesFor(1_024)))
    assert.equal(encoder.tryAppend(null, 'x', undefined, 1_700_000_000_123, 1_024), 0)
    encoder.seal()
    stamp(encoder.sealed(), null, { producerId: 5n, producerEpoch: 0, baseSequence: 0 })
    const [decoded] = decodeAll([Buffer.from(encoder.sealed())])
    const [record] = [...(decoded ?? [])]
    assert.ok(decoded && decoded.wireBytes > SEALED_TOPIC_BYTES && record)
    assert.deepEqual([record.key, record.valueString(), record.headers], [null, 'x', []])
    assert.equal(record.timestampMs, 1_700_000_000_123)
  })

  it('gives every record the time of the broker when the batch says so', () => {
    const [decoded] = decodeAll([encodeBatch({ appendTime: true, maxTimestampMs: 42, records: [{}, {}] })])
    assert.deepEqual(
      [...(decoded ?? [])].map((record) => record.timestampMs),
      [42, 42],
    )
  })

  it('reads any records as they were written (R1, W1)', () => {
    const bytes = fc.option(fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array)))
    const record = fc.record({ key: bytes, value: bytes, timestampDelta: fc.integer(), gap: fc.nat(3) })
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 30 }),
        fc.constantFrom(...codecs),
        fc.nat(60),
        (list, codec, from) => {
          let delta = -1
          const records = list.map(({ gap, ...rest }) => {
            delta += 1 + gap
            return { ...rest, delta }
          })
          const decoded = decodeAll([encodeBatch({ records, codec })], { fetchOffset: from })
          const seen = decoded.flatMap((batch) => [...batch])
          const wanted = records.filter((one) => one.delta >= from)
          assert.deepEqual(
            seen.map((one) => one.offsetNumber),
            wanted.map((one) => one.delta),
          )
          assert.deepEqual(
            seen.map((one) => one.key),
            wanted.map((one) => one.key),
          )
          assert.deepEqual(
            seen.map((one) => one.value),
            wanted.map((one) => one.value),
          )
        },
      ),
      { numRuns: 150 },
    )
  })

  describe('with transactions (X3)', () => {
    it('drops two aborted transactions of one producer in one response, and nothing else', () => {
      const parts = [
        transactional(0, 9n, 'a0', 'a1'),
        encodeMarker(2, 9n, 'abort'),
        transactional(3, 9n, 'c3'),
        encodeMarker(4, 9n, 'commit'),
        transactional(5, 9n, 'a5'),
        encodeMarker(6, 9n, 'abort'),
        encodeBatch({ baseOffset: 7, records: [{ value: 'plain7' }] }),
        transactional(8, 9n, 'c8'),
        encodeMarker(9, 9n, 'commit'),
      ]
      // In the wrong order on purpose: the decoder sorts.
      const aborted = [
        { producerId: 9n, firstOffset: 5 },
        { producerId: 9n, firstOffset: 0 },
      ]
      assert.deepEqual(values(decodeAll(parts, { aborted })), ['c3', 'plain7', 'c8'])
    })

    it('drops a transaction whose abort marker is beyond the response', () => {
      const parts = [transactional(0, 9n, 'a0'), transactional(1, 4n, 'c1'), transactional(2, 9n, 'a2')]
      const batches = decodeAll(parts, { aborted: [{ producerId: 9n, firstOffset: 0 }] })
      assert.deepEqual(values(batches), ['c1'])
      assert.equal(batches.at(-1)?.nextOffset, 3)
    })

    it('drops the rest of a transaction that began before the wanted offset', () => {
      const parts = [transactional(10, 9n, 'a10', 'a11'), encodeMarker(12, 9n, 'abort'), transactional(13, 9n, 'c13')]
      const options = { fetchOffset: 11, aborted: [{ producerId: 9n, firstOffset: 4 }] }
      assert.deepEqual(values(decodeAll(parts, options)), ['c13'])
    })

    it('keeps the transactions of two producers apart when they interleave', () => {
      const parts = [
        transactional(0, 1n, 'a0'),
        transactional(1, 2n, 'c1'),
        transactional(2, 1n, 'a2'),
        encodeMarker(3, 2n, 'commit'),
        transactional(4, 2n, 'a4'),
        encodeMarker(5, 1n, 'abort'),
        transactional(6, 1n, 'c6'),
        encodeMarker(7, 2n, 'abort'),
      ]
      const aborted = [
        { producerId: 1n, firstOffset: 0 },
        { producerId: 2n, firstOffset: 4 },
      ]
      assert.deepEqual(values(decodeAll(parts, { aborted })), ['c1', 'c6'])
    })

    it('keeps what the same producer wrote outside of a transaction', () => {
      const parts = [
        encodeBatch({ baseOffset: 0, producerId: 9n, records: [{ value: 'plain' }] }),
        transactional(1, 9n, 'a1'),
      ]
      assert.deepEqual(values(decodeAll(parts, { aborted: [{ producerId: 9n, firstOffset: 0 }] })), ['plain'])
    })

    it('reads aborted data, and still no markers, when everything is asked for', () => {
      const parts = [transactional(0, 9n, 'a0'), encodeMarker(1, 9n, 'abort'), transactional(2, 9n, 'c2')]
      assert.deepEqual(values(decodeAll(parts)), ['a0', 'c2'])
    })

    it('agrees with a plain model over random transactions', () => {
      const step = fc.record({
        producer: fc.integer({ min: 1, max: 3 }),
        act: fc.constantFrom('write', 'write', 'commit', 'abort'),
      })
      fc.assert(
        fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
          const parts: Buffer[] = []
          const aborted: AbortedTransaction[] = []
          const pending = new Map<number, { first: number; texts: string[] }>()
          const dropped = new Set<string>()
          const written: string[] = []
          steps.forEach(({ producer, act }, offset) => {
            const held = pending.get(producer)
            if (act === 'write') {
              const text = `${producer}@${offset}`
              parts.push(transactional(offset, BigInt(producer), text))
              written.push(text)
              pending.set(producer, { first: held?.first ?? offset, texts: [...(held?.texts ?? []), text] })
              return
            }
            parts.push(encodeMarker(offset, BigInt(producer), act === 'abort' ? 'abort' : 'commit'))
            pending.delete(producer)
            if (held === undefined || act === 'commit') return
            aborted.push({ producerId: BigInt(producer), firstOffset: held.first })
            for (const text of held.texts) dropped.add(text)
          })
          // What is still open ends in an abort that lies beyond the response.
          for (const [producer, held] of pending) {
            aborted.push({ producerId: BigInt(producer), firstOffset: held.first })
            for (const text of held.texts) dropped.add(text)
          }
          assert.deepEqual(
            values(decodeAll(parts, { aborted })),
            written.filter((text) => !dropped.has(text)),
          )
        }),
        { numRuns: 300 },
      )
    })
  })

  it('moves over an all-passed stretch with one empty batch (X4)', () => {
    const parts = [encodeMarker(5, 1n, 'commit'), encodeBatch({ baseOffset: 6, lastOffsetDelta: 9, records: [] })]
    const batches = decodeAll(parts, { fetchOffset: 5 })
    assert.deepEqual(
      batches.map((batch) => [batch.count, batch.nextOffset]),
      [[0, 16]],
    )
    assert.deepEqual([...(batches[0] ?? [])], [])
  })

  it('reads a compacted batch with holes and a lost tail', () => {
    const records = [
      { delta: 2, value: 'c' },
      { delta: 5, value: 'f' },
    ]
    const batches = decodeAll([encodeBatch({ baseOffset: 10, lastOffsetDelta: 9, records, codec: 'lz4' })])
    assert.deepEqual(
      [...(batches[0] ?? [])].map((record) => record.offsetNumber),
      [12, 15],
    )
    assert.equal(batches[0]?.nextOffset, 20)
  })

  it('drops records below the wanted offset inside a batch', () => {
    const batch = encodeBatch({ baseOffset: 100, records: ['a', 'b', 'c'].map((value) => ({ value })) })
    assert.deepEqual(values(decodeAll([batch], { fetchOffset: 102 })), ['c'])
    assert.deepEqual(values(decodeAll([batch], { fetchOffset: 103 })), [])
  })

  it('leaves a last batch alone that is cut short at any byte (H1)', () => {
    const whole = encodeBatch({ records: [{ value: 'whole' }] })
    const cut = encodeBatch({ baseOffset: 1, records: [{ value: 'cut' }] })
    for (let bytes = 0; bytes < cut.length; bytes += 1) {
      assert.deepEqual(values(decodeAll([whole, cut.subarray(0, bytes)])), ['whole'])
    }
  })

  it('hands out what comes before a damaged batch, then stays at the error (X1, X2)', () => {
    const good = encodeBatch({ records: [{ value: 'good' }] })
    const decoder = open(
      Buffer.concat([good, encodeBatch({ baseOffset: 1, breakCrc: true, records: [{ value: 'bad' }] }), good]),
    )
    assert.equal(decoder.next()?.count, 1)
    for (let again = 0; again < 2; again += 1) {
      assert.throws(
        () => decoder.next(),
        (error) => error instanceof MqError && error.code === 'MQ_BATCH_CORRUPT',
      )
    }
  })

  it('refuses message formats 0 and 1 by name (H2)', () => {
    for (const magic of [0, 1, 3]) {
      refuses(
        'MQ_BATCH_UNSUPPORTED',
        [encodeBatch({ magic, records: [{ value: 'old' }] })],
        {},
        new RegExp(`format ${magic}`),
      )
    }
  })

  it('says MQ_CODEC_FAILED when the bytes are not of the codec, or the codec does not exist', () => {
    refuses('MQ_CODEC_FAILED', [encodeBatch({ codec: 'zstd', wire: Buffer.from('not zstd at all'), records: [{}] })])
    refuses('MQ_CODEC_FAILED', [encodeBatch({ attributes: 6, records: [{}] })], {}, /codec 6/)
    const bomb = encodeBatch({ codec: 'zstd', body: Buffer.alloc(4 << 20), recordCount: 1 })
    refuses('MQ_CODEC_FAILED', [bomb], { maxBatchBytes: 1 << 20 })
  })

  it('refuses counts, lengths and offsets that the bytes do not hold (R1, R2, R3)', () => {
    const records = [{ value: 'a' }, { value: 'b' }]
    const hostile: HandBatch[] = [
      { records, recordCount: 2 ** 31 - 1 },
      { records, recordCount: -1 },
      { records, recordCount: 1 },
      { records, recordCount: 3, lastOffsetDelta: 5 },
      { records, lastOffsetDelta: 0 },
      { records, lastOffsetDelta: -1 },
      { records: [{ delta: 1 }, { delta: 1 }] },
      { records: [{ delta: -1 }], lastOffsetDelta: 0 },
      { records, body: Buffer.concat([encodeRecord({ value: 'a' }, 0), Buffer.alloc(9)]) },
      // Record length, key length, value length and header count of nearly 2^31.
      { recordCount: 1, body: Buffer.from([0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 1, 1, 0]) },
      { recordCount: 1, body: Buffer.from([22, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f, 1, 0, 0]) },
      { recordCount: 1, body: Buffer.from([22, 0, 0, 0, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0]) },
      { recordCount: 1, body: Buffer.from([20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f]) },
      { recordCount: 1, body: Buffer.from([12, 0, 0, 0, 3, 1, 0]) },
    ]
    for (const batch of hostile) refuses('MQ_BATCH_CORRUPT', [encodeBatch(batch)])
  })

  it('refuses offsets beyond 2^53 and a batch shorter than its header (H1, H3)', () => {
    const far = encodeBatch({ records: [{}] })
    far.writeBigInt64BE(2n ** 53n, 0)
    refuses('MQ_BATCH_CORRUPT', [far])
    far.writeBigInt64BE(-1n, 0)
    refuses('MQ_BATCH_CORRUPT', [far])
    const short = encodeBatch({ records: [{}] })
    for (const length of [-1, 0, 48, -(2 ** 31)]) {
      short.writeInt32BE(length, 8)
      refuses('MQ_BATCH_CORRUPT', [short])
    }
  })

  it('ends in batches or an MqError for mutated bytes, with and without a right checksum', () => {
    const base = (codec: (typeof codecs)[number]): HandBatch => ({
      codec,
      records: Array.from({ length: 6 }, (_, i) => ({ key: `k${i}`, value: `value ${i}`, headers: [['h', 'x']] })),
    })
    const consume = (parts: Buffer[]): void => {
      try {
        for (const batch of decodeAll(parts, { aborted: [{ producerId: 1n, firstOffset: 0 }] })) {
          for (const record of batch) {
            assert.ok((record.key?.length ?? 0) + (record.value?.length ?? 0) === record.payloadBytes)
            assert.ok(record.headers.length >= 0)
          }
        }
      } catch (error) {
        assert.ok(error instanceof MqError, String(error))
      }
    }
    for (const codec of codecs) {
      const whole = encodeBatch(base(codec))
      const body = Buffer.concat((base(codec).records ?? []).map(encodeRecord))
      const changes = fc.array(fc.tuple(fc.nat(4_000), fc.nat(255)), { minLength: 1, maxLength: 5 })
      fc.assert(
        fc.property(changes, (list) => {
          const outer = Buffer.from(whole)
          const inner = Buffer.from(body)
          for (const [at, value] of list) {
            outer[at % outer.length] = value
            inner[at % inner.length] = value
          }
          consume([outer, whole])
          consume([encodeBatch({ ...base(codec), body: inner })])
        }),
        { numRuns: 500 },
      )
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => consume([Buffer.from(bytes)])),
      { numRuns: 500 },
    )
  })
})
