/** Several messages in one call (send-many M1-M2). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import type { Receipt } from '@mq/kafka'
import type { OutgoingMessage, SendOptions } from '../src/api/types.ts'
import { sendMany } from '../src/send/send-many.ts'

const receipt = (baseOffset: bigint): Receipt => ({ topic: 't', partition: 0, baseOffset })

async function failureOf(promise: Promise<unknown>): Promise<MqError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof MqError, String(error))
  return error
}

describe('sendMany', () => {
  it('sends in order and resolves to the receipts of the batches', async () => {
    const sent: [unknown, SendOptions][] = []
    const [first, second] = [Promise.resolve(receipt(0n)), Promise.resolve(receipt(7n))]
    const messages: OutgoingMessage[] = [{ value: 1, key: 'a' }, { value: 2 }, { value: 3, headers: { h: 'x' } }]
    const receipts = await sendMany('orders.placed', new Set(messages), (value, options) => {
      sent.push([value, options])
      return sent.length < 3 ? first : second
    })
    assert.deepEqual(sent, [
      [1, { key: 'a' }],
      [2, {}],
      [3, { headers: { h: 'x' } }],
    ])
    assert.deepEqual(receipts, [receipt(0n), receipt(7n)])
    assert.deepEqual(await sendMany('orders.placed', [], () => first), [])
  })

  it('says which are not stored, of which nobody knows, and that the others are (M1, M2)', async () => {
    const stored = Promise.resolve(receipt(0n))
    const refused = new MqError('MQ_MESSAGE_INVALID', 'a value is a bigint')
    const lost = new MqError('MQ_SEND_UNCERTAIN', 'no answer', { details: { maybeStored: true } })
    const fates: Record<number, Promise<Receipt>> = { 1: Promise.reject(refused), 3: Promise.reject(lost) }
    const error = await failureOf(
      sendMany(
        'orders.placed',
        [0, 1, 2, 3, 4].map((value) => ({ value })),
        (value) => fates[value] ?? stored,
      ),
    )
    assert.equal(error.code, 'MQ_MESSAGE_INVALID')
    assert.deepEqual([error.details.messages, error.details.failed, error.details.uncertain], [5, [1], [3]])
    assert.match(
      error.message,
      /1 of 5 messages for orders\.placed are not stored \(place 1\), 1 of 5 may or may not .*all others are/,
    )
    assert.equal(error.cause, refused)
  })

  it('refuses what is no list, values without a place for options, and what throws, in words', async () => {
    const sent: unknown[] = []
    const send = (value: unknown): Promise<Receipt> => {
      sent.push(value)
      return Promise.resolve(receipt(0n))
    }
    for (const none of [{ a: 1 }, 'text', null, 5]) {
      const error = await failureOf(sendMany('orders.placed', none as unknown as OutgoingMessage[], send))
      assert.equal(error.code, 'MQ_OPTION_INVALID')
    }
    const raw = await failureOf(sendMany('orders.placed', [{ a: 1 }, { value: 2 }] as OutgoingMessage[], send))
    assert.deepEqual([raw.code, raw.details.failed, sent], ['MQ_MESSAGE_INVALID', [0], [2]])
    const throwing = (function* (): Generator<OutgoingMessage> {
      yield { value: 3 }
      throw new Error('the file is gone')
    })()
    const thrown = await failureOf(sendMany('orders.placed', throwing, send))
    assert.match(thrown.message, /the file is gone/)
    assert.deepEqual([thrown.details.failed, sent], [[1], [2, 3]])
  })

  it('ends nothing when nobody awaits it', async () => {
    const unhandled: unknown[] = []
    const note = (reason: unknown): void => void unhandled.push(reason)
    process.on('unhandledRejection', note)
    void sendMany('orders.placed', [{ value: 1 }], () => Promise.reject(new MqError('MQ_CLOSED', 'closed')))
    await new Promise((resolve) => setTimeout(resolve, 10))
    process.off('unhandledRejection', note)
    assert.deepEqual(unhandled, [])
  })
})
