import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Binding, MqError } from '@mq/contract'
import type { Subscription } from '../src/api/types.ts'
import { RedriveLane } from '../src/dead-letters/redrive-lane.ts'
import { bindingOf } from './support/bindings.ts'
import { RecordingLogger } from './support/logs.ts'
import { FakeTime } from './support/time.ts'

interface Opened {
  readonly id: string
  readonly end: (error?: MqError) => void
  isClosed: boolean
}

const boundTo = (redrive: string): Binding => bindingOf({ groups: { billing: { redrive } } })
const fatal = (): MqError => new MqError('MQ_INTERNAL', 'something inside failed')

function stage(open: (opened: Opened) => Promise<void> = async () => {}) {
  const time = new FakeTime(() => 1)
  const logger = new RecordingLogger()
  const opened: Opened[] = []
  const lane = new RedriveLane({
    group: 'billing',
    deps: time.deps,
    logger,
    open: async (id, onMade) => {
      const { promise: done, resolve, reject } = Promise.withResolvers<void>()
      done.catch(() => {})
      const one: Opened = { id, isClosed: false, end: (error) => (error === undefined ? resolve() : reject(error)) }
      opened.push(one)
      const close = async (): Promise<void> => {
        one.isClosed = true
        resolve()
      }
      onMade({ done, close } as unknown as Subscription)
      await open(one)
    },
  })
  return { lane, time, logger, opened }
}

describe('the lane through which dead letters come back', () => {
  it('is opened again, with growing pauses, when it ends by itself (RL5)', async () => {
    const { lane, time, logger, opened } = stage()
    lane.follow(boundTo('mq.redrive.a'))
    await time.advance(0)
    const pausesMs: number[] = []
    for (let times = 0; times < 4; times++) {
      const before = opened.length
      opened.at(-1)!.end(fatal())
      let waitedMs = 0
      for (; opened.length === before; waitedMs += 100) await time.advance(100)
      pausesMs.push(waitedMs)
    }
    assert.equal(opened.length, 5)
    assert.deepEqual(
      pausesMs,
      pausesMs.toSorted((a, b) => a - b),
      String(pausesMs),
    )
    assert.ok(pausesMs[3]! > pausesMs[0]!, String(pausesMs))
    assert.deepEqual(logger.codes(), ['MQ_GROUP_FAILED'])
    // What was read for long did not fail again and again.
    await time.advance(60_000)
    opened.at(-1)!.end(fatal())
    await time.advance(pausesMs[0]!)
    assert.equal(opened.length, 6)
    await lane.close(1_000)
    assert.equal(opened.at(-1)!.isClosed, true)
    await time.advance(60_000)
    assert.equal(opened.length, 6)
  })

  it('is not opened again when it was closed, or when the binding names another (RL4)', async () => {
    const { lane, time, opened } = stage()
    lane.follow(boundTo('mq.redrive.a'))
    await time.advance(0)
    lane.follow(boundTo('mq.redrive.a'))
    lane.follow(boundTo('mq.redrive.b'))
    await time.advance(60_000)
    assert.deepEqual(
      opened.map(({ id, isClosed }) => [id, isClosed]),
      [
        ['mq.redrive.a', true],
        ['mq.redrive.b', false],
      ],
    )
    await lane.close(1_000)
    await time.advance(60_000)
    assert.equal(opened.length, 2)
  })

  it('is tried again until it can be opened', async () => {
    let failures = 5
    const { lane, time, logger, opened } = stage(async () => {
      if (failures-- > 0) throw new MqError('MQ_CONTROL_PLANE_AWAY', 'away')
    })
    lane.follow(boundTo('mq.redrive.a'))
    await time.advance(120_000)
    assert.equal(opened.length, 6)
    assert.deepEqual(logger.codes(), ['MQ_GROUP_FAILED'])
    await lane.close(1_000)
  })
})
