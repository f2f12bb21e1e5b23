/** Records whose times brokers refuse (record-time I1-I4, refused-times J1-J2, partition-sender P11). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MqError, TimestampLimits } from '@mq/contract'
import { type Deps, systemDeps } from '@mq/contract/timing'
import type { ProduceAttempt, ProduceFault } from '@mq/testkit'
import { type Ahead, BrokerClock } from '../src/net/broker-clock.ts'
import { code, numbered, onStage, TIMEOUT, values } from './produce-stage.ts'

const INVALID_TIMESTAMP = 32
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const LIMITS: TimestampLimits = { beforeMaxMs: 7 * DAY_MS, afterMaxMs: HOUR_MS }

/** A clock that shows another time than that of the broker. */
class Skew {
  aheadMs: number

  constructor(aheadMs: number) {
    this.aheadMs = aheadMs
  }

  readonly deps: Deps = {
    ...systemDeps,
    clock: { ...systemDeps.clock, nowMs: () => Date.now() + this.aheadMs },
  }
}

interface Leader {
  readonly limits?: TimestampLimits
  readonly says?: 'range' | 'nothing'
  readonly names?: boolean
}

/** Refuses as Kafka does: every record that is out of range is named, with the range. */
function validateTimes(attempt: ProduceAttempt, leader: Leader = {}): ProduceFault | undefined {
  const { limits = LIMITS, says = 'range', names = true } = leader
  const nowMs = Date.now()
  const from = limits.beforeMaxMs === null ? -9_223_370_000_000_000_000 : nowMs - limits.beforeMaxMs
  const to = limits.afterMaxMs === null ? -9_223_370_000_000_000_000 : nowMs + limits.afterMaxMs
  const textOf = (timestampMs: number): string =>
    says === 'nothing'
      ? 'no'
      : `Timestamp ${timestampMs} of message with offset 0 is out of range. The timestamp should be within [${from}, ${to}]`
  const recordErrors = attempt.records.flatMap((record, index) => {
    const timestampMs = Number(record.timestampMs)
    const isBad = timestampMs < from || (limits.afterMaxMs !== null && timestampMs > to)
    return isBad ? [{ index, message: textOf(timestampMs) }] : []
  })
  if (recordErrors.length === 0) return undefined
  return {
    kind: 'answer',
    code: INVALID_TIMESTAMP,
    message: names ? 'One or more records have been rejected due to invalid timestamp' : recordErrors[0]!.message!,
    ...(names ? { recordErrors } : {}),
  }
}

test(
  'a refusal for times after a leader that was none is no doubt: the records get the time of the broker (P10)',
  TIMEOUT,
  () => {
    const NOT_LEADER = 6
    const onProduce = (attempt: ProduceAttempt): ProduceFault | undefined =>
      attempt.index === 0 ? { kind: 'answer', code: NOT_LEADER } : validateTimes(attempt)
    const { deps } = new Skew(61 * MINUTE_MS)
    return onStage(
      { onProduce },
      { deps, settings: { lingerMs: 5 } },
      async ({ broker, producer, failures, budget }) => {
        const topic = producer.topic('t', 1)
        await Promise.all(numbered(50).map((value) => producer.send(topic, 'k', value)))
        assert.deepEqual(values(broker), numbered(50))
        assert.deepEqual(failures, [])
        assert.ok(
          broker.log('t', 0).batches.every(({ producerEpoch }) => producerEpoch === 1),
          'no sequence of the first attempt is used again',
        )
        assert.equal(budget.usedBytes, 0)
      },
    )
  },
)

for (const aheadMs of [61 * MINUTE_MS, 30 * DAY_MS, -8 * DAY_MS]) {
  for (const limits of [LIMITS, undefined]) {
    test(
      `a host whose clock is ${aheadMs / MINUTE_MS} min ahead sends, in order and each record once, ${limits === undefined ? 'also where no limits are known' : 'and says so once'} (I2)`,
      TIMEOUT,
      () => {
        const skew = new Skew(aheadMs)
        const said: Ahead[] = []
        let refusals = 0
        const onProduce = (attempt: ProduceAttempt): ProduceFault | undefined => {
          const fault = validateTimes(attempt)
          if (fault !== undefined) refusals++
          return fault
        }
        return onStage(
          { onProduce },
          {
            deps: skew.deps,
            timestamps: limits,
            settings: { lingerMs: 5 },
            observer: { onWrongClock: (ahead) => said.push(ahead) },
          },
          async ({ broker, producer, failures, budget }) => {
            const topic = producer.topic('t', 1)
            await Promise.all(numbered(500).map((value) => producer.send(topic, 'k', value)))
            const first = refusals
            assert.ok(first > 0, 'the broker refused something')
            await Promise.all(numbered(500, 500).map((value) => producer.send(topic, 'k', value)))
            assert.equal(refusals, first, 'nothing is refused any more')
            assert.deepEqual(values(broker), numbered(1_000))
            assert.deepEqual(failures, [])
            assert.equal(said.length, 1)
            assert.ok(Math.abs(said[0]!.ms - aheadMs) < 20_000, String(said[0]!.ms))
            for (const { timestampMs } of broker.log('t', 0).records) {
              assert.ok(Math.abs(Number(timestampMs) - Date.now()) < 20_000, String(timestampMs))
            }
            assert.ok(broker.log('t', 0).batches.every(({ producerEpoch }) => producerEpoch === 0))
            assert.equal(budget.usedBytes, 0)
          },
        )
      },
    )
  }
}

test(
  'a clock that is set wrong and right again while it runs: each time nothing fails and order is kept (I2)',
  TIMEOUT,
  () => {
    const skew = new Skew(0)
    return onStage(
      { onProduce: (attempt) => validateTimes(attempt) },
      { deps: skew.deps, timestamps: LIMITS, settings: { lingerMs: 2 } },
      async ({ broker, producer, failures }) => {
        const topic = producer.topic('t', 1)
        let sent = 0
        for (const aheadMs of [0, 2 * HOUR_MS, 0, -30 * DAY_MS, 3 * HOUR_MS, 90 * MINUTE_MS, 0]) {
          skew.aheadMs = aheadMs
          await new Promise((resolve) => setImmediate(resolve))
          await Promise.all(numbered(50, sent).map((value) => producer.send(topic, 'k', value)))
          sent += 50
        }
        assert.deepEqual(values(broker), numbered(sent))
        assert.deepEqual(failures, [])
        for (const { timestampMs } of broker.log('t', 0).records) {
          assert.ok(Math.abs(Number(timestampMs) - Date.now()) < 20_000, String(timestampMs))
        }
        assert.equal(producer.wrongClock, undefined)
      },
    )
  },
)

test('a time that the application gave is refused at the call, and reaches no batch (I3)', TIMEOUT, () => {
  const reference = new BrokerClock()
  reference.told(Date.now(), performance.now(), performance.now(), Date.now())
  let batches = 0
  const onProduce = (): undefined => {
    batches++
  }
  return onStage(
    { onProduce },
    {
      timestamps: LIMITS,
      clocks: { brokers: new BrokerClock(), reference },
      label: 'orders.placed',
      settings: { lingerMs: 50 },
    },
    async ({ broker, producer, failures }) => {
      const topic = producer.topic('t', 1)
      const at = (ms: number) => producer.send(topic, 'k', 'timed', undefined, ms)
      const sends = [
        producer.send(topic, 'k', 'a'),
        at(Date.now() - 30 * DAY_MS),
        at(Math.floor(Date.now() / 1_000)),
        at(Date.now() + 2 * HOUR_MS),
        at(Date.now() - 6 * DAY_MS),
        producer.send(topic, 'k', 'b'),
      ]
      const results = await Promise.allSettled(sends)
      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled', 'fulfilled'],
      )
      const texts = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as MqError] : []))
      for (const error of texts) assert.ok(code('MQ_TIMESTAMP_REFUSED')(error))
      assert.match(
        texts[0]!.message,
        /orders\.placed not stored: .* is 30 days before now, and at most 7 days is taken$/,
      )
      assert.match(texts[1]!.message, /it looks like seconds$/)
      assert.match(texts[2]!.message, /is 2 h ahead of now, and at most 60 min is taken$/)
      assert.deepEqual(values(broker), ['a', 'timed', 'b'])
      assert.equal(batches, 1, 'one batch, and it was sent once')
      assert.equal(failures.length, 3)
    },
  )
})

test(
  'while two clocks disagree the brokers decide about a time that was given; its neighbours are stored (I3, J2)',
  TIMEOUT,
  () => {
    const skew = new Skew(2 * HOUR_MS)
    const reference = new BrokerClock()
    reference.told(Date.now(), performance.now(), performance.now(), skew.deps.clock.nowMs())
    return onStage(
      { onProduce: (attempt) => validateTimes(attempt) },
      {
        deps: skew.deps,
        timestamps: LIMITS,
        clocks: { brokers: new BrokerClock(), reference },
        settings: { lingerMs: 20 },
      },
      async ({ broker, producer }) => {
        const topic = producer.topic('t', 1)
        const own = skew.deps.clock.nowMs()
        const send = (value: string, timestampMs?: number) => producer.send(topic, 'k', value, undefined, timestampMs)
        const sends = [send('a'), send('its own clock', own), send('right', Date.now()), send('b')]
        const results = await Promise.allSettled(sends)
        assert.deepEqual(
          results.map(({ status }) => status),
          ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
        )
        await assert.rejects(sends[1]!, (error: MqError) => {
          assert.ok(code('MQ_TIMESTAMP_REFUSED')(error))
          assert.match(error.message, /the clock of this host is 2 h ahead of that of the brokers$/)
          assert.ok(Math.abs(Number(error.details.clockAheadMs) - 2 * HOUR_MS) < 20_000)
          return true
        })
        assert.deepEqual(values(broker), ['a', 'right', 'b'])
        const given = broker.log('t', 0).records[1]!
        assert.ok(Math.abs(Number(given.timestampMs) - Date.now()) < 20_000, 'a time that was given is kept')
        // By now the clock of the brokers is known: refused at the call.
        const before = broker.log('t', 0).batches.length
        await assert.rejects(send('late', skew.deps.clock.nowMs()), code('MQ_TIMESTAMP_REFUSED'))
        assert.equal(broker.log('t', 0).batches.length, before)
      },
    )
  },
)

test('no clock but this one is known: it refuses nothing by itself', TIMEOUT, () => {
  const skew = new Skew(-8 * DAY_MS)
  return onStage({}, { deps: skew.deps, timestamps: LIMITS }, async ({ broker, producer }) => {
    await producer.send(producer.topic('t', 1), 'k', 'right', undefined, Date.now())
    assert.deepEqual(values(broker), ['right'])
  })
})

test('records that waited longer than the topic keeps any are stored with a time that it takes', TIMEOUT, () => {
  const limits: TimestampLimits = { beforeMaxMs: 200, afterMaxMs: HOUR_MS }
  let isHeld = true
  const onProduce = (attempt: ProduceAttempt): ProduceFault | undefined =>
    isHeld ? { kind: 'answer', code: 19 } : validateTimes(attempt, { limits })
  return onStage({ onProduce }, { timestamps: limits }, async ({ broker, producer, failures }) => {
    const topic = producer.topic('t', 1)
    const sends = numbered(20).map((value) => producer.send(topic, 'k', value))
    await new Promise((resolve) => setTimeout(resolve, 400))
    isHeld = false
    await Promise.all(sends)
    assert.deepEqual(values(broker), numbered(20))
    assert.deepEqual(failures, [])
    assert.equal(producer.wrongClock, undefined, 'the clock is right')
  })
})

for (const leader of [{ names: false }, { says: 'nothing' }] as const) {
  test(
    `a broker that ${'says' in leader ? 'names no range' : 'names no record'} loses nothing and repeats nothing`,
    TIMEOUT,
    () => {
      const skew = new Skew(61 * MINUTE_MS)
      return onStage(
        { onProduce: (attempt) => validateTimes(attempt, leader) },
        { deps: skew.deps, timestamps: LIMITS, settings: { lingerMs: 10 } },
        async ({ broker, producer }) => {
          const topic = producer.topic('t', 1)
          const results = await Promise.allSettled(numbered(12).map((value) => producer.send(topic, 'k', value)))
          if ('says' in leader) {
            assert.deepEqual(values(broker), [])
            for (const result of results)
              assert.ok(result.status === 'rejected' && code('MQ_TIMESTAMP_REFUSED')(result.reason))
          } else {
            assert.ok(results.every(({ status }) => status === 'fulfilled'))
            assert.deepEqual(values(broker), numbered(12))
          }
        },
      )
    },
  )
}

test('where brokers do not say what they take, the time of the control plane is tried', TIMEOUT, () => {
  const skew = new Skew(61 * MINUTE_MS)
  const reference = new BrokerClock()
  reference.told(Date.now(), performance.now(), performance.now(), skew.deps.clock.nowMs())
  let refusals = 0
  const onProduce = (attempt: ProduceAttempt): ProduceFault | undefined => {
    const fault = validateTimes(attempt, { says: 'nothing' })
    if (fault !== undefined) refusals++
    return fault
  }
  return onStage(
    { onProduce },
    { deps: skew.deps, clocks: { brokers: new BrokerClock(), reference }, settings: { lingerMs: 10 } },
    async ({ broker, producer, failures }) => {
      const topic = producer.topic('t', 1)
      await Promise.all(numbered(12).map((value) => producer.send(topic, 'k', value)))
      await Promise.all(numbered(12, 12).map((value) => producer.send(topic, 'k', value)))
      assert.deepEqual([values(broker), failures, refusals], [numbered(24), [], 1])
    },
  )
})

test('brokers that never agree on a time end in a refusal, not in a round without end', TIMEOUT, () => {
  let attempts = 0
  const onProduce = ({ records }: ProduceAttempt): ProduceFault => {
    attempts++
    const from = Date.now() + attempts * DAY_MS
    const message = `The timestamp should be within [${from}, ${from + HOUR_MS}]`
    return {
      kind: 'answer',
      code: INVALID_TIMESTAMP,
      message,
      recordErrors: records.map((_, index) => ({ index, message })),
    }
  }
  return onStage({ onProduce }, { settings: { lingerMs: 10 } }, async ({ producer, budget }) => {
    const topic = producer.topic('t', 1)
    const results = await Promise.allSettled(numbered(3).map((value) => producer.send(topic, 'k', value)))
    for (const result of results) assert.ok(result.status === 'rejected' && code('MQ_TIMESTAMP_REFUSED')(result.reason))
    assert.ok(attempts < 10, `${attempts} attempts`)
    assert.equal(budget.usedBytes, 0)
  })
})
