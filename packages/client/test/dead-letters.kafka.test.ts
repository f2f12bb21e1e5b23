/**
 * Dead letters on real Kafka: 2 bad and 400 good messages through kill -9, a migration and a restart; then the bad ones come back.
 *
 * Bounds that are checked: nothing is lost; the dead letters are exactly the bad messages; a bad message is tried at most once more than
 * `attempts` for each process that was killed; after a clean restart nothing is repeated; another group sees nothing twice.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { letterOf } from '@mq/contract'
import type { ReceivedMessage } from '../src/index.ts'
import { Stack } from './support/stack.ts'
import { until } from './support/time.ts'

interface Event {
  n: number
  bad?: boolean
}

const ID = 'orders.placed'
const ATTEMPTS = 6
const BAD = [13, 200]
const LIMIT = { timeout: 600_000 }

describe('dead letters on real Kafka', LIMIT, () => {
  let stack: Stack
  before(async () => {
    stack = await Stack.start()
  }, LIMIT)
  after(() => stack?.stop(), LIMIT)

  it(
    'are exactly the bad messages, through kill -9, a migration and a restart, and come back to their group only',
    LIMIT,
    async (t) => {
      const backoff = { baseMs: '400ms', maxMs: '1s' }
      await stack.declare(ID, { groups: { billing: { retry: { attempts: ATTEMPTS, backoff }, deadLetter: true } } })
      const sender = await stack.connect()
      const send = (from: number, to: number): Promise<unknown> =>
        Promise.all(
          Array.from({ length: to - from }, (_, index) => from + index).map((n) => {
            const bad = BAD.includes(n)
            const value = bad ? { n, bad } : { n }
            return sender.send(ID, value, { key: bad ? `bad-${n}` : `k${n % 20}`, headers: { n: String(n) } })
          }),
        )
      const audited: number[] = []
      const audit = await stack.connect()
      await audit.consume<Event>(ID, 'audit', ({ value }) => void audited.push(value.n))

      // A process that is killed while both kinds are under way.
      const good = new Set<number>()
      let badAttempts = 0
      const script = fileURLToPath(new URL('./support/failing-consumer.ts', import.meta.url))
      const args = ['--conditions=mq-source', script, stack.url, ID, 'billing', `${stack.cacheDir}-killed`]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      t.after(() => void child.kill('SIGKILL'))
      let text = ''
      child.stdout.on('data', (part: Buffer) => {
        text += part.toString()
        for (const line of text.split('\n').slice(0, -1)) {
          const [kind, n] = line.split(' ')
          if (kind === 'good') good.add(Number(n))
          else badAttempts++
        }
        text = text.slice(text.lastIndexOf('\n') + 1)
      })
      await send(0, 201)
      await until('the first process is in the middle', () => good.size >= 60 && badAttempts >= 2, 60_000)
      child.kill('SIGKILL')
      await once(child, 'exit')

      let isMended = false
      const back: ReceivedMessage<Event>[] = []
      const repeats: number[] = []
      const start = async () => {
        const mq = await stack.connect({ app: 'billing' })
        const handler = async (message: ReceivedMessage<Event>): Promise<void> => {
          const { n, bad } = message.value
          if (bad !== true) {
            if (good.has(n)) repeats.push(n)
            good.add(n)
          } else if (isMended) back.push(message)
          else throw new RangeError(`cannot handle ${n}`)
        }
        const subscription = await mq.consume<Event>(ID, 'billing', handler, { concurrency: 8 })
        return { mq, subscription }
      }
      let billing = await start()
      const moved = await fetch(`${stack.url}/v1/ids/${ID}/migrations`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ partitions: 8 }),
      })
      assert.equal(moved.ok, true, await moved.text())
      await send(201, 402)
      const box = sender.deadLetters(ID, 'billing')
      await until('every good message is handled', () => good.size === 400, 120_000)
      await until('both bad ones are put aside', async () => (await box.list()).length === 2, 120_000)
      await until('audit has seen all', () => new Set(audited).size === 402, 120_000)

      const letters = await box.list()
      const shown = []
      for await (const letter of box.show()) shown.push(letter)
      assert.deepEqual(
        shown
          .map(({ valueBytes, key, headers }) => [
            String(valueBytes),
            String(key),
            headers.map(({ value }) => String(value)),
          ])
          .toSorted(),
        BAD.map((n) => [JSON.stringify({ n, bad: true }), `bad-${n}`, [String(n)]]).toSorted(),
      )
      for (const { attempts, reason, app, firstFailedAtMs, lastFailedAtMs, timestampMs } of letters) {
        assert.ok(attempts >= ATTEMPTS && attempts <= ATTEMPTS + 1, `${attempts} attempts`)
        assert.deepEqual([reason.name, reason.kind, app], ['RangeError', 'handler', 'billing'])
        assert.ok(firstFailedAtMs <= lastFailedAtMs && timestampMs <= lastFailedAtMs)
      }

      const keptByPlane = async (): Promise<number | null> => {
        const answer = await fetch(`${stack.url}/v1/dead-letters?id=${ID}`)
        const { queues } = (await answer.json()) as { queues: { kept: number | null }[] }
        return queues[0]!.kept
      }
      await until('the control plane counts both', async () => (await keptByPlane()) === 2, 60_000)

      // A clean restart repeats nothing.
      await billing.mq.close()
      repeats.length = 0
      isMended = true
      billing = await start()
      await sender.send(ID, { n: 500 }, { key: 'k1' })
      await until('the next message is handled', () => good.has(500), 60_000)
      assert.deepEqual([repeats, (await box.list()).map(letterOf)], [[], letters.map(letterOf)])

      // What is put aside comes back to its group, as it was, and to no other.
      assert.deepEqual(await box.redrive({}, { by: 'test' }), { done: 2, tooOften: 0, left: 0 })
      await until('both are handled', () => back.length === 2, 60_000)
      const places = (list: readonly { epoch: number; partition: number; offset: string }[]): string[] =>
        list.map(({ epoch, partition, offset }) => `${epoch}.${partition}.${offset}`).toSorted()
      assert.deepEqual(places(back), places(letters))
      assert.deepEqual(
        back.map(({ value, key }) => [value.n, key]).toSorted(),
        BAD.map((n) => [n, `bad-${n}`]).toSorted(),
      )
      assert.deepEqual([await box.list(), (await box.redrive()).done], [[], 0])
      await until('the control plane counts none', async () => (await keptByPlane()) === 0, 60_000)
      await until('audit has the one after, too', () => audited.includes(500), 60_000)
      assert.deepEqual(
        BAD.map((n) => audited.filter((seen) => seen === n).length),
        [1, 1],
      )
      assert.equal(back.length, 2)
    },
  )
})
