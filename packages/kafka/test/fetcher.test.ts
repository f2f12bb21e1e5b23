import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { MqError } from '@mq/contract'
import { systemDeps } from '@mq/contract/timing'
import { STALL_MS } from '../src/fetch/broker-loop.ts'
import type { FetchedBatch } from '../src/fetch/fetched-batch.ts'
import { CORRUPT_RETRIES, REPORT_AFTER_FAILURES } from '../src/fetch/fetcher.ts'
import { KafkaCode } from '../src/protocol/kafka-errors.ts'
import { count, type Rig, rigs, SETTINGS, start, TOPIC, until } from './fetcher-rig.ts'
import { encodeBatch, encodeMarker } from './hand-made.ts'

describe('the fetcher', { timeout: 300_000 }, () => {
  afterEach(async () => {
    for (const { fetcher } of rigs.splice(0)) await fetcher.close()
  })

  it('hands out every record of every partition once and in order (F1)', async () => {
    const rig = start()
    for (const partition of [0, 1, 2]) rig.network.fill(partition, 50)
    for (const partition of [0, 1, 2]) rig.fetcher.add(TOPIC, partition, 0n)
    await until('all are read', () => count(rig) >= 1_500)
    await sleep(30)
    assert.equal(count(rig), 1_500)
    for (const partition of [0, 1, 2]) {
      const seen = rig.texts
        .filter((text) => text?.startsWith(`${partition}:`))
        .map((text) => Number(text?.split(':')[1]))
      assert.deepEqual(
        seen,
        Array.from({ length: 500 }, (_, i) => i),
      )
      assert.equal(rig.fetcher.position(TOPIC, partition), 500n)
      assert.equal(rig.fetcher.highWatermark(TOPIC, partition), 500n)
    }
    assert.equal(rig.fetcher.heldBytes, 0)
  })

  it('leaves a broker alone for as long as its quota says, and takes an answer without partitions for no fault (L6)', async () => {
    const throttled: number[] = []
    const pauses: number[] = []
    const deps = {
      ...systemDeps,
      timers: {
        ...systemDeps.timers,
        // Throttle times pass at once here; what was asked for is kept.
        setTimeout: (fn: () => void, delayMs: number) => {
          if (delayMs >= 20_000) pauses.push(delayMs)
          return systemDeps.timers.setTimeout(fn, delayMs >= 20_000 ? 1 : delayMs)
        },
      },
    }
    const rig = start({ deps, onThrottled: (throttleMs) => throttled.push(throttleMs) })
    for (const partition of [0, 1, 2]) rig.network.fill(partition, 5)
    rig.network.throttles.push(...new Array(2 * REPORT_AFTER_FAILURES).fill(40_000))
    for (const partition of [0, 1, 2]) rig.fetcher.add(TOPIC, partition, 0n)
    await until('all are read', () => count(rig) === 150)
    assert.deepEqual(rig.errors, [])
    assert.equal(rig.network.located, 1, 'leaders were looked up although no broker said that they moved')
    assert.deepEqual(throttled, new Array(2 * REPORT_AFTER_FAILURES).fill(40_000))
    assert.deepEqual(pauses, throttled)
    assert.equal(rig.network.opened, 1)
  })

  it('starts inside a batch and goes on with what is written later', async () => {
    const rig = start()
    rig.network.fill(0, 2)
    rig.fetcher.add(TOPIC, 0, 17n)
    await until('the tail is read', () => count(rig) === 3)
    rig.network.append(0, encodeBatch({ baseOffset: 20, records: [{ value: 'new' }] }))
    await until('the new one is read', () => rig.texts.at(-1) === 'new')
  })

  it('hands out an empty stretch, so that its position can be committed (G1)', async () => {
    const rig = start()
    rig.network.append(0, encodeMarker(0, 5n, 'commit'))
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('the stretch is handed out', () => rig.batches.length === 1)
    assert.deepEqual([rig.batches[0]?.count, rig.batches[0]?.nextOffset], [0, 1n])
  })

  it('reads ahead no more than the settings allow, and goes on as batches are released (F2, G2)', async () => {
    const rig = start({ keep: true, settings: { readAheadBytes: 65_536 } })
    rig.network.fill(0, 400)
    rig.fetcher.add(TOPIC, 0, 0n)
    await sleep(80)
    assert.ok(rig.fetcher.heldBytes > 20_000 && rig.fetcher.heldBytes <= 2 * 65_536, `${rig.fetcher.heldBytes} held`)
    const before = rig.batches.length
    for (const batch of [...rig.batches]) {
      batch.release()
      batch.release()
    }
    await until('more came', () => rig.batches.length > before)
    while (count(rig) < 4_000) {
      for (const batch of [...rig.batches]) batch.release()
      assert.ok(rig.fetcher.heldBytes <= 2 * 65_536)
      await sleep(1)
    }
    for (const batch of rig.batches) batch.release()
    assert.equal(rig.fetcher.heldBytes, 0)
  })

  it('bounds what is handed out by its size in memory, however small it was on the wire (F2)', async () => {
    const rig = start({ keep: true, settings: { readAheadBytes: 65_536 } })
    for (let batch = 0; batch < 60; batch += 1) {
      rig.network.append(0, encodeBatch({ baseOffset: batch, codec: 'zstd', records: [{ value: 'x'.repeat(20_000) }] }))
    }
    rig.fetcher.add(TOPIC, 0, 0n)
    await sleep(50)
    assert.ok(rig.fetcher.heldBytes < 3 * 65_536, `${rig.fetcher.heldBytes} held`)
    for (let next = 0; next < 60; next += 1) {
      await until('the next is handed out', () => rig.batches.length > next)
      rig.batches[next]?.release()
    }
    assert.equal(rig.fetcher.heldBytes, 0)
  })

  it('drops the late answer of a former leader (S3)', async () => {
    const rig = start()
    rig.network.fill(0, 5)
    // Damage is found while the next request is under way at the old leader, and the partition moves meanwhile.
    const damaged = Buffer.from(rig.network.logs.get(0)?.[0]?.bytes ?? Buffer.alloc(0))
    damaged[70] = (damaged[70] ?? 0) ^ 1
    rig.network.answers.push({ partition: 0, records: damaged })
    const [former, present] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    rig.network.onRequest = (count) => {
      if (count === 2) rig.network.leader = 2
      rig.network.gate = count === 2 ? former.promise : count === 3 ? present.promise : undefined
    }
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('the new leader was asked', () => rig.network.requests.some(({ nodeId }) => nodeId === 2))
    former.resolve()
    await sleep(20)
    assert.equal(rig.batches.length, 0)
    present.resolve()
    await until('all are read', () => count(rig) >= 50)
    await sleep(20)
    assert.deepEqual([count(rig), rig.errors.length, rig.network.requests[1]?.nodeId], [50, 0, 1])
  })

  it('lets other partitions flow while the batches of one are not released (F2)', async () => {
    const held: FetchedBatch[] = []
    const rig = start({
      keep: true,
      settings: { readAheadBytes: 65_536 },
      onBatch: (batch) => (batch.partition === 0 ? held.push(batch) : batch.release()),
    })
    rig.network.fill(0, 400)
    rig.network.fill(1, 400)
    rig.fetcher.add(TOPIC, 0, 0n)
    rig.fetcher.add(TOPIC, 1, 0n)
    await until('partition 1 is read to its end', () => rig.fetcher.position(TOPIC, 1) === 4_000n)
    assert.ok((rig.fetcher.position(TOPIC, 0) ?? 0n) < 4_000n)
  })

  it('makes progress over a batch far larger than read-ahead', async () => {
    const rig = start({ settings: { readAheadBytes: 65_536 } })
    rig.network.fill(0, 2, 1, 'x'.repeat(500_000))
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('both are read', () => count(rig) === 2)
  })

  it('asks for more room after a response that held only the start of a batch (H1)', async () => {
    const rig = start({ settings: { readAheadBytes: 65_536 } })
    rig.network.fill(0, 1, 1, 'x'.repeat(200_000))
    rig.network.answers.push({
      partition: 0,
      records: (rig.network.logs.get(0)?.[0]?.bytes ?? Buffer.alloc(0)).subarray(0, 300),
    })
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('it is read', () => count(rig) === 1)
    assert.ok((rig.network.requests[1]?.request.topics[0]?.partitions[0]?.maxBytes ?? 0) > 200_000)
  })

  it('hands out nothing of a removed partition, nor old data of one added again (F1, S1)', async () => {
    const rig = start()
    rig.network.fill(0, 10)
    const gate = Promise.withResolvers<void>()
    rig.network.gate = gate.promise
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('it is asked for', () => rig.network.requests.length === 1)
    rig.fetcher.remove(TOPIC, 0)
    assert.equal(rig.fetcher.position(TOPIC, 0), undefined)
    rig.fetcher.add(TOPIC, 0, 95n)
    gate.resolve()
    await until('the new assignment is read', () => count(rig) === 5)
    await sleep(20)
    assert.equal(count(rig), 5)
    assert.ok(rig.texts[0]?.startsWith('0:95:'))
  })

  it('hands out nothing more once a receiver removes the partition from within onBatch (F1)', async () => {
    const rig: Rig = start({ onBatch: () => rig.fetcher.remove(TOPIC, 0) })
    rig.network.fill(0, 10)
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('one came', () => rig.batches.length === 1)
    await sleep(20)
    assert.equal(rig.batches.length, 1)
    assert.equal(rig.fetcher.heldBytes, 0)
  })

  it('keeps a paused partition where it is, also what was read before (F5)', async () => {
    const rig: Rig = start({ onBatch: (batch) => batch.nextOffset === 30n && rig.fetcher.pause(TOPIC, 0) })
    rig.network.fill(0, 10)
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('it paused', () => rig.batches.length === 3)
    await sleep(30)
    assert.equal(rig.fetcher.position(TOPIC, 0), 30n)
    rig.fetcher.resume(TOPIC, 0)
    await until('the rest came', () => count(rig) === 100)
  })

  it('fetches a damaged batch again and goes on without loss when it is whole (F3)', async () => {
    const rig = start()
    rig.network.fill(0, 5)
    const parts = rig.network.logs.get(0)?.map((batch) => Buffer.from(batch.bytes)) ?? []
    parts[2]?.writeUInt8((parts[2]?.at(-3) ?? 0) ^ 1, (parts[2]?.length ?? 3) - 3)
    rig.network.answers.push({ partition: 0, records: Buffer.concat(parts) })
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('all are read', () => count(rig) === 50)
    await sleep(20)
    assert.deepEqual([count(rig), rig.errors.length], [50, 0])
  })

  it('reports a batch that stays damaged and stands still before it (F3)', async () => {
    const rig = start()
    rig.network.fill(0, 2)
    rig.network.append(0, encodeBatch({ baseOffset: 20, breakCrc: true, records: [{ value: 'bad' }] }))
    rig.network.append(0, encodeBatch({ baseOffset: 21, records: [{ value: 'after' }] }))
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('it is reported', () => rig.errors.length === 1)
    const asked = rig.network.requests.filter(({ request }) => request.topics[0]?.partitions[0]?.offset === 20)
    assert.ok(asked.length >= CORRUPT_RETRIES, `${asked.length} tries`)
    await sleep(30)
    assert.deepEqual([rig.errors.length, rig.errors[0]?.code, count(rig)], [1, 'MQ_BATCH_CORRUPT', 20])
    assert.equal(rig.fetcher.position(TOPIC, 0), 20n)
  })

  it('reports data of a wrong codec and an old format at once (F3)', async () => {
    for (const [bytes, code] of [
      [encodeBatch({ codec: 'gzip', wire: Buffer.from('no gzip'), records: [{}] }), 'MQ_CODEC_FAILED'],
      [encodeBatch({ magic: 1, records: [{}] }), 'MQ_BATCH_UNSUPPORTED'],
    ] as const) {
      const rig = start()
      rig.network.append(0, bytes)
      rig.fetcher.add(TOPIC, 0, 0n)
      await until('it is reported', () => rig.errors.length > 0)
      assert.deepEqual([rig.errors[0]?.code, rig.batches.length], [code, 0])
    }
  })

  it('tells how many records are lost when the offset is gone, and goes on where it is told to (F3)', async () => {
    const rig = start()
    rig.network.fill(0, 5)
    rig.network.range = { earliest: 30, latest: 50 }
    rig.network.answers.push({ partition: 0, errorCode: KafkaCode.OFFSET_OUT_OF_RANGE, records: Buffer.alloc(0) })
    rig.fetcher.add(TOPIC, 0, 7n)
    await until('it is told', () => rig.lost.length === 1)
    assert.deepEqual(rig.lost[0], {
      topic: TOPIC,
      partition: 0,
      requested: 7n,
      earliest: 30n,
      latest: 50n,
      lostRecords: 23n,
    })
    await sleep(20)
    assert.equal(rig.batches.length, 0)
    rig.fetcher.add(TOPIC, 0, 30n)
    await until('the rest is read', () => count(rig) === 20)
  })

  it('says MQ_OFFSET_LOST when nobody takes the decision (F3)', async () => {
    const rig = start({ withoutRangePolicy: true })
    rig.network.range = { earliest: 30, latest: 50 }
    rig.network.answers.push({ partition: 0, errorCode: KafkaCode.OFFSET_OUT_OF_RANGE, records: Buffer.alloc(0) })
    rig.fetcher.add(TOPIC, 0, 60n)
    await until('it is reported', () => rig.errors.length === 1)
    assert.equal(rig.errors[0]?.code, 'MQ_OFFSET_LOST')
    assert.equal(rig.errors[0]?.details.lost, 0)
  })

  it('tries again when the offset turns out to be in range', async () => {
    const rig = start()
    rig.network.fill(0, 5)
    rig.network.range = { earliest: 0, latest: 50 }
    rig.network.answers.push({ partition: 0, errorCode: KafkaCode.OFFSET_OUT_OF_RANGE, records: Buffer.alloc(0) })
    rig.fetcher.add(TOPIC, 0, 7n)
    await until('it is read', () => count(rig) === 43)
    assert.equal(rig.lost.length, 0)
  })

  for (const code of [
    KafkaCode.NOT_LEADER_OR_FOLLOWER,
    KafkaCode.FENCED_LEADER_EPOCH,
    KafkaCode.UNKNOWN_LEADER_EPOCH,
    KafkaCode.UNKNOWN_TOPIC_ID,
  ]) {
    it(`looks for the leader again after error ${code}, and goes on with the new one (F4)`, async () => {
      const rig = start()
      rig.network.fill(0, 5)
      rig.network.answers.push({ partition: 0, errorCode: code, records: Buffer.alloc(0) })
      rig.fetcher.add(TOPIC, 0, 0n)
      await until('it was asked once', () => rig.network.requests.length === 1)
      rig.network.leader = 2
      await until('all are read', () => count(rig) === 50)
      assert.deepEqual([rig.network.requests[0]?.nodeId, rig.network.requests[1]?.nodeId], [1, 2])
      assert.equal(rig.errors.length, 0)
    })
  }

  it('opens a new link after a lost connection and loses nothing (F4, L4)', async () => {
    const rig = start()
    rig.network.fill(0, 5)
    rig.network.answers.push(new MqError('MQ_KAFKA_UNREACHABLE', 'connection lost'))
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('all are read', () => count(rig) === 50)
    assert.deepEqual([rig.network.opened, rig.network.closed], [2, 1])
  })

  it('gives up on a broker that falls silent in a poll, and asks for less afterwards (L4)', async () => {
    const timers = {
      setTimeout: (fn: () => void, delayMs: number) =>
        systemDeps.timers.setTimeout(fn, delayMs > STALL_MS ? 30 : delayMs),
      clearTimeout: systemDeps.timers.clearTimeout,
    }
    const rig = start({ deps: { ...systemDeps, random: () => 0.5, timers }, settings: { readAheadBytes: 8 << 20 } })
    rig.network.fill(0, 5)
    const never = Promise.withResolvers<void>()
    rig.network.onRequest = (count) => {
      rig.network.gate = count === 1 ? never.promise : undefined
    }
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('all are read', () => count(rig) === 50)
    assert.deepEqual([rig.network.opened, rig.network.closed], [2, 1])
    const [first = 0, second = 0, third = 0] = rig.network.requests.map(({ request }) => request.maxBytes)
    assert.equal(second, first / 2)
    assert.ok(third > second)
    never.resolve()
  })

  it('reports a broker that stays away, keeps trying and recovers (F4)', async () => {
    const rig = start()
    rig.network.fill(0, 5)
    rig.network.openError = new MqError('MQ_KAFKA_UNREACHABLE', 'broker 1 is away')
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('it is reported', () => rig.errors.length === 1)
    assert.ok(rig.errors[0]?.retryable)
    assert.ok(rig.network.located >= REPORT_AFTER_FAILURES)
    rig.network.openError = undefined
    await until('all are read', () => count(rig) === 50)
  })

  it('says at once that the broker forbids reading, not with every try, and reads on when it is allowed (F4)', async () => {
    const rig = start()
    rig.network.fill(0, 1)
    for (let tries = 0; tries < 3; tries += 1) {
      rig.network.answers.push({ partition: 0, errorCode: 29, records: Buffer.alloc(0) })
    }
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('it is reported', () => rig.errors.length === 1)
    assert.equal(rig.errors[0]?.code, 'MQ_KAFKA_FORBIDDEN')
    await until('it reads', () => count(rig) === 10)
    assert.deepEqual([rig.errors.length, rig.halted], [1, 0])
  })

  it('waits for the right to know a topic as for the right to read it (F4)', async () => {
    const rig = start()
    rig.network.fill(0, 1)
    rig.network.errorCode = 29
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('it is reported', () => rig.errors.length === 1)
    rig.network.errorCode = 0
    await until('it reads', () => count(rig) === 10)
    assert.deepEqual([rig.errors[0]?.code, rig.errors.length, rig.halted], ['MQ_KAFKA_FORBIDDEN', 1, 0])
  })

  it('stops a partition whose receiver throws, and says so', async () => {
    const rig = start({
      onBatch: () => {
        throw new Error('receiver broke')
      },
    })
    rig.network.fill(0, 5)
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('it is reported', () => rig.errors.length === 1)
    await sleep(20)
    assert.deepEqual([rig.errors[0]?.code, rig.batches.length, rig.fetcher.heldBytes], ['MQ_INTERNAL', 1, 0])
    assert.match(rig.errors[0]?.message ?? '', /receiver broke/)
  })

  it('waits for a partition without records at the broker, not in a tight loop', async () => {
    const rig = start({ settings: { fetchMaxWaitMs: 1_000 } })
    rig.network.pollMs = 40
    rig.fetcher.add(TOPIC, 0, 0n)
    await sleep(150)
    assert.ok(rig.network.requests.length <= 5, `${rig.network.requests.length} requests`)
    assert.equal(rig.network.requests[0]?.request.maxWaitMs, 1_000)
  })

  it('takes new settings with the next request', async () => {
    const rig = start()
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('it asked', () => rig.network.requests.length > 0)
    rig.fetcher.update({ ...SETTINGS, fetchMinBytes: 777, isolation: 'read_uncommitted' })
    await until('it asked anew', () => rig.network.requests.at(-1)?.request.minBytes === 777)
    assert.equal(rig.network.requests.at(-1)?.request.isolation, 'read_uncommitted')
  })

  it('reads a response under the isolation it was asked for, whatever was set meanwhile (X3)', async () => {
    const rig = start()
    const records = Buffer.concat([
      encodeBatch({ baseOffset: 0, producerId: 9n, transactional: true, records: [{ value: 'aborted' }] }),
      encodeMarker(1, 9n, 'abort'),
    ])
    rig.network.answers.push({ partition: 0, records, aborted: [{ producerId: 9n, firstOffset: 0 }] })
    const gate = Promise.withResolvers<void>()
    rig.network.gate = gate.promise
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('it is asked', () => rig.network.requests.length === 1)
    rig.fetcher.update({ ...SETTINGS, isolation: 'read_uncommitted' })
    gate.resolve()
    await until('the end is reached', () => rig.fetcher.position(TOPIC, 0) === 2n)
    assert.deepEqual(rig.texts, [])
  })

  it('ends at once while a poll is under way, and hands out nothing after', async () => {
    const rig = start()
    rig.network.fill(0, 5)
    const gate = Promise.withResolvers<void>()
    rig.network.gate = gate.promise
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('it is asked', () => rig.network.requests.length === 1)
    await rig.fetcher.close()
    gate.resolve()
    await sleep(20)
    assert.deepEqual([rig.batches.length, rig.network.closed], [0, 1])
    assert.throws(
      () => rig.fetcher.add(TOPIC, 0, 0n),
      (error) => error instanceof MqError && error.code === 'MQ_CLOSED',
    )
  })

  it('keeps order and loses nothing under random removes, pauses, failures and holds (F1 to F5)', async () => {
    let seed = 7
    const chance = (of: number): boolean => {
      seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff
      return (seed >> 8) % of === 0
    }
    const next = new Map<number, number>()
    const held: FetchedBatch[] = []
    const wrong: string[] = []
    const rig = start({
      keep: true,
      settings: { readAheadBytes: 65_536 },
      onBatch: (batch) => {
        for (const record of batch) {
          const wanted = next.get(batch.partition) ?? 0
          if (record.offsetNumber !== wanted) wrong.push(`${batch.partition}: ${record.offsetNumber} for ${wanted}`)
          next.set(batch.partition, record.offsetNumber + 1)
        }
        held.push(batch)
      },
    })
    const partitions = [0, 1, 2]
    for (const partition of partitions) {
      rig.network.fill(partition, 300)
      rig.fetcher.add(TOPIC, partition, 0n)
    }
    const end = Date.now() + 120_000
    while (partitions.some((partition) => next.get(partition) !== 3_000)) {
      assert.ok(Date.now() < end && wrong.length === 0, `${wrong.join()} ${JSON.stringify([...next])}`)
      for (const partition of partitions) {
        if (chance(6)) rig.fetcher.add(TOPIC, partition, BigInt(next.get(partition) ?? 0))
        if (chance(5)) rig.fetcher.pause(TOPIC, partition)
        if (chance(2)) rig.fetcher.resume(TOPIC, partition)
      }
      if (chance(20)) rig.network.answers.push(new MqError('MQ_KAFKA_TIMEOUT', 'slow'))
      if (chance(12)) rig.network.answers.push({ partition: 0, errorCode: 6, records: Buffer.alloc(0) }, undefined)
      while (held.length > 0 && !chance(8)) held.shift()?.release()
      await sleep(1)
    }
    for (const batch of held) batch.release()
    await rig.fetcher.close()
    assert.deepEqual([wrong, rig.fetcher.heldBytes], [[], 0])
  })
})
