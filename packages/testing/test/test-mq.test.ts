import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { MqError } from '@mq/client'
import { TestMq } from '../src/index.ts'

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'sent',
    (error: MqError) => error.code,
  )

describe('TestMq', () => {
  it('shows what was sent, with everything a message has', async () => {
    const mq = new TestMq()
    assert.deepEqual(mq.sent('orders.placed'), [])
    await mq.send('orders.placed', { n: 1 }, { key: 'a', headers: { trace: 't' } })
    await mq.send('orders.placed', { n: 2 }, { key: 'b', timestampMs: 5 })
    const [first, second] = mq.sent<{ n: number }>('orders.placed')
    assert.deepEqual([first!.value.n, first!.key, first!.headers.trace], [1, 'a', 't'])
    assert.deepEqual([first!.timestampMs, second!.timestampMs], [mq.time.nowMs, 5])
  })

  it('delivers what another service would send, and waits for the handler', async () => {
    const mq = new TestMq()
    const seen: number[] = []
    await mq.consume<{ n: number }>('orders.placed', 'billing', async (message) => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      seen.push(message.value.n)
    })
    await mq.deliver('orders.placed', { n: 1 }, { key: 'k' })
    assert.deepEqual(seen, [1])
  })

  it('hands out a failed message again when time goes on, and tells what handlers failed with', async () => {
    const mq = new TestMq()
    const attempts: number[] = []
    const subscription = await mq.consume('orders.placed', 'billing', (message) => {
      attempts.push(message.attempt)
      if (message.attempt < 3) throw new Error(`attempt ${message.attempt}`)
    })
    await mq.deliver('orders.placed', 1, { key: 'k' })
    assert.deepEqual([attempts, subscription.unfinished(), subscription.lag()], [[1], 1, 1])
    await mq.idle()
    assert.deepEqual(attempts, [1])
    await mq.advance(1_000)
    assert.deepEqual(attempts, [1, 2, 3])
    assert.deepEqual(
      mq.handlerFailures.map(({ group, attempt, error }) => [group, attempt, (error as Error).message]),
      [
        ['billing', 1, 'attempt 1'],
        ['billing', 2, 'attempt 2'],
      ],
    )
    assert.deepEqual([subscription.unfinished(), subscription.lag()], [0, 0])
  })

  it('settles by moving the clock as far as attempts need, and says which message never is handled', async () => {
    const mq = new TestMq()
    let left = 4
    await mq.consume('orders.placed', 'billing', () => {
      if (left-- > 0) throw new Error('not yet')
    })
    await mq.send('orders.placed', 1)
    await mq.settled()
    assert.equal(mq.handlerFailures.length, 4)
    left = Number.POSITIVE_INFINITY
    await mq.send('orders.placed', 2)
    await assert.rejects(mq.settled(), /Group billing failed 50 times on partition \d offset \d of orders\.placed/)
  })

  it('fails sends as it was told', async () => {
    const mq = new TestMq()
    mq.failSends('orders.placed')
    mq.failSends('orders.placed', { code: 'MQ_SEND_UNCERTAIN', stored: true, times: 2 })
    assert.equal(await codeOf(mq.send('orders.placed', 1)), 'MQ_SEND_TIMEOUT')
    const uncertain = await mq.send('orders.placed', 2).catch((error: MqError) => error)
    assert.equal((uncertain as MqError).details.maybeStored, true)
    assert.equal(await codeOf(mq.send('orders.placed', 3)), 'MQ_SEND_UNCERTAIN')
    assert.equal(await codeOf(mq.send('orders.placed', 4)), 'sent')
    assert.equal(await codeOf(mq.send('orders.paid', 1)), 'sent')
    assert.deepEqual(
      mq.sent('orders.placed').map(({ value }) => value),
      [2, 3, 4],
    )
  })

  it('keeps sends while brokers are away: in order, until their deadlines', async () => {
    const mq = new TestMq()
    const seen: unknown[] = []
    await mq.consume('orders.placed', 'billing', (message) => void seen.push(message.value))
    mq.brokersAway()
    const stop = new AbortController()
    const late = codeOf(mq.send('orders.placed', 'late', { deadlineMs: 500 }))
    const given = codeOf(mq.send('orders.placed', 'given up', { signal: stop.signal }))
    const sent = ['a', 'b', 'c'].map((value) => mq.send('orders.placed', value, { key: 'k' }))
    stop.abort()
    await mq.advance(600)
    assert.deepEqual([await late, await given], ['MQ_SEND_TIMEOUT', 'MQ_SEND_CANCELLED'])
    assert.deepEqual(seen, [])
    mq.brokersBack()
    await Promise.all(sent)
    await mq.idle()
    assert.deepEqual(seen, ['a', 'b', 'c'])
    assert.equal(mq.time.pending, 0)
  })

  it('gives what cannot be decoded to onPoison, or tries it again', async () => {
    const mq = new TestMq()
    const seen: string[] = []
    await mq.consume('orders.placed', 'billing', (message) => void message.value, {
      onPoison: (message, error) => void seen.push(`${error.code} ${String(message.valueBytes)}`),
    })
    await mq.consume('orders.placed', 'audit', (message) => void message.value)
    await mq.deliverBytes('orders.placed', Buffer.from('{'), { key: 'k' })
    assert.deepEqual(seen, ['MQ_DECODE_FAILED {'])
    assert.deepEqual(
      mq.handlerFailures.map(({ group, error }) => [group, (error as MqError).code]),
      [['audit', 'MQ_DECODE_FAILED']],
    )
  })

  it('puts messages aside as dead letters, and their key goes on', async () => {
    const mq = new TestMq()
    const seen: unknown[] = []
    const handler = (message: { readonly value: unknown }): void => {
      if (message.value === 'bad') throw new Error('never')
      seen.push(message.value)
    }
    await mq.consume('orders.placed', 'billing', handler, { deadLetter: true, retry: { attempts: 3 } })
    await mq.sendMany('orders.placed', [
      { value: 'bad', key: 'k' },
      { value: 'good', key: 'k' },
    ])
    await mq.settled()
    assert.deepEqual(seen, ['good'])
    const [letter, ...more] = mq.deadLetters('orders.placed', 'billing')
    assert.deepEqual([letter!.message.value, letter!.attempt, more.length], ['bad', 3, 0])
    assert.deepEqual(mq.deadLetters('orders.placed', 'audit'), [])
  })

  it('gives handlers their signal when their time is over, on the clock of the test', async () => {
    const mq = new TestMq()
    const codes: string[] = []
    await mq.consume(
      'orders.placed',
      'billing',
      (_, { signal }) =>
        new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => {
            codes.push((signal.reason as MqError).code)
            resolve()
          })
        }),
      { handlerTimeoutMs: 1_000 },
    )
    await mq.send('orders.placed', 1)
    await mq.time.advance(999)
    assert.deepEqual(codes, [])
    await mq.advance(1)
    assert.deepEqual(codes, ['MQ_HANDLER_TIMEOUT'])
  })

  it('moves partitions only when no handler runs on them, and hands out nothing that was finished', async () => {
    const mq = new TestMq()
    const gate = Promise.withResolvers<void>()
    const seen: string[] = []
    const first = await mq.consume(
      'orders.placed',
      'billing',
      async (message) => {
        seen.push(`first ${message.key}`)
        if (message.key === 'slow') await gate.promise
      },
      { concurrency: 8 },
    )
    await mq.sendMany(
      'orders.placed',
      ['slow', 'a', 'b', 'c', 'd'].map((key) => ({ value: 1, key })),
    )
    await mq.time.advance(0)
    assert.equal(seen.length, 5)
    const second = await mq
      .another()
      .consume('orders.placed', 'billing', (message) => void seen.push(`second ${message.key}`))
    await mq.time.advance(0)
    gate.resolve()
    await mq.idle()
    await mq.sendMany(
      'orders.placed',
      ['slow', 'a', 'b', 'c', 'd'].map((key) => ({ value: 2, key })),
    )
    await mq.idle()
    assert.equal(seen.length, 10)
    assert.ok(seen.some((line) => line.startsWith('second')))
    assert.equal(first.unfinished() + second.unfinished(), 0)
  })

  it('refuses unknown and deleted mQ IDs when told so', async () => {
    const mq = new TestMq({ createOnFirstUse: false })
    assert.equal(await codeOf(mq.send('orders.placed', 1)), 'MQ_ID_UNKNOWN')
    mq.declare('orders.placed', { keyRequired: true, maxMessageBytes: 10 })
    assert.equal(await codeOf(mq.send('orders.placed', 1)), 'MQ_MESSAGE_INVALID')
    assert.equal(await codeOf(mq.send('orders.placed', 'far too large', { key: 'k' })), 'MQ_MESSAGE_TOO_LARGE')
    const subscription = await mq.consume('orders.placed', 'billing', () => {})
    mq.delete('orders.placed')
    assert.equal(await codeOf(subscription.done), 'MQ_ID_DELETED')
    assert.equal(await codeOf(mq.send('orders.placed', 1, { key: 'k' })), 'MQ_ID_DELETED')
  })

  it('a thousand tests that each start one, send and consume cost less than 5 s of a processor', async () => {
    const before = process.cpuUsage()
    for (let n = 0; n < 1_000; n++) {
      await using mq = new TestMq()
      const seen: unknown[] = []
      await mq.consume('orders.placed', 'billing', async (message) => void seen.push(message.value))
      await mq.send('orders.placed', { n }, { key: `k${n}` })
      await mq.idle()
      assert.deepEqual(seen, [{ n }])
    }
    const { user, system } = process.cpuUsage(before)
    assert.ok(user + system < 5_000_000, `${Math.round((user + system) / 1_000)} ms of a processor`)
  })

  it('keeps no process alive, also when it is not closed and a message waits for its next attempt (M2)', async () => {
    const program = `import { TestMq } from '@mq/testing'
      const mq = new TestMq()
      await mq.consume('a.b', 'g', () => { throw new Error('always') })
      await mq.deliver('a.b', 1)
      mq.brokersAway()
      mq.send('a.b', 2)
      console.log(mq.handlerFailures.length)`
    const cwd = fileURLToPath(new URL('.', import.meta.url))
    const flags = ['--conditions=mq-source', '--input-type=module', '-e', program]
    const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd, timeout: 300_000 })
    assert.equal(stdout, '1\n')
  })
})
