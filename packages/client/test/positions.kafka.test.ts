import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, afterEach, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { MqError } from '@mq/contract'
import { Admin, Cluster } from '@mq/kafka'
import { RecordingLogger } from './support/logs.ts'
import { Stack } from './support/stack.ts'
import { until } from './support/time.ts'

interface Event {
  n: string
}

/** Positions of groups on real Kafka while what they belong to changes. */
describe('positions of a group on real Kafka', { timeout: 300_000 }, () => {
  let stack: Stack
  let cluster: Cluster
  let admin: Admin
  before(
    async () => {
      stack = await Stack.start()
      cluster = new Cluster({ name: 'main', clientId: 'positions-test', bootstrap: stack.cluster.bootstrap })
      admin = new Admin(cluster)
    },
    { timeout: 300_000 },
  )
  after(
    async () => {
      await cluster?.close()
      await stack?.stop()
    },
    { timeout: 300_000 },
  )
  afterEach(() => stack.closeConnections(), { timeout: 300_000 })

  for (const isCommitted of [true, false]) {
    const what = isCommitted ? 'whose group has committed' : 'whose group has not committed what it read'
    it(`reads a topic ${what} from its beginning when it was created again (R10)`, { timeout: 300_000 }, async () => {
      const id = `reborn.${isCommitted ? 'committed' : 'uncommitted'}`
      const topic = `${id}.e1`
      const logger = new RecordingLogger()
      const mq = await stack.connect({ logger })
      const seen: string[] = []
      await mq.consume<Event>(id, 'g', (message) => void seen.push(message.value.n))
      const send = (prefix: string, count: number): Promise<unknown> =>
        Promise.all(Array.from({ length: count }, (_, n) => mq.send(id, { n: `${prefix}${n}` }, { key: 'k' })))
      const receipt = await mq.send(id, { n: 'old' }, { key: 'k' })
      await send('old', 99)
      await until('the old records are handled', () => seen.length === 100, 30_000)
      const total = async (): Promise<bigint> =>
        [...(await admin.committedOffsets(`g@${id}`, [topic])).values()].reduce((sum, offset) => sum + offset, 0n)
      if (isCommitted) await until('they are committed', async () => (await total()) === 100n, 10_000)
      await admin.deleteTopic(topic)
      await until(
        'the topic is there again',
        () =>
          admin.createTopic({ name: topic, partitions: 4, replication: 1 }).then(
            () => true,
            () => false,
          ),
        20_000,
      )
      seen.length = 0
      await send('new', 150)
      await until('the new records are handled', () => new Set(seen).size === 150, 60_000)
      assert.ok(seen.every((n) => n.startsWith('new')))
      await until('they are committed', async () => (await total()) === 150n, 10_000)
      const positions = await admin.committedPositions(`g@${id}`, [topic])
      assert.equal(positions.find(({ partition }) => partition === receipt.partition)?.topicId, cluster.topicId(topic))
      assert.equal(logger.codes().filter((code) => code === 'MQ_TOPIC_RECREATED').length >= 1, true)
    })
  }

  /** Records that the group has on record as finished, over all partitions; every offset here is a record. */
  async function finishedOf(group: string, id: string): Promise<bigint> {
    const positions = await admin.committedPositions(`${group}@${id}`, [`${id}.e1`])
    return positions.reduce(
      (sum, { offset, finished }) => sum + offset + finished.reduce((part, { first, end }) => part + end - first, 0n),
      0n,
    )
  }

  it('repeats after a restart only what was not finished: two of a key that fails, none of 400 others (R2)', {
    timeout: 300_000,
  }, async () => {
    const id = 'held.back'
    const sender = await stack.connect()
    for (const n of ['bad 1', 'bad 2']) await sender.send(id, { n }, { key: 'bad' })
    await sender.sendMany(
      id,
      Array.from({ length: 400 }, (_, n) => ({ value: { n: `good ${n}` }, key: `k${n % 40}` })),
    )
    const handed = async (isMended: boolean, isOver: (seen: readonly string[]) => boolean): Promise<string[]> => {
      const mq = await stack.connect({ logger: new RecordingLogger() })
      const seen: string[] = []
      const handle = (message: { value: Event }): void => {
        seen.push(message.value.n)
        if (message.value.n.startsWith('bad') && !isMended) throw new Error('not yet')
      }
      const subscription = await mq.consume<Event>(id, 'g', handle, { concurrency: 8 })
      await until('what can be handled is', () => isOver(seen), 30_000)
      if (!isMended) await until('only the bad ones are unfinished', () => subscription.unfinished() === 2, 30_000)
      await mq.close()
      return seen
    }
    const good = (seen: readonly string[]): number => seen.filter((n) => n.startsWith('good')).length
    assert.equal(good(await handed(false, (seen) => good(seen) === 400)), 400)
    for (let start = 0; start < 2; start++) {
      const seen = await handed(false, (some) => some.length > 2)
      assert.deepEqual([...new Set(seen)], ['bad 1'])
    }
    assert.deepEqual(await handed(true, (seen) => seen.length >= 2), ['bad 1', 'bad 2'])
    assert.equal(await finishedOf('g', id), 402n)
  })

  it('repeats after kill -9 only what was not finished when the group last committed (R2)', {
    timeout: 300_000,
  }, async () => {
    const id = 'killed.midway'
    const mq = await stack.connect()
    await Promise.all(Array.from({ length: 100 }, (_, n) => mq.send(id, { n }, { key: `k${n}` })))
    const script = fileURLToPath(new URL('./support/crash-consumer.ts', import.meta.url))
    const args = ['--conditions=mq-source', script, stack.url, id, 'g', stack.cacheDir]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    // It never ends the last ten.
    await until('90 are on record as finished', async () => (await finishedOf('g', id)) === 90n, 40_000)
    child.kill('SIGKILL')
    await once(child, 'exit')
    const seen: number[] = []
    await mq.consume<{ n: number }>(id, 'g', (message) => void seen.push(message.value.n), { concurrency: 4 })
    await until('all are on record as finished', async () => (await finishedOf('g', id)) === 100n, 40_000)
    assert.deepEqual(
      seen.toSorted((a, b) => a - b),
      [90, 91, 92, 93, 94, 95, 96, 97, 98, 99],
    )
  })

  it('hands what is unfinished, and nothing else, to a member that takes a partition over (R2)', {
    timeout: 300_000,
  }, async () => {
    const id = 'taken.over'
    const first = await stack.connect()
    await Promise.all(Array.from({ length: 200 }, (_, n) => first.send(id, { n }, { key: `k${n}` })))
    const seen = new Map<number, string[]>()
    const isStuck = (n: number): boolean => n % 40 === 0
    let isMended = false
    const read = async (mq: Awaited<ReturnType<typeof stack.connect>>, who: string) =>
      await mq.consume<{ n: number }>(
        id,
        'g',
        ({ value: { n } }) => {
          seen.set(n, [...(seen.get(n) ?? []), who])
          if (isStuck(n) && !isMended) throw new Error('not yet')
        },
        { concurrency: 4 },
      )
    const one = await read(first, 'first')
    await until('195 are finished', () => seen.size === 200 && one.unfinished() === 5, 30_000)
    const second = await stack.connect()
    const other = await read(second, 'second')
    await until('the second holds some', () => other.lag() !== null, 30_000)
    await one.close()
    isMended = true
    await until('all are on record as finished', async () => (await finishedOf('g', id)) === 200n, 40_000)
    for (const [n, by] of seen) {
      if (!isStuck(n)) assert.deepEqual(by, ['first'], `${n} was handed to ${by.join(', ')}`)
    }
  })

  it('gives a handler that hangs a signal, and hands its message out again when it gives up (X1, X2)', {
    timeout: 300_000,
  }, async () => {
    const id = 'hanging.handler'
    const mq = await stack.connect({ logger: new RecordingLogger() })
    await mq.send(id, { n: 'stuck' }, { key: 'a' })
    await mq.send(id, { n: 'other' }, { key: 'b' })
    const attempts: number[] = []
    let others = 0
    const untilFired = (signal: AbortSignal): Promise<never> =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
    const subscription = await mq.consume<Event>(
      id,
      'g',
      ({ value: { n }, attempt }, { signal }) => {
        if (n === 'other') {
          others++
          return undefined
        }
        attempts.push(attempt)
        return attempt < 3 ? untilFired(signal) : undefined
      },
      { concurrency: 4, handlerTimeoutMs: 300 },
    )
    await until('the third attempt ends it', () => subscription.unfinished() === 0 && attempts.length === 3, 30_000)
    assert.deepEqual([attempts, others], [[1, 2, 3], 1])
    await subscription.close()
    await mq.send(id, { n: 'again' }, { key: 'a' })
    let told: unknown
    const waiting = await mq.consume<Event>(id, 'g', (_, { signal }) => {
      told = 'running'
      return untilFired(signal).catch((reason: unknown) => {
        told = reason
      })
    })
    await until('it runs', () => told === 'running', 30_000)
    await waiting.close({ deadlineMs: 200 })
    await until('it is told', () => told instanceof MqError && told.code === 'MQ_CLOSED', 10_000)
  })
})
