import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  NO_GENERATION,
} from '../src/group/member-metadata.ts'

const SUBSCRIPTION = {
  topics: ['orders', 'zwölf'],
  owned: [
    { topic: 'orders', partition: 0 },
    { topic: 'orders', partition: 7 },
    { topic: 'zwölf', partition: 2 },
  ],
  generation: 42,
  rackId: 'r1',
}

describe('what members of a classic group tell each other', () => {
  it('comes back as it was written (U1)', () => {
    assert.deepEqual(decodeSubscription(encodeSubscription(SUBSCRIPTION)), SUBSCRIPTION)
    const bare = { topics: ['t'], owned: [], generation: NO_GENERATION, rackId: null }
    assert.deepEqual(decodeSubscription(encodeSubscription(bare)), bare)
    assert.deepEqual(decodeAssignment(encodeAssignment(SUBSCRIPTION.owned)), SUBSCRIPTION.owned)
    assert.deepEqual(decodeAssignment(Buffer.alloc(0)), [])
  })

  it('is byte for byte what the published schema says', () => {
    const bytes = encodeSubscription({
      topics: ['t'],
      owned: [{ topic: 't', partition: 5 }],
      generation: 9,
      rackId: null,
    })
    const expected = [
      '0003',
      '00000001',
      '000174',
      'ffffffff',
      '00000001',
      '000174',
      '00000001',
      '00000005',
      '00000009',
      'ffff',
    ]
    assert.equal(bytes.toString('hex'), expected.join(''))
    assert.equal(
      encodeAssignment([{ topic: 't', partition: 5 }]).toString('hex'),
      ['0003', '00000001', '000174', '00000001', '00000005', 'ffffffff'].join(''),
    )
  })

  it('is read in older versions, with user data, and with fields of later ones at the end (U1)', () => {
    const hex = (...parts: string[]) => Buffer.from(parts.join(''), 'hex')
    const old = decodeSubscription(hex('0000', '00000001', '000174', '00000002', 'beef'))
    assert.deepEqual(old, { topics: ['t'], owned: [], generation: NO_GENERATION, rackId: null })
    const first = decodeSubscription(
      hex('0001', '00000001', '000174', 'ffffffff', '00000001', '000174', '00000001', '00000003'),
    )
    assert.deepEqual(first.owned, [{ topic: 't', partition: 3 }])
    assert.equal(first.generation, NO_GENERATION)
    const later = Buffer.concat([encodeSubscription(SUBSCRIPTION), Buffer.from('something new')])
    later.writeInt16BE(4)
    assert.deepEqual(decodeSubscription(later), SUBSCRIPTION)
  })

  it('is refused when cut anywhere or damaged, and never hangs or allocates by a claim (U2)', () => {
    const whole = encodeSubscription(SUBSCRIPTION)
    for (let length = 0; length < whole.length; length += 1) {
      assert.throws(
        () => decodeSubscription(whole.subarray(0, length)),
        { code: 'MQ_PROTOCOL_VIOLATION' },
        `cut at ${length}`,
      )
    }
    const huge = Buffer.from('00037fffffff', 'hex')
    assert.throws(() => decodeSubscription(huge), /claims 2147483647 elements/)
    for (let at = 0; at < whole.length; at += 1) {
      for (const value of [0, 0x7f, 0x80, 0xff]) {
        const damaged = Buffer.from(whole)
        damaged[at] = value
        try {
          decodeSubscription(damaged)
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'MQ_PROTOCOL_VIOLATION')
        }
      }
    }
  })
})
