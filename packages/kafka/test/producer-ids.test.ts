import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Deps, systemDeps } from '@mq/contract/timing'
import type { Connection } from '@platformatic/kafka'
import { ProducerIds } from '../src/produce/producer-ids.ts'
import { pretendApis } from '../src/protocol/api-versions.ts'
import { BrokerApis } from '../src/protocol/broker-apis.ts'

type Done = (error: Error | null, answer?: unknown) => void

/** A connection that answers every question, or none. */
function connectionThat(answers: boolean) {
  const seen = { asked: 0, destroyed: 0 }
  const connection = {
    socket: { destroy: () => void seen.destroyed++ },
    send: (...parts: unknown[]) => {
      seen.asked++
      if (answers) (parts.at(-1) as Done)(null, { throttleTimeMs: 0, errorCode: 0, producerId: 7n, producerEpoch: 0 })
    },
  }
  pretendApis(connection as unknown as Connection, new BrokerApis([[22, { min: 0, max: 4 }]]))
  return { connection: connection as unknown as Connection, seen }
}

test('a broker that takes the question for a producer id and stays silent is left for another one (I4)', {
  timeout: 300_000,
}, async () => {
  const silent = connectionThat(false)
  const fine = connectionThat(true)
  const queue = [silent.connection, fine.connection]
  const limits: number[] = []
  // Time passes a thousand times as fast.
  const deps: Deps = {
    ...systemDeps,
    timers: {
      ...systemDeps.timers,
      setTimeout: (fn, delayMs) => {
        limits.push(delayMs)
        return systemDeps.timers.setTimeout(fn, delayMs / 1_000)
      },
    },
  }
  await new Promise<void>((changed) => {
    const ids = new ProducerIds({ anyConnection: async () => queue.shift()! }, deps, () => {
      assert.deepEqual(ids.current(), { producerId: 7n, producerEpoch: 0 })
      changed()
    })
    assert.equal(ids.ready(), false)
  })
  assert.deepEqual(silent.seen, { asked: 1, destroyed: 1 })
  assert.deepEqual(fine.seen, { asked: 1, destroyed: 0 })
  assert.ok(Math.max(...limits) <= 10_000)
})
