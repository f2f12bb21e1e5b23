/** Leaving a group for a change of its positions and coming back (hold-follower H1-H4). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GroupHold } from '@mq/contract'
import { HoldFollower } from '../src/epochs/hold-follower.ts'
import { FakeTime, turn } from './support/time.ts'

const hold = (change: number, attempt = 1, group = 'g'): GroupHold => ({ group, change, attempt, forMs: 1_000 })

function rig(parts: { comeBack?: () => Promise<void>; leave?: () => Promise<void> } = {}) {
  const time = new FakeTime()
  const steps: string[] = []
  const errors: unknown[] = []
  const follower = new HoldFollower({
    group: 'g',
    deps: time.deps,
    leave: async ({ change }) => {
      steps.push(`leave ${change}`)
      await parts.leave?.()
      steps.push('left')
    },
    comeBack: async () => {
      steps.push('join')
      await parts.comeBack?.()
      steps.push('joined')
    },
    onError: (error) => errors.push(error),
  })
  return { time, steps, errors, follower }
}

test('a group is left for its hold and joined when that is gone; holds of others say nothing (H1)', async () => {
  const { steps, follower } = rig()
  await follower.join()
  follower.update([hold(1, 1, 'other')])
  await turn()
  assert.deepEqual(steps, ['join', 'joined'])
  follower.update([hold(1)])
  await turn()
  follower.update([hold(1)])
  await turn()
  assert.deepEqual(steps.splice(0), ['join', 'joined', 'leave 1', 'left'])
  follower.update([])
  await turn()
  assert.deepEqual(steps, ['join', 'joined'])
})

test('a hold that is there already keeps from joining; the one who waits hears when it is gone (H4)', async () => {
  const { steps, follower } = rig()
  follower.update([hold(1)])
  let isJoined = false
  const joining = follower.join().then(() => {
    isJoined = true
  })
  await turn()
  assert.deepEqual([steps.length, isJoined], [0, false])
  follower.update(undefined)
  await joining
  assert.deepEqual(steps, ['join', 'joined'])
})

test('a hold ends by itself and is not followed again; a new attempt of it is (H1, H3)', async () => {
  const { time, steps, follower } = rig()
  await follower.join()
  follower.update([hold(1)])
  await time.advance(999)
  assert.deepEqual(steps.splice(0), ['join', 'joined', 'leave 1', 'left'])
  await time.advance(1)
  assert.deepEqual(steps.splice(0), ['join', 'joined'])
  follower.update([hold(1)])
  await time.advance(5_000)
  assert.deepEqual(steps, [])
  follower.update([hold(1, 2)])
  await turn()
  assert.deepEqual(steps, ['leave 1', 'left'])
  follower.update(undefined)
  await turn()
  assert.equal(time.timers, 0)
})

test('coming back waits until leaving is through, whatever bindings come meanwhile (H2)', async () => {
  const gate = Promise.withResolvers<void>()
  const { steps, follower } = rig({ leave: () => gate.promise })
  await follower.join()
  follower.update([hold(1)])
  follower.update([])
  follower.update([hold(2)])
  follower.update([])
  await turn()
  assert.deepEqual(steps.splice(0), ['join', 'joined', 'leave 1'])
  gate.resolve()
  await turn()
  assert.deepEqual(steps, ['left', 'join', 'joined'])
})

test('leaving does not wait for a join that takes for ever: whoever leaves ends it (H2)', async () => {
  const gate = Promise.withResolvers<void>()
  const { steps, follower } = rig({ comeBack: () => gate.promise, leave: async () => gate.resolve() })
  let isJoined = false
  void follower.join().then(() => {
    isJoined = true
  })
  await turn()
  follower.update([hold(1)])
  await turn()
  assert.deepEqual([steps.splice(0), isJoined], [['join', 'leave 1', 'joined', 'left'], false])
  follower.update([])
  await turn()
  assert.deepEqual([steps, isJoined], [['join', 'joined'], true])
})

test('a join that fails for good is told to both; a close waits for whoever leaves, and follows nothing more', async () => {
  const failing = rig({ comeBack: () => Promise.reject(new Error('no')) })
  await assert.rejects(failing.follower.join(), /no/)
  assert.equal(failing.errors.length, 1)
  const gate = Promise.withResolvers<void>()
  const { steps, follower } = rig({ leave: () => gate.promise })
  await follower.join()
  follower.update([hold(1)])
  let isClosed = false
  const closing = follower.close().then(() => {
    isClosed = true
  })
  await turn()
  assert.equal(isClosed, false)
  gate.resolve()
  await closing
  follower.update([])
  await turn()
  assert.deepEqual(steps, ['join', 'joined', 'leave 1', 'left'])
})
