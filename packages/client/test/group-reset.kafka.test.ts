import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import type { GroupChange } from '@mq/contract'
import { type ControlPlane, silentLogger, startControlPlane } from '@mq/control-plane'
import { Admin, Cluster } from '@mq/kafka'
import { type LocalCluster, startCluster } from '@mq/local'
import { connect, type MqConnection } from '../src/index.ts'
import { RecordingLogger } from './support/logs.ts'
import { until } from './support/time.ts'

interface Handled {
  readonly key: string
  readonly n: number
  readonly epoch: number
  readonly partition: number
  readonly writtenMs: number
  readonly atMs: number
}

const KEYS = 24

/** Positions of running groups changed through the binding, on real Kafka with a real control plane. */
describe('positions of a running group', { timeout: 600_000 }, () => {
  let kafka: LocalCluster
  let plane: ControlPlane
  let dir: string
  const open = new Set<MqConnection>()
  before(
    async () => {
      dir = await mkdtemp(join(tmpdir(), 'mq-reset-'))
      kafka = await startCluster({
        name: 'main',
        configs: {
          'group.consumer.heartbeat.interval.ms': '1000',
          'group.consumer.min.heartbeat.interval.ms': '1000',
          'group.consumer.session.timeout.ms': '6000',
          'group.consumer.min.session.timeout.ms': '6000',
        },
      })
      plane = await startControlPlane({
        port: 0,
        dataDir: join(dir, 'plane'),
        createOnFirstUse: true,
        clusters: [{ name: 'main', bootstrap: kafka.bootstrap, securityProtocol: 'plaintext' }],
        logger: silentLogger,
        migrationTimes: { warmMs: 1_500 },
      })
    },
    { timeout: 600_000 },
  )
  afterEach(
    async () => {
      for (const mq of open) await mq.close({ deadlineMs: 5_000 }).catch(() => {})
      open.clear()
    },
    { timeout: 600_000 },
  )
  after(
    async () => {
      await plane?.close()
      await kafka?.stop()
      await rm(dir, { recursive: true, force: true })
    },
    { timeout: 600_000 },
  )

  async function joined(app: string): Promise<MqConnection> {
    const mq = await connect({ url: plane.url, app, cacheDir: join(dir, 'cache'), logger: new RecordingLogger() })
    open.add(mq)
    return mq
  }

  async function call<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${plane.url}${path}`, {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    const text = await response.text()
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`)
    return JSON.parse(text) as T
  }

  const changed = (id: string, body: unknown): Promise<GroupChange> =>
    call('POST', `/v1/ids/${id}/groups/positions`, body)

  async function over({ number }: GroupChange): Promise<GroupChange> {
    let change: GroupChange | undefined
    await until(
      'the change is over',
      async () => {
        change = await call<GroupChange>('GET', `/v1/group-changes/${number}`)
        return change.state === 'done' || change.state === 'failed'
      },
      120_000,
    )
    return change!
  }

  it('two members under load go back to a time that lies in the epoch before: all from there on, nothing before, once', {
    timeout: 600_000,
  }, async (test) => {
    const id = 'reset.live'
    const members = [await joined('one'), await joined('two')]
    const sender = await joined('sender')
    await sender.send(id, { n: -1 }, { key: 'first' })
    const handled: Handled[] = []
    for (const mq of members) {
      const note = (message: {
        key: string | null
        value: { n: number }
        epoch: number
        partition: number
        timestampMs: number
      }): void => {
        const { epoch, partition, timestampMs } = message
        handled.push({
          key: message.key!,
          n: message.value.n,
          epoch,
          partition,
          writtenMs: timestampMs,
          atMs: Date.now(),
        })
      }
      await mq.consume<{ n: number }>(id, 'billing', note, { concurrency: 8 })
    }
    let isSending = true
    let n = 0
    const load = (async () => {
      while (isSending) {
        const burst = Array.from({ length: KEYS }, () => ({ value: { n }, key: `k${n++ % KEYS}` }))
        await sender.sendMany(id, burst)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    })()
    await until('the first epoch has records that were read', () => handled.length > 200, 60_000)
    const timeMs = Date.now()
    const atTime = n
    await until('more were sent after that time', () => n > atTime + 200, 60_000)
    await call('POST', `/v1/ids/${id}/migrations`, { partitions: 7 })
    await until('the next epoch is read, too', () => handled.some(({ epoch }) => epoch === 2), 90_000)
    const inSecond = n
    await until('there is a good part of it', () => n > inSecond + 200, 60_000)
    const { epochs } = await call<{ epochs: { epoch: number; topic: string; partitions: number; state: string }[] }>(
      'GET',
      `/v1/ids/${id}`,
    )
    assert.deepEqual(
      epochs.map(({ state }) => state),
      ['sealed', 'open'],
    )

    const asked = await changed(id, { group: 'billing', action: { kind: 'to-time', timeMs } })
    assert.equal(asked.isLive, true)
    const done = await over(asked)
    assert.equal(done.state, 'done', JSON.stringify(done.problem))
    const backAtMs = done.endedAtMs!
    await until('the members read on', () => handled.some(({ atMs }) => atMs > backAtMs), 60_000)
    await until(
      'and come to what is new',
      () => handled.some(({ atMs, n: number }) => atMs > backAtMs && number > n - 200),
      60_000,
    )
    isSending = false
    await load
    const again = (): Handled[] => handled.filter(({ atMs }) => atMs > backAtMs)
    await until('all of it is read', () => new Set(handled.map((one) => one.n)).size === n + 1, 60_000)
    const lastDone = (): boolean => new Set(again().map((one) => one.n)).size >= wanted().size
    const wanted = (): Set<number> =>
      new Set(handled.filter(({ writtenMs }) => writtenMs >= timeMs).map((one) => one.n))
    await until('all from that time on is read again', lastDone, 60_000)

    const early = again().filter(({ writtenMs }) => writtenMs < timeMs)
    assert.deepEqual(early.slice(0, 3), [], 'nothing before the time')
    const missing = [...wanted()].filter((number) => !again().some((one) => one.n === number))
    assert.deepEqual(missing.slice(0, 3), [], 'everything from it on')
    assert.equal(again().length, wanted().size, 'each of them once: the change was applied once')
    assert.ok(again().some(({ epoch }) => epoch === 1) && again().some(({ epoch }) => epoch === 2), 'in both epochs')
    const last = new Map<string, number>()
    for (const { key, n: number } of again()) {
      assert.ok(number > (last.get(key) ?? -1), `${key}: ${number} after ${last.get(key)}`)
      last.set(key, number)
    }

    const cluster = new Cluster({ name: 'main', clientId: 'test', bootstrap: kafka.bootstrap })
    const admin = new Admin(cluster)
    for (const { epoch, topic, partitions } of epochs) {
      const all = Array.from({ length: partitions }, (_, index) => index)
      const first = await admin.listOffsets(topic, all, { timestampMs: timeMs })
      for (const move of done.moves.filter((one) => one.epoch === epoch)) {
        assert.equal(
          move.after,
          String(first.get(move.partition) ?? move.end),
          `epoch ${epoch} partition ${move.partition}`,
        )
      }
    }
    await cluster.close()
    const { entries } = await call<{ entries: { kind: string }[] }>('GET', `/v1/journal?subject=${id}&limit=50`)
    assert.equal(entries.filter(({ kind }) => kind === 'group-positions').length, 1)
    test.diagnostic(`${again().length} of ${n} read again; away for ${backAtMs - asked.createdAtMs} ms`)
  })

  it('passes exactly the one record that a handler cannot take, while the group runs', {
    timeout: 600_000,
  }, async () => {
    const id = 'skip.live'
    const mq = await joined('one')
    const bad = await mq.send(id, { n: 0 }, { key: 'bad' })
    await mq.sendMany(
      id,
      Array.from({ length: 40 }, (_, at) => ({ value: { n: at + 1 }, key: at < 3 ? 'bad' : `k${at}` })),
    )
    const seen: number[] = []
    await mq.consume<{ n: number }>(
      id,
      'g',
      ({ value }) => {
        if (value.n === 0) throw new Error('never')
        seen.push(value.n)
      },
      { concurrency: 4 },
    )
    await until('only its key waits', () => seen.length === 37, 60_000)
    const action = { kind: 'skip', offset: String(bad.baseOffset) }
    const done = await over(await changed(id, { group: 'g', action, partition: bad.partition }))
    assert.deepEqual([done.state, done.skipped], ['done', 1], JSON.stringify(done.problem))
    await until('those behind it are handled', () => seen.length >= 40, 60_000)
    assert.deepEqual(
      seen.toSorted((a, b) => a - b),
      Array.from({ length: 40 }, (_, at) => at + 1),
      'each once',
    )
  })

  it('a new group begins at a time; one with positions keeps them, and says so once', {
    timeout: 600_000,
  }, async () => {
    const id = 'from.time'
    const mq = await joined('one')
    const send = (from: number): Promise<unknown> =>
      mq.sendMany(
        id,
        Array.from({ length: 20 }, (_, at) => ({ value: { n: from + at }, key: `k${at}` })),
      )
    await send(0)
    await new Promise((resolve) => setTimeout(resolve, 20))
    const time = new Date()
    await send(20)
    const read = async (): Promise<number[]> => {
      const seen: number[] = []
      const reader = await joined('reader')
      await reader.consume<{ n: number }>(id, 'late', ({ value }) => void seen.push(value.n), { from: time })
      await until('it has read to the end', () => seen.length >= 20, 30_000)
      await reader.close()
      return seen.toSorted((a, b) => a - b)
    }
    assert.deepEqual(
      await read(),
      Array.from({ length: 20 }, (_, at) => 20 + at),
    )
    await send(40)
    const logger = new RecordingLogger()
    const again = await connect({ url: plane.url, app: 'again', cacheDir: join(dir, 'cache'), logger })
    open.add(again)
    const seen: number[] = []
    await again.consume<{ n: number }>(id, 'late', ({ value }) => void seen.push(value.n), { from: new Date(0) })
    await until('only what is new', () => seen.length >= 20, 30_000)
    assert.deepEqual(
      seen.toSorted((a, b) => a - b),
      Array.from({ length: 20 }, (_, at) => 40 + at),
    )
    assert.deepEqual(logger.codes(), ['MQ_GROUP_KEPT'])
  })
})
