/**
 * What a service may rely on, whichever mQ it is given: the same suite runs on `TestMq` and on the SDK with a real broker, so that the one
 * in memory cannot drift from it.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Message, Mq, MqError, ReceivedMessage, Schema, SendOptions } from '@mq/client'

export interface Rig {
  connect(): Promise<Mq>
  declare(
    id: string,
    options: { readonly format?: 'json' | 'text' | 'bytes'; readonly ordering?: 'key' | 'none' },
  ): Promise<void>
  /** Lets time go on. */
  tick(): Promise<void>
  close(): Promise<void>
}

interface Order {
  readonly id: string
  readonly total: number
}

const OrderSchema: Schema<Order, Order> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof (value as Order)?.total === 'number'
        ? { value: value as Order }
        : { issues: [{ message: 'no number', path: ['total'] }] },
  },
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'it did not fail',
    (error: MqError) => error.code,
  )

export function contractOf(name: string, open: () => Promise<Rig>): void {
  describe(`what a service relies on: ${name}`, { timeout: 600_000 }, () => {
    let rig: Rig
    let mq: Mq
    let ids = 0
    const newId = (): string => `contract.orders-${++ids}`

    async function until(what: string, condition: () => boolean): Promise<void> {
      for (let ticks = 0; !condition(); ticks++) {
        if (ticks > 20_000) assert.fail(`in vain: ${what}`)
        await rig.tick()
      }
    }

    before(
      async () => {
        rig = await open()
        mq = await rig.connect()
      },
      { timeout: 600_000 },
    )
    after(
      async () => {
        await mq?.close()
        await rig?.close()
      },
      { timeout: 600_000 },
    )

    it('a send resolves to a receipt that survives JSON', async () => {
      const id = newId()
      const receipt = await mq.send(id, { n: 1 }, { key: 'k' })
      assert.equal(typeof receipt.partition, 'number')
      assert.equal(typeof receipt.baseOffset, 'bigint')
      assert.equal(
        (JSON.parse(JSON.stringify(receipt)) as { baseOffset: string }).baseOffset,
        String(receipt.baseOffset),
      )
      const again = await mq.send(id, { n: 2 }, { key: 'k' })
      assert.equal(again.partition, receipt.partition)
      assert.equal(again.baseOffset > receipt.baseOffset, true)
    })

    it('messages of one key come in the order they were sent, those of different keys beside each other', async () => {
      const id = newId()
      const sent = Array.from({ length: 60 }, (_, n) => ({ value: { n }, key: `k${n % 6}` }))
      await mq.sendMany(id, sent)
      const seen = new Map<string, number[]>()
      let running = 0
      let most = 0
      const subscription = await mq.consume<{ n: number }>(
        id,
        'billing',
        async (message) => {
          most = Math.max(most, ++running)
          await new Promise((resolve) => setImmediate(resolve))
          running--
          seen.set(message.key!, [...(seen.get(message.key!) ?? []), message.value.n])
        },
        { concurrency: 4 },
      )
      await until('all were seen', () => [...seen.values()].flat().length === sent.length)
      for (let key = 0; key < 6; key++) {
        assert.deepEqual(
          seen.get(`k${key}`),
          Array.from({ length: 10 }, (_, n) => n * 6 + key),
        )
      }
      assert.ok(most > 1 && most <= 4, `${most} at a time`)
      await subscription.close()
    })

    it('each group is handed everything, and the members of one share it', async () => {
      const id = newId()
      await mq.sendMany(
        id,
        Array.from({ length: 40 }, (_, n) => ({ value: n, key: `k${n}` })),
      )
      const other = await rig.connect()
      const seen: Record<'first' | 'second' | 'audit', number[]> = { first: [], second: [], audit: [] }
      const keep = (who: keyof typeof seen) => (message: Message) => void seen[who].push(message.value as number)
      const subscriptions = [
        await mq.consume(id, 'billing', keep('first')),
        await other.consume(id, 'billing', keep('second')),
        await mq.consume(id, 'audit', keep('audit')),
      ]
      const all = Array.from({ length: 40 }, (_, n) => n)
      await until('both groups saw all', () => seen.audit.length >= 40 && seen.first.length + seen.second.length >= 40)
      const sorted = (list: readonly number[]): number[] => [...new Set(list)].toSorted((a, b) => a - b)
      assert.deepEqual(sorted(seen.audit), all)
      assert.deepEqual(sorted([...seen.first, ...seen.second]), all)
      for (const each of subscriptions) await each.close()
      await other.close()
    })

    it('a message whose handler fails is handed out again, before any later one of its key; other keys go on', async () => {
      const id = newId()
      await mq.sendMany(id, [
        { value: 1, key: 'bad' },
        { value: 2, key: 'bad' },
        { value: 3, key: 'good' },
      ])
      const seen: string[] = []
      const subscription = await mq.consume(id, 'billing', async (message) => {
        seen.push(`${message.key} ${message.value as number} ${message.attempt}`)
        if (message.value === 1 && message.attempt < 3) throw new Error('not yet')
      })
      await until('the last was seen', () => seen.includes('bad 2 1'))
      await until('the other key, too', () => seen.includes('good 3 1'))
      assert.deepEqual(
        seen.filter((line) => line.startsWith('bad')),
        ['bad 1 1', 'bad 1 2', 'bad 1 3', 'bad 2 1'],
      )
      await until('nothing is unfinished', () => subscription.unfinished() === 0)
      await subscription.close()
    })

    it('a message has what it was sent with', async () => {
      const id = newId()
      const headers: SendOptions['headers'] = [
        ['trace', 'a'],
        ['trace', 'b'],
        ['none', null],
      ]
      await mq.send(id, { text: 'ü' }, { key: 'k-1', headers })
      await mq.send(id, null, { key: 'k-1' })
      await mq.send(id, 'no key')
      const seen: ReceivedMessage[] = []
      const subscription = await mq.consume(id, 'billing', (message) => void seen.push(message))
      await until('all were seen', () => seen.length === 3)
      const [first, tombstone] = seen.filter((message) => message.key === 'k-1')
      const keyless = seen.find((message) => message.key === null)
      assert.deepEqual([first!.id, first!.key, first!.value, first!.attempt], [id, 'k-1', { text: 'ü' }, 1])
      assert.deepEqual(first!.headers, { trace: 'b', none: '' })
      assert.deepEqual(
        first!.rawHeaders.map(({ key, value }) => [key, value === null ? null : String(value)]),
        [
          ['trace', 'a'],
          ['trace', 'b'],
          ['none', null],
        ],
      )
      assert.equal(String(first!.keyBytes), 'k-1')
      assert.equal(String(first!.valueBytes), '{"text":"ü"}')
      assert.equal(typeof first!.timestampMs, 'number')
      assert.match(first!.offset, /^\d+$/)
      assert.deepEqual([tombstone!.value, tombstone!.valueBytes], [null, null])
      assert.deepEqual([keyless!.value, keyless!.keyBytes], ['no key', null])
      const fields = ['id', 'epoch', 'partition', 'offset', 'timestampMs', 'key', 'headers', 'attempt', 'value']
      assert.deepEqual(Object.keys(first!.toJSON()).toSorted(), fields.toSorted())
      await subscription.close()
    })

    it('values have the format of their mQ ID', async () => {
      const text = newId()
      const bytes = newId()
      await rig.declare(text, { format: 'text' })
      await rig.declare(bytes, { format: 'bytes' })
      await mq.send(text, 'plain')
      await mq.send(bytes, Buffer.from([1, 2, 255]))
      assert.equal(await codeOf(mq.send(text, { no: 'text' })), 'MQ_MESSAGE_INVALID')
      assert.equal(await codeOf(mq.send(bytes, 'no bytes')), 'MQ_MESSAGE_INVALID')
      const seen: unknown[] = []
      const subscriptions = [
        await mq.consume(text, 'billing', (message) => void seen.push(message.value)),
        await mq.consume(bytes, 'billing', (message) => void seen.push([...(message.value as Uint8Array)])),
      ]
      await until('both were seen', () => seen.length === 2)
      assert.deepEqual(seen.toSorted(), [[1, 2, 255], 'plain'])
      for (const each of subscriptions) await each.close()
    })

    it('what cannot be sent is refused, with the same codes', async () => {
      const id = newId()
      await mq.send(id, 1)
      const circular: { self?: unknown } = {}
      circular.self = circular
      const bad: readonly (readonly [string, unknown, object?, string?])[] = [
        ['MQ_ID_INVALID', 1, {}, 'Not An Id'],
        ['MQ_MESSAGE_INVALID', circular],
        ['MQ_MESSAGE_INVALID', 10n],
        ['MQ_MESSAGE_INVALID', new Map()],
        ['MQ_MESSAGE_INVALID', undefined],
        ['MQ_MESSAGE_INVALID', new Uint8Array(2)],
        ['MQ_MESSAGE_INVALID', 1, { key: 7 }],
        ['MQ_MESSAGE_INVALID', 1, { timestampMs: -1 }],
        ['MQ_MESSAGE_INVALID', 1, { headers: { a: 7 } }],
        ['MQ_OPTION_INVALID', 1, { partition: 3 }],
        ['MQ_OPTION_INVALID', 1, { deadlineMs: 0 }],
        ['MQ_SEND_CANCELLED', 1, { signal: AbortSignal.abort() }],
        ['MQ_MESSAGE_TOO_LARGE', 'x'.repeat(9 * 1_048_576)],
      ]
      for (const [code, value, options, target] of bad) {
        assert.equal(await codeOf(mq.send(target ?? id, value, options)), code, `${code} ${JSON.stringify(options)}`)
      }
      const failed = await mq
        .sendMany(id, [{ value: 1 }, { value: 10n }, { value: 3 }])
        .catch((error: MqError) => error)
      assert.deepEqual((failed as MqError).details.failed, [1])
    })

    it('what cannot be consumed is refused, with the same codes', async () => {
      const id = newId()
      await mq.send(id, 1)
      const handler = (): void => {}
      const bad: readonly (readonly [string, string, unknown, object?])[] = [
        ['MQ_NAME_INVALID', 'no name!', handler],
        ['MQ_OPTION_INVALID', 'billing', 'no function'],
        ['MQ_OPTION_INVALID', 'billing', handler, { concurrency: 0 }],
        ['MQ_OPTION_INVALID', 'billing', handler, { from: 'the middle' }],
        ['MQ_OPTION_INVALID', 'billing', handler, { fromBeginning: true }],
        ['MQ_OPTION_INVALID', 'billing', handler, { handlerTimeoutMs: -1 }],
      ]
      for (const [code, group, no, options] of bad) {
        assert.equal(await codeOf(mq.consume(id, group, no as () => void, options)), code, JSON.stringify(options))
      }
      assert.throws(() => mq.queue('Not An Id'), { code: 'MQ_ID_INVALID' })
      assert.throws(() => mq.queue(id, {} as Schema<Order, Order>), { code: 'MQ_OPTION_INVALID' })
    })

    it('a schema holds on both sides; what does not match goes to onPoison with its bytes', async () => {
      const id = newId()
      const orders = mq.queue(id, OrderSchema)
      assert.equal(await codeOf(orders.send({ id: 'o-1' } as Order)), 'MQ_SCHEMA_MISMATCH')
      await mq.send(id, { id: 'o-2', total: 'much' }, { key: 'k' })
      await orders.send({ id: 'o-3', total: 3 }, { key: 'k' })
      const seen: string[] = []
      const subscription = await orders.consume('billing', (message) => void seen.push(message.value.id), {
        onPoison: (message, error) => void seen.push(`${error.code} ${String(message.valueBytes)}`),
      })
      await until('both were seen', () => seen.length === 2)
      assert.deepEqual(seen, ['MQ_SCHEMA_MISMATCH {"id":"o-2","total":"much"}', 'o-3'])
      await subscription.close()
    })

    it('latest leaves out what was there; a group that is known goes on where it was', async () => {
      const id = newId()
      await mq.send(id, 'before', { key: 'k' })
      const seen: unknown[] = []
      const keep = (message: Message): void => void seen.push(message.value)
      // The end is that of this moment, also where the group gets its partitions later, as of a topic that was just made.
      const first = await mq.consume(id, 'billing', keep, { from: 'latest' })
      await mq.send(id, 'during', { key: 'k' })
      await until('the new one was seen', () => seen.length > 0)
      await first.close()
      await mq.send(id, 'between', { key: 'k' })
      const second = await mq.consume(id, 'billing', keep, { from: 'latest' })
      await until('the one between, too', () => seen.length > 1)
      assert.deepEqual(seen, ['during', 'between'])
      await second.close()
    })

    it('close waits for the handler that runs; what it finished is not handed out again, the rest is', async () => {
      const id = newId()
      await mq.sendMany(id, [
        { value: 1, key: 'k' },
        { value: 2, key: 'k' },
      ])
      const gate = Promise.withResolvers<void>()
      const seen: string[] = []
      const first = await mq.consume(id, 'billing', async (message) => {
        seen.push(`first ${message.value as number}`)
        await gate.promise
      })
      await until('the handler runs', () => seen.length === 1)
      const closed = first.close()
      gate.resolve()
      await closed
      await first.done
      const second = await mq.consume(id, 'billing', (message) => void seen.push(`second ${message.value as number}`))
      await until('the rest was seen', () => seen.length >= 2)
      assert.deepEqual(seen, ['first 1', 'second 2'])
      await second.close()
    })

    it('a signal closes a subscription, and nothing goes through a connection that was closed', async () => {
      const id = newId()
      const other = await rig.connect()
      await other.send(id, 1)
      const stop = new AbortController()
      const subscription = await other.consume(id, 'billing', () => {}, { signal: stop.signal })
      stop.abort()
      await subscription.done
      await other.close()
      assert.equal(await codeOf(other.send(id, 1)), 'MQ_CLOSED')
      assert.equal(await codeOf(other.consume(id, 'billing', () => {})), 'MQ_CLOSED')
    })
  })
}
