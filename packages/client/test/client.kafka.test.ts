import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, afterEach, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { MqError } from '@mq/contract'
import { systemDeps } from '@mq/kafka'
import { within } from '@mq/testkit'
import type { Message, Mq } from '../src/index.ts'
import { Stack } from './support/stack.ts'
import { until } from './support/time.ts'

interface Event {
  n: number
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof MqError && error.code === code
}

describe('the client on real Kafka', { timeout: 300_000 }, () => {
  let stack: Stack
  before(
    async () => {
      stack = await Stack.start()
    },
    { timeout: 300_000 },
  )
  after(() => stack?.stop(), { timeout: 300_000 })
  afterEach(() => stack.closeConnections(), { timeout: 300_000 })

  /** Sends `count` events over `keys` keys; `n` rises per key and over all. */
  async function fill(mq: Mq, id: string, count: number, keys: number): Promise<void> {
    const sends = Array.from({ length: count }, (_, n) => mq.send(id, { n }, { key: `k${n % keys}` }))
    await Promise.all(sends)
  }

  it('brings messages from send to handler, with key, headers, time and receipt', { timeout: 300_000 }, async () => {
    const mq = await stack.connect()
    const seen: Message<Event>[] = []
    const receipt = await mq.send(
      'round.trip',
      { n: 1 },
      { key: 'k', headers: { trace: 'abc' }, timestampMs: Date.now() - 5_000 },
    )
    assert.equal(typeof receipt.baseOffset, 'bigint')
    await mq.send('round.trip', null, { key: 'k' })
    await mq.sendMany('round.trip', [{ value: { n: 2 } }, { value: 'text' }, { value: [1, 2], key: '' }])
    const subscription = await mq.consume<Event>('round.trip', 'readers', (message) => {
      seen.push(message)
    })
    await until('all five are handled', () => seen.length === 5, 20_000)
    const first = seen.find((message) => message.headers.trace === 'abc')!
    assert.equal(first.key, 'k')
    assert.equal(first.id, 'round.trip')
    assert.equal(first.epoch, 1)
    assert.equal(first.attempt, 1)
    assert.ok(Math.abs(Date.now() - 5_000 - first.timestampMs) < 20_000)
    assert.equal(first.offset, String(receipt.baseOffset))
    assert.equal(first.partition, receipt.partition)
    const values = seen.map((message) => JSON.stringify(message.value)).toSorted()
    assert.deepEqual(values, ['"text"', '[1,2]', 'null', '{"n":1}', '{"n":2}'])
    await until('nothing is left to read', () => subscription.lag() === 0)
    await subscription.close()
    await subscription.done
    assert.deepEqual(mq.logger.lines, [])
  })

  for (const aheadMs of [61 * 60_000, -30 * 86_400_000]) {
    it(`sends from a host whose clock is ${aheadMs / 60_000} min ahead, with the time of the brokers, and says so once`, {
      timeout: 300_000,
    }, async () => {
      const deps = { ...systemDeps, clock: { ...systemDeps.clock, nowMs: () => Date.now() + aheadMs } }
      const mq = await stack.connect({ deps })
      const id = `wrong.clock${aheadMs < 0 ? '-slow' : ''}`
      const tooOld = { timestampMs: Date.now() - 90 * 86_400_000 }
      const sends = Array.from({ length: 400 }, (_, n) => mq.send(id, { n }, { key: 'k', ...(n === 20 ? tooOld : {}) }))
      const results = await Promise.allSettled(sends)
      const failed = results.flatMap((result, n) => (result.status === 'rejected' ? [[n, result.reason.code]] : []))
      assert.deepEqual(failed, [[20, 'MQ_TIMESTAMP_REFUSED']])
      await Promise.all(Array.from({ length: 100 }, (_, n) => mq.send(id, { n: 400 + n }, { key: 'k' })))
      const seen: number[] = []
      for await (const message of await mq.read(id, { from: 'earliest', untilEnd: true })) {
        seen.push((message.value as Event).n)
        assert.ok(Math.abs(message.timestampMs - Date.now()) < 60_000, String(message.timestampMs))
      }
      assert.deepEqual(
        seen,
        Array.from({ length: 500 }, (_, n) => n).filter((n) => n !== 20),
      )
      assert.equal(mq.logger.codes().filter((code) => code === 'MQ_CLOCK_WRONG').length, 1)
      // By now it is refused at the call.
      await assert.rejects(mq.send(id, {}, tooOld), hasCode('MQ_TIMESTAMP_REFUSED'))
    })
  }

  it('keeps the order of every key at concurrency 16 with handlers of any duration', { timeout: 300_000 }, async () => {
    const mq = await stack.connect()
    const count = 3_000
    await fill(mq, 'key.order', count, 40)
    const last = new Map<string, number>()
    let handled = 0
    let running = 0
    let most = 0
    await mq.consume<Event>(
      'key.order',
      'ordered',
      async (message) => {
        most = Math.max(most, ++running)
        const key = message.key!
        const before = last.get(key) ?? -1
        assert.ok(message.value.n > before, `${key}: ${message.value.n} after ${before}`)
        await pause(Math.random() < 0.02 ? 20 : Math.random() * 3)
        last.set(key, message.value.n)
        running--
        handled++
      },
      { concurrency: 16 },
    )
    await until('all are handled', () => handled >= count, 30_000)
    assert.equal(handled, count)
    assert.ok(most > 4 && most <= 16, `${most} ran at a time`)
    assert.deepEqual(mq.logger.lines, [])
  })

  it('hands a message out again when its handler failed, and other keys meanwhile', { timeout: 300_000 }, async () => {
    const mq = await stack.connect()
    await fill(mq, 'handler.fails', 20, 4)
    const order: number[] = []
    const attempts: number[] = []
    await mq.consume<Event>('handler.fails', 'g', (message) => {
      if (message.value.n === 4) {
        attempts.push(message.attempt)
        if (message.attempt < 3) throw new Error('not yet')
      }
      order.push(message.value.n)
    })
    await until('all are handled', () => order.length === 20, 20_000)
    assert.deepEqual(attempts, [1, 2, 3])
    assert.deepEqual(
      order.filter((n) => n % 4 === 0),
      [0, 4, 8, 12, 16],
    )
    assert.ok(order.indexOf(4) > order.indexOf(17), 'other keys went on')
    assert.deepEqual(mq.logger.codes(), ['MQ_HANDLER_FAILED', 'MQ_HANDLER_FAILED'])
  })

  it('lets a second consumer join and leave without loss or duplicate', { timeout: 300_000 }, async () => {
    const mq = await stack.connect()
    await stack.declare('graceful.join', { expectedMessagesPerSecond: 20_000 })
    const seen = new Map<number, string[]>()
    const handler = (name: string) => async (message: Message<Event>) => {
      await pause(1)
      const n = message.value.n
      seen.set(n, [...(seen.get(n) ?? []), name])
    }
    const options = { concurrency: 8 }
    const first = await mq.consume<Event>('graceful.join', 'pair', handler('first'), options)
    let n = 0
    let sending = true
    const sender = (async () => {
      while (sending) {
        const burst = Array.from({ length: 20 }, () => mq.send('graceful.join', { n: n++ }, { key: `k${n % 50}` }))
        await Promise.all(burst)
        await pause(5)
      }
    })()
    await until('the first reads', () => seen.size > 100, 20_000)
    const second = await mq.consume<Event>('graceful.join', 'pair', handler('second'), options)
    await until('both read', () => [...seen.values()].some((names) => names.includes('second')), 30_000)
    await pause(500)
    await first.close()
    await pause(300)
    sending = false
    await sender
    await until('all are handled', () => seen.size === n, 30_000)
    await second.close()
    const twice = [...seen.entries()].filter(([, names]) => names.length > 1)
    assert.deepEqual(twice, [], 'no message was handled twice')
  })

  it('hands out again what a crashed consumer had not finished, and loses nothing', { timeout: 300_000 }, async () => {
    const mq = await stack.connect()
    await fill(mq, 'crash.redelivery', 100, 100)
    const script = fileURLToPath(new URL('./support/crash-consumer.ts', import.meta.url))
    const args = ['--conditions=mq-source', script, stack.url, 'crash.redelivery', 'crashers', stack.cacheDir]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += String(chunk)
    })
    await until('it handled what it can', () => output.trim().split('\n').length >= 90, 30_000)
    child.kill('SIGKILL')
    await once(child, 'exit')
    const handled = new Set(output.trim().split('\n').map(Number))
    await mq.consume<Event>('crash.redelivery', 'crashers', (message) => {
      handled.add(message.value.n)
    })
    await until('every message was handled', () => handled.size === 100, 40_000)
  })

  it('gives text and bytes back as they were, and says what a format cannot take', { timeout: 300_000 }, async () => {
    await stack.declare('plain.text', { format: 'text' })
    await stack.declare('plain.bytes', { format: 'bytes' })
    await stack.declare('plain.large', { format: 'bytes', maxMessageBytes: 1_048_576 })
    const mq = await stack.connect()
    const seen: unknown[] = []
    await mq.send('plain.text', 'grüße 🦊')
    await mq.send('plain.bytes', new Uint8Array([0, 255, 1]))
    await assert.rejects(mq.send('plain.text', { a: 1 }), hasCode('MQ_MESSAGE_INVALID'))
    await assert.rejects(mq.send('plain.bytes', 'text'), hasCode('MQ_MESSAGE_INVALID'))
    await assert.rejects(mq.send('plain.text', 'x'.repeat(2_000_000)), hasCode('MQ_MESSAGE_TOO_LARGE'))
    // The broker takes exactly what the intent promises, and one byte more is refused before it leaves.
    const most = 1_048_576
    await mq.send('plain.large', new Uint8Array(most))
    await mq.send('plain.large', new Uint8Array(most - 10), { key: 'k'.repeat(10), headers: { h: 'x'.repeat(60_000) } })
    await assert.rejects(mq.send('plain.large', new Uint8Array(most + 1)), hasCode('MQ_MESSAGE_TOO_LARGE'))
    await mq.consume('plain.text', 'g', (message) => {
      seen.push(message.value)
    })
    await mq.consume<Uint8Array>('plain.bytes', 'g', (message) => {
      seen.push([...message.value])
    })
    await until('both came', () => seen.length === 2, 20_000)
    assert.deepEqual(new Set(seen.map((value) => JSON.stringify(value))), new Set(['"grüße 🦊"', '[0,255,1]']))
  })

  it('blocks on a value that is not in the format, loudly, until the application takes it', {
    timeout: 300_000,
  }, async () => {
    await stack.declare('poison.values', {})
    await stack.writeRaw('poison.values', [
      ['a', 'not json {'],
      ['a', '{"n":1}'],
      ['b', '{"n":2}'],
    ])
    const mq = await stack.connect()
    const seen: number[] = []
    const blocked = await mq.consume<Event>('poison.values', 'g', (message) => {
      seen.push(message.value.n)
    })
    await until('the other key is handled', () => seen.includes(2), 20_000)
    await until('it was said', () => mq.logger.codes().includes('MQ_DECODE_FAILED'))
    assert.deepEqual(seen, [2])
    await blocked.close()
    const poisoned: string[] = []
    await mq.consume<Event>(
      'poison.values',
      'g',
      (message) => {
        seen.push(message.value.n)
      },
      { onPoison: (message, error) => poisoned.push(`${message.key} ${error.code}`) },
    )
    await until('the key goes on', () => seen.includes(1), 20_000)
    assert.deepEqual(poisoned, ['a MQ_DECODE_FAILED'])
  })

  it('works from the cache while the control plane is away', { timeout: 300_000 }, async () => {
    const before = await stack.connect({ app: 'cold' })
    await before.send('cold.start', { n: 1 }, { key: 'a' })
    await before.close()
    await stack.stopPlane()
    try {
      await assert.rejects(stack.connect({ app: 'nothing-cached' }), hasCode('MQ_CONTROL_PLANE_AWAY'))
      const mq = await within(5_000, async () => {
        const mq = await stack.connect({ app: 'cold' })
        await mq.send('cold.start', { n: 2 }, { key: 'a' })
        return mq
      })
      const seen: number[] = []
      await mq.consume<Event>('cold.start', 'g', (message) => {
        seen.push(message.value.n)
      })
      await until('both are handled', () => seen.length === 2, 20_000)
      assert.deepEqual(seen, [1, 2])
      await assert.rejects(
        mq.consume('never.seen', 'g', () => {}),
        hasCode('MQ_CONTROL_PLANE_AWAY'),
      )
      const waiting = mq.send('never.seen', { n: 3 })
      await stack.startPlane()
      await waiting
    } finally {
      await stack.stopPlane()
      await stack.startPlane()
    }
  })

  it('loses and repeats nothing while the broker restarts under its sends', { timeout: 300_000 }, async () => {
    const mq = await stack.connect()
    await mq.send('broker.restarts', { n: -1 }, { key: 'k' })
    const acknowledged: number[] = []
    const failed: unknown[] = []
    let n = 0
    let sending = true
    const sender = (async () => {
      while (sending) {
        for (let burst = 0; burst < 10; burst++) {
          const own = n++
          mq.send('broker.restarts', { n: own }, { key: `k${own % 7}` }).then(
            () => acknowledged.push(own),
            (error) => failed.push(error),
          )
        }
        await pause(10)
      }
    })()
    await pause(300)
    await stack.cluster.brokers[0]!.kill()
    await pause(500)
    await stack.cluster.brokers[0]!.restart()
    await pause(500)
    sending = false
    await sender
    await mq.flush()
    assert.deepEqual(failed, [])
    assert.equal(acknowledged.length, n)
    const seen: number[] = []
    const last = new Map<string, number>()
    await mq.consume<Event>('broker.restarts', 'g', (message) => {
      const before = last.get(message.key!) ?? -2
      assert.ok(message.value.n > before, `${message.key}: ${message.value.n} after ${before}`)
      last.set(message.key!, message.value.n)
      seen.push(message.value.n)
    })
    await until('all are read', () => seen.length >= n + 1, 30_000)
    await pause(300)
    assert.equal(new Set(seen).size, n + 1)
    assert.equal(seen.length, n + 1)
  })

  it('flushes on close, says what it could not flush, and refuses everything after', { timeout: 300_000 }, async () => {
    const mq = await stack.connect()
    await mq.send('close.semantics', { n: 0 })
    const sends = Array.from({ length: 500 }, (_, n) => mq.send('close.semantics', { n }))
    await mq.close()
    await Promise.all(sends)
    await assert.rejects(mq.send('close.semantics', { n: 1 }), hasCode('MQ_CLOSED'))
    await assert.rejects(mq.send('never.used', { n: 1 }), hasCode('MQ_CLOSED'))
    await assert.rejects(
      mq.consume('close.semantics', 'g', () => {}),
      hasCode('MQ_CLOSED'),
    )
    await mq.close()

    const cut = await stack.connect()
    await cut.send('close.semantics', { n: 0 })
    stack.cluster.brokers[0]!.pause()
    // Threads of the broker that run on other cores stop a moment later.
    await pause(200)
    try {
      const lost = Array.from({ length: 7 }, (_, n) => cut.send('close.semantics', { n }).catch((error) => error))
      await assert.rejects(cut.close({ deadlineMs: 700 }), (error) => {
        assert.ok(hasCode('MQ_CLOSE_INCOMPLETE')(error), String(error))
        assert.match((error as MqError).message, /7 for close\.semantics/)
        return true
      })
      for (const outcome of await Promise.all(lost)) assert.ok(outcome instanceof MqError)
    } finally {
      stack.cluster.brokers[0]!.resume()
    }
  })

  it('closes within its deadline while its broker says nothing, and says which handlers run still', {
    timeout: 300_000,
  }, async () => {
    const mq = await stack.connect()
    await mq.send('close.silent', { n: 1 }, { key: 'k' })
    const handled = Promise.withResolvers<void>()
    let signal: AbortSignal | undefined
    await mq.consume('close.silent', 'g', (_, context) => {
      signal = context.signal
      return handled.promise
    })
    await until('its handler runs', () => signal !== undefined, 20_000)
    stack.cluster.brokers[0]!.pause()
    try {
      // Leaving a group that does not answer takes 5 s, a commit as long again.
      const { stillRunning } = await within(5_000, () => mq.close({ deadlineMs: 2_000 }))
      assert.deepEqual(
        stillRunning.map(({ id, group, offset }) => [id, group, offset]),
        [['close.silent', 'g', '0']],
      )
      assert.equal(signal?.aborted, true)
    } finally {
      handled.resolve()
      stack.cluster.brokers[0]!.resume()
    }
    const said = mq.logger.codes()
    assert.ok(said.includes('MQ_CLOSE_INCOMPLETE') && said.includes('MQ_HANDLER_TIMEOUT'), said.join())
  })

  it('stops consumers loudly and refuses sends when the mQ ID is deleted', { timeout: 300_000 }, async () => {
    const mq = await stack.connect()
    await mq.send('to.delete', { n: 1 })
    const subscription = await mq.consume('to.delete', 'g', () => {})
    const ended = subscription.done.then(
      () => 'closed',
      (error: MqError) => error.code,
    )
    await stack.delete('to.delete')
    assert.equal(await ended, 'MQ_ID_DELETED')
    await assert.rejects(mq.send('to.delete', { n: 2 }), hasCode('MQ_ID_DELETED'))
    assert.ok(mq.logger.codes().includes('MQ_ID_DELETED'))
  })

  it('ends a subscription when its signal fires, and takes `await using`', { timeout: 300_000 }, async () => {
    const stop = new AbortController()
    let handled = 0
    {
      await using mq = await stack.connect()
      await fill(mq, 'with.signal', 10, 2)
      const subscription = await mq.consume(
        'with.signal',
        'g',
        () => {
          handled++
        },
        { signal: stop.signal },
      )
      await until('all are handled', () => handled === 10, 20_000)
      stop.abort()
      await subscription.done
      await mq.send('with.signal', { n: 11 })
      await pause(200)
      assert.equal(handled, 10)
      await assert.rejects(mq.consume('with.signal', 'g', () => {}, { signal: stop.signal }))
    }
  })

  it('refuses wrong names, options and values before anything is sent', { timeout: 300_000 }, async () => {
    const mq = await stack.connect()
    const loose = mq as unknown as Record<'send' | 'consume' | 'queue', (...args: unknown[]) => Promise<unknown>>
    for (const id of ['Orders', 'a', 'orders..placed', 'mq.own', '', 7, null, undefined, {}]) {
      await assert.rejects(loose.send(id, {}), hasCode('MQ_ID_INVALID'))
      await assert.rejects(
        loose.consume(id, 'g', () => {}),
        hasCode('MQ_ID_INVALID'),
      )
      assert.throws(() => void loose.queue(id), hasCode('MQ_ID_INVALID'))
    }
    for (const group of ['', ' ', 'a b', '@', 7, null]) {
      await assert.rejects(
        loose.consume('a.b', group, () => {}),
        hasCode('MQ_NAME_INVALID'),
      )
    }
    await assert.rejects(loose.consume('a.b', 'g', 'handler'), hasCode('MQ_OPTION_INVALID'))
    for (const concurrency of [0, -1, 1.5, Number.NaN, '2', 1e9]) {
      await assert.rejects(
        loose.consume('a.b', 'g', () => {}, { concurrency }),
        hasCode('MQ_OPTION_INVALID'),
      )
    }
    await assert.rejects(
      loose.consume('a.b', 'g', () => {}, { from: 'newest' }),
      hasCode('MQ_OPTION_INVALID'),
    )
  })
})
