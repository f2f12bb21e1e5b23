import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bindingVersion, compareBindings } from '@mq/contract'
import fc from 'fast-check'
import { BindingStore } from '../src/bindings/store.ts'
import { bindingOf } from './support/bindings.ts'
import { RecordingLogger } from './support/logs.ts'

describe('BindingStore', () => {
  it('ends with the newest binding whatever the order of arrival, and never goes back (S1, S3)', () => {
    const version = fc.record({ incarnation: fc.integer({ min: 1, max: 3 }), revision: fc.integer({ min: 1, max: 8 }) })
    fc.assert(
      fc.property(fc.array(version, { minLength: 1, maxLength: 20 }), (versions) => {
        const store = new BindingStore(new RecordingLogger())
        const heard: string[] = []
        store.listen('orders.placed', (binding) => heard.push(bindingVersion(binding)))
        const applied: string[] = []
        for (const each of versions) {
          const before = store.get('orders.placed')
          const answer = store.apply(bindingOf(each), 'push')
          assert.equal(answer, before === undefined || compareBindings(each, before) > 0 ? 'applied' : 'not-newer')
          if (answer === 'applied') applied.push(bindingVersion(each))
        }
        const newest = versions.toSorted(compareBindings).at(-1)!
        assert.equal(bindingVersion(store.get('orders.placed')!), bindingVersion(newest))
        assert.deepEqual(heard, applied)
      }),
    )
  })

  it('keeps what does not match the contract out and the last good one in force (S2)', () => {
    const logger = new RecordingLogger()
    const store = new BindingStore(logger)
    store.apply(bindingOf(), 'get')
    const twoOpen = bindingOf().epochs.concat({ ...bindingOf().epochs[0]!, epoch: 2 })
    for (const bad of [
      null,
      7,
      'x',
      {},
      [],
      { mqId: 'orders.placed' },
      bindingOf({ revision: 0 }),
      bindingOf({ revision: 9, epochs: twoOpen }),
    ]) {
      assert.equal(store.apply(bad, 'push'), 'invalid')
    }
    assert.equal(store.get('orders.placed')?.revision, 1)
    assert.deepEqual([...new Set(logger.codes())], ['MQ_BINDING_INVALID'])
    assert.match(logger.lines.at(-1)!.message, /orders\.placed .*at most one epoch is open.*1\.1 stays in force/)
  })

  it('tells nobody who stopped listening', () => {
    const store = new BindingStore(new RecordingLogger())
    let heard = 0
    const stop = store.listen('orders.placed', () => heard++)
    store.apply(bindingOf(), 'push')
    stop()
    store.apply(bindingOf({ revision: 2 }), 'push')
    assert.equal(heard, 1)
  })
})
