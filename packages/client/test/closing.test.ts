import assert from 'node:assert/strict'
import { it } from 'node:test'
import { closeInTurn } from '../src/consume/closing.ts'
import { FakeTime } from './support/time.ts'

it('closes what reads first, and flushes what it still sent with all the time that is left (D1)', async () => {
  const time = new FakeTime()
  const steps: string[] = []
  const reading = Promise.withResolvers<void>()
  const closing = closeInTurn(
    time.deps,
    8_000,
    (handlersMs) => {
      steps.push(`handlers ${handlersMs}`)
      return reading.promise
    },
    async (limitMs) => {
      steps.push(`flush ${limitMs}`)
      return 'flushed'
    },
  )
  await time.advance(1_000)
  assert.deepEqual(steps, ['handlers 6000'])
  reading.resolve()
  assert.equal(await closing, 'flushed')
  assert.deepEqual(steps, ['handlers 6000', 'flush 7000'])
  assert.equal(time.timers, 0)
})

it('keeps time for the flush when a subscription takes all it can get, and ends with the deadline, although it has not ended (D2, D3)', async () => {
  const time = new FakeTime()
  const flushes: number[] = []
  let ended = ''
  const reading = Promise.withResolvers<void>()
  const closing = closeInTurn(
    time.deps,
    8_000,
    () => reading.promise,
    async (limitMs) => {
      flushes.push(limitMs)
      return 'flushed'
    },
  ).then(() => {
    ended = 'closed'
  })
  await time.advance(7_999)
  assert.deepEqual([flushes, ended], [[1_000], ''])
  await time.advance(1)
  await closing
  assert.equal(ended, 'closed')
  assert.equal(time.timers, 0)
})
