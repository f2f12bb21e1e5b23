import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import type { FetchedRecord, Receipt } from '@mq/kafka'
import { MqQueue } from '../src/api/queue.ts'
import type { ConsumeOptions, Mq, ReceivedMessage } from '../src/api/types.ts'
import { RecordMessage } from '../src/formats/message.ts'
import type { Schema } from '../src/formats/schema.ts'

const RECEIPT: Receipt = { topic: 't', partition: 0, baseOffset: 0n }

interface Order {
  id: string
  total?: number
}

/** `id` is text, `total` a number with a default; answers later for orders whose id starts with '~'. */
const OrderSchema: Schema<Order, Required<Order>> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => {
      const order = value as Partial<Order>
      const result =
        typeof order?.id === 'string'
          ? { value: { id: order.id, total: order.total ?? 0 } }
          : { issues: [{ message: 'id hunter2 is not text', path: ['order', { key: 'id' }] }] }
      if (!String(order?.id).startsWith('~')) return result
      return new Promise((resolve) => setTimeout(() => resolve(result), 5))
    },
  },
}

/** Stands for a connection: notes what is sent, and keeps the handler. */
class TestMq {
  readonly sent: unknown[] = []
  handler: ((message: ReceivedMessage) => unknown) | undefined

  send(_id: string, value: unknown): Promise<Receipt> {
    this.sent.push(value)
    return Promise.resolve(RECEIPT)
  }

  async consume(
    _id: string,
    _group: string,
    handler: (message: ReceivedMessage) => unknown,
    _options: ConsumeOptions,
  ): Promise<void> {
    this.handler = handler
  }
}

function queueOf(): { mq: TestMq; queue: MqQueue<Order, Required<Order>> } {
  const mq = new TestMq()
  return { mq, queue: new MqQueue(mq as unknown as Mq, 'orders.placed', OrderSchema) }
}

function messageOf(value: unknown): ReceivedMessage<Required<Order>> {
  const record = { valueString: () => JSON.stringify(value), partition: 0, offset: 0n } as unknown as FetchedRecord
  return new RecordMessage({ id: 'orders.placed', epoch: 1, format: 'json' }, record, 1)
}

describe('MqQueue', () => {
  it('sends the value as it was given, once it matches (X1, V1)', async () => {
    const { mq, queue } = queueOf()
    await queue.send({ id: 'a' })
    await queue.sendMany([{ value: { id: 'b', total: 1 } }, { value: { id: 'c' } }])
    assert.deepEqual(mq.sent, [{ id: 'a' }, { id: 'b', total: 1 }, { id: 'c' }])
  })

  it('rejects what does not match, with the path and what the schema says of it, and never a value (X1, V3)', async () => {
    const { mq, queue } = queueOf()
    await assert.rejects(queue.send({ id: ['hunter2'] } as unknown as Order), (error) => {
      assert.ok(error instanceof MqError)
      assert.equal(error.code, 'MQ_SCHEMA_MISMATCH')
      assert.match(error.message, /orders\.placed does not match its schema at order\.id \(id string is not text\)$/)
      assert.ok(!JSON.stringify(error).includes('hunter2'))
      return true
    })
    assert.deepEqual(mq.sent, [])
  })

  it('gives the words of any library without the values in them, and those of a check that somebody wrote', async () => {
    const says = async (message: string, path: (string | number)[], value: unknown): Promise<string> => {
      const issues = [{ message, path }]
      const schema = { '~standard': { version: 1 as const, vendor: 'test', validate: () => ({ issues }) } }
      const queue = new MqQueue(queueOf().mq as unknown as Mq, 'orders.placed', schema)
      return queue.send(value as never).then(
        () => 'sent',
        (error: MqError) => error.message.replace(/^.* schema at /, ''),
      )
    }
    const order = { total: -5, card: '4111-1111', lines: [{ sku: 'a', count: 12_345 }] }
    assert.equal(await says('total has to be above 0', ['total'], order), 'total (total has to be above 0)')
    assert.equal(
      await says('Invalid type: Expected boolean but received -5', ['total'], order),
      'total (Invalid type: Expected boolean but received number)',
    )
    assert.equal(
      await says('must be 13 digits (was "4111-1111")', ['card'], order),
      'card (must be 13 digits (was "string"))',
    )
    assert.equal(
      await says('lines hold 12345 of a sku', ['lines', 0, 'sku'], order),
      'lines.0.sku (lines hold number of a sku)',
    )
    assert.equal(
      await says('Expected "b" but received "a"', ['lines', 0, 'sku'], order),
      'lines.0.sku (Expected "b" but received "string")',
    )
    assert.equal(await says('', ['total'], order), 'total')
  })

  it('says that a schema threw, and nothing of what it threw', async () => {
    const { mq } = queueOf()
    const broken = new MqQueue(mq as unknown as Mq, 'orders.placed', {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => {
          throw new TypeError('hunter2')
        },
      },
    })
    await assert.rejects(broken.send({ id: 'a' }), /^MqError: The schema of orders\.placed threw a TypeError/)
  })

  it('keeps the order of sends when the schema answers later for some (X2)', async () => {
    const { mq, queue } = queueOf()
    await Promise.all(['a', '~b', 'c', '~d', 'e'].map((id) => queue.send({ id })))
    assert.deepEqual(
      mq.sent.map((value) => (value as Order).id),
      ['a', '~b', 'c', '~d', 'e'],
    )
    await queue.send({ id: 'f' })
    assert.equal((mq.sent.at(-1) as Order).id, 'f')
  })

  it('hands out the output of the schema (V1)', async () => {
    const { mq, queue } = queueOf()
    const seen: unknown[] = []
    await queue.consume('billing', (message) => {
      seen.push(message.value)
    })
    mq.handler!(messageOf({ id: 'a' }))
    await mq.handler!(messageOf({ id: '~b' }))
    assert.deepEqual(seen, [
      { id: 'a', total: 0 },
      { id: '~b', total: 0 },
    ])
  })

  it('fails a message that does not match, before the handler sees it (X1)', async () => {
    const { mq, queue } = queueOf()
    let calls = 0
    await queue.consume('billing', () => {
      calls++
    })
    const message = messageOf({ total: 1 })
    assert.throws(() => mq.handler!(message), /MQ|does not match/)
    assert.equal(RecordMessage.poisonOf(message)?.code, 'MQ_SCHEMA_MISMATCH')
    assert.equal(calls, 0)
  })
})
