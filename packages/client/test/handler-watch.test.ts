import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import type { ReceivedMessage } from '../src/api/types.ts'
import { limited } from '../src/consume/handler-limit.ts'
import { FIRST_MS, HandlerWatch } from '../src/consume/handler-watch.ts'
import { FREE, KeyScheduler, type WorkBatch } from '../src/epochs/key-scheduler.ts'
import { RecordingLogger } from './support/logs.ts'
import { FakeTime } from './support/time.ts'

const MESSAGE = { id: 'orders.placed', partition: 2, offset: '7' } as unknown as ReceivedMessage

/** Handlers that end when the test says so. */
function watched(hashes: readonly number[]) {
  const time = new FakeTime()
  const logger = new RecordingLogger()
  const scheduler = new KeyScheduler({ concurrency: 100, deps: time.deps, yieldNow: (fn) => void setImmediate(fn) })
  const watch = new HandlerWatch({ mqId: 'orders.placed', group: 'g', scheduler, deps: time.deps, logger })
  const running: PromiseWithResolvers<void>[] = []
  const batch: WorkBatch = {
    count: hashes.length,
    live: true,
    keyHash: (index) => hashes[index]!,
    describe: (index) => ({ partition: 3, offset: BigInt(100 + index), keyHash: hashes[index]! }),
    run: () => {
      running.push(Promise.withResolvers())
      return running.at(-1)!.promise
    },
    finished: () => {},
    failed: () => 1_000_000,
  }
  scheduler.add(batch)
  return { time, logger, watch, running }
}

describe('handlers that do not end', () => {
  it('are told of with partition, offset, age and the hash of the key, and again at twice the age (H1)', async () => {
    const { time, logger, watch, running } = watched([0x1234abcd, FREE, 5])
    running[2]!.resolve()
    await time.advance(FIRST_MS - 1)
    assert.equal(logger.lines.length, 0)
    await time.advance(1)
    assert.deepEqual(
      logger.lines.map(({ fields }) => [fields.code, fields.partition, fields.offset, fields.keyHash, fields.ageMs]),
      [
        ['MQ_HANDLER_TIMEOUT', 3, '100', '1234abcd', FIRST_MS],
        ['MQ_HANDLER_TIMEOUT', 3, '101', null, FIRST_MS],
      ],
    )
    assert.match(
      logger.lines[0]!.message,
      /offset 100, attempt 1, has not ended for 30 s; messages of its key \(hash 1234abcd\)/,
    )
    running[1]!.reject(new Error('gave up'))
    await time.advance(FIRST_MS - 1)
    assert.equal(logger.lines.length, 2)
    await time.advance(1)
    assert.equal(logger.lines.length, 3)
    await time.advance(FIRST_MS)
    assert.equal(logger.lines.length, 3)
    watch.close()
    await time.advance(10 * FIRST_MS)
    assert.equal(logger.lines.length, 3)
  })

  it('are counted when they are many, and forgotten when their place is taken by another (H1, H2)', async () => {
    const { time, logger, running } = watched(Array.from({ length: 40 }, (_, hash) => hash))
    await time.advance(FIRST_MS)
    assert.equal(logger.lines.length, 6)
    assert.match(logger.lines[5]!.message, /^35 more handlers/)
    for (const one of running) one.resolve()
    await time.advance(10 * FIRST_MS)
    assert.equal(logger.lines.length, 6)
  })
})

describe('the signal a handler is given', () => {
  it('fires after the limit, counts nothing by itself, and leaves no timer when the handler ends (X1, X2)', async () => {
    const time = new FakeTime()
    const closing = new AbortController()
    const signals: AbortSignal[] = []
    const ends: PromiseWithResolvers<string>[] = []
    const handler = limited(
      (_, { signal }) => {
        signals.push(signal)
        ends.push(Promise.withResolvers())
        return ends.at(-1)!.promise
      },
      closing.signal,
      1_000,
      time.deps,
    )
    const slow = handler(MESSAGE)
    const quick = handler(MESSAGE)
    ends[1]!.resolve('done')
    assert.equal(await quick, 'done')
    assert.equal(time.timers, 1)
    await time.advance(1_000)
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [true, false],
    )
    assert.ok(signals[0]!.reason instanceof MqError && signals[0]!.reason.code === 'MQ_HANDLER_TIMEOUT')
    assert.match(signals[0]!.reason.message, /partition 2 offset 7 of orders.placed runs for longer than 1000 ms/)
    ends[0]!.reject(signals[0]!.reason)
    await assert.rejects(slow as Promise<unknown>, { code: 'MQ_HANDLER_TIMEOUT' })
    assert.equal(time.timers, 0)
  })

  it('fires when a close has waited long enough, with a limit and without (X1, X3)', async () => {
    const time = new FakeTime()
    for (const limitMs of [undefined, 60_000]) {
      const closing = new AbortController()
      let given: AbortSignal | undefined
      const end = Promise.withResolvers<void>()
      const result = limited(
        (_, { signal }) => {
          given = signal
          return end.promise
        },
        closing.signal,
        limitMs,
        time.deps,
      )(MESSAGE)
      assert.equal(given?.aborted, false)
      closing.abort(new MqError('MQ_CLOSED', 'closed'))
      assert.deepEqual([given?.aborted, (given?.reason as MqError | undefined)?.code], [true, 'MQ_CLOSED'])
      end.resolve()
      await result
    }
    assert.equal(time.timers, 0)
    assert.equal(limited(() => 5, new AbortController().signal, 10, time.deps)(MESSAGE), 5)
    assert.equal(time.timers, 0)
  })
})
