/** The fake cluster goes by the clock it is given: sessions of groups end, and answers come late, when the test says so. */
import assert from 'node:assert/strict'
import { it, type TestContext } from 'node:test'
import type { Deps, TimerHandle } from '@mq/kafka'
import { FakeCluster, type FakeClusterOptions } from '@mq/testkit'
import type { Connection } from '@platformatic/kafka'
import { Cluster } from '../src/net/cluster.ts'
import * as requests from '../src/protocol/requests.ts'
import { until } from './group-fixture.ts'

const TIMEOUT = { timeout: 300_000 }

class ManualTime {
  #nowMs = 1_000_000
  #timers: { readonly atMs: number; readonly fn: () => void }[] = []
  readonly deps: Pick<Deps, 'clock' | 'timers'> = {
    clock: { nowMs: () => this.#nowMs, monotonicMs: () => this.#nowMs },
    timers: {
      setTimeout: (fn, delayMs) => {
        const timer = { atMs: this.#nowMs + delayMs, fn }
        this.#timers.push(timer)
        return { ...timer, unref: () => undefined, timer } as TimerHandle
      },
      clearTimeout: (handle) => {
        const { timer } = handle as unknown as { timer: unknown }
        this.#timers = this.#timers.filter((one) => one !== timer)
      },
    },
  }

  get pending(): number {
    return this.#timers.length
  }

  advance(byMs: number): void {
    this.#nowMs += byMs
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs)
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.#nowMs)
    for (const { fn } of due) fn()
  }
}

async function stage(t: TestContext, options: Partial<FakeClusterOptions> = {}) {
  const time = new ManualTime()
  const fake = await FakeCluster.start({ topics: { t: 2 }, deps: time.deps, ...options })
  const cluster = new Cluster({ name: 'c', clientId: 'test', bootstrap: [fake.bootstrap] })
  t.after(async () => {
    await cluster.close()
    await fake.stop()
  })
  return { time, fake, connection: await cluster.anyConnection('admin') }
}

const beat = (connection: Connection, memberId: string, epoch: number) =>
  requests.consumerGroupHeartbeat.send(connection, 'g', memberId, epoch, null, null, 60_000, ['t'], null, null, [])

it(
  'a member that is not heard of for its session is no member any more, and what it held is free',
  TIMEOUT,
  async (t) => {
    const { time, fake, connection } = await stage(t, { groupTimes: { sessionTimeoutMs: 10_000 } })
    const { memberEpoch } = await beat(connection, 'quiet', 0)
    await beat(connection, 'loud', 0)
    time.advance(6_000)
    await beat(connection, 'loud', memberEpoch + 1)
    assert.deepEqual(fake.membersOf('g').toSorted(), ['loud', 'quiet'])
    time.advance(6_000)
    assert.deepEqual(fake.membersOf('g'), ['loud'])
    const { assignment } = await beat(connection, 'loud', memberEpoch + 1)
    assert.deepEqual(assignment?.topicPartitions.flatMap(({ partitions }) => partitions).toSorted(), [0, 1])
  },
)

it('a delayed answer comes when its time has come', TIMEOUT, async (t) => {
  const { time, fake, connection } = await stage(t)
  fake.control('Metadata', () => ({ kind: 'delay', when: 'before', delayMs: 60_000 }))
  let isAnswered = false
  const answer = requests.metadata.send(connection, ['t'], false, false).then((told) => {
    isAnswered = true
    return told
  })
  await until('the answer is held back', () => time.pending === 1)
  time.advance(59_999)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(isAnswered, false)
  time.advance(1)
  assert.equal((await answer).topics[0]?.name, 't')
})
