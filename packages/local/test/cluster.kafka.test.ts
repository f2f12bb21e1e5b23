/** One real broker: invariants C1, C2, C3 (cluster.ts), B1 to B3 (broker.ts), F2, F3 (cluster-folder.ts), V1 (jvm.ts). */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { MqError } from '@mq/contract'
import { within } from '@mq/testkit'
import { type LocalCluster, startCluster } from '../src/index.ts'
import { probe } from '../src/probe.ts'

const TIMEOUT = { timeout: 300_000 }

function portOf(cluster: LocalCluster): number {
  return Number(cluster.bootstrap[0]?.split(':')[1])
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

describe('one broker with kept data', TIMEOUT, () => {
  const folder = mkdtempSync(join(tmpdir(), 'mq-local-test-'))
  let cluster: LocalCluster

  before(async () => {
    // The first start on a machine also fetches Kafka and makes the class archive; the figure is about a cached one.
    await (await startCluster({ dataDir: folder })).stop()
    cluster = await within(5_000, () => startCluster({ dataDir: folder, proxy: true }))
  }, TIMEOUT)

  after(async () => {
    await cluster.stop()
    rmSync(folder, { recursive: true, force: true })
  }, TIMEOUT)

  test('it answers clients on the advertised address with itself and a controller', TIMEOUT, async () => {
    assert.deepEqual(await probe(portOf(cluster), 2_000), { brokers: [1], controller: 1 })
  })

  test('its log is written to the file it names', () => {
    const [broker] = cluster.brokers
    assert.ok(broker)
    assert.match(readFileSync(broker.logFile, 'utf8'), /Kafka Server started/)
  })

  test('it holds less than 320 MB', { skip: process.platform !== 'linux' && 'reads /proc' }, () => {
    const pid = cluster.brokers[0]?.pid
    assert.ok(pid !== undefined)
    const mb = residentMb(pid)
    assert.ok(mb > 50 && mb <= 320, `${Math.round(mb)} MB`)
  })

  test('a second cluster on the same folder is refused with MQ_STORE_LOCKED and harms nothing', TIMEOUT, async () => {
    await assert.rejects(startCluster({ dataDir: folder }), (error: unknown) => {
      assert.ok(error instanceof MqError)
      assert.equal(error.code, 'MQ_STORE_LOCKED')
      assert.ok(error.message.includes(folder))
      return true
    })
    assert.ok(await probe(portOf(cluster), 2_000))
  })

  test('a paused broker takes connections and answers nothing until it is resumed', TIMEOUT, async () => {
    const [broker] = cluster.brokers
    assert.ok(broker)
    broker.pause()
    try {
      // The signal reaches a process that runs on another core a moment later.
      for (let tries = 0; tries < 20 && (await probe(broker.port, 500)) !== undefined; tries++);
      assert.equal(await probe(broker.port, 500), undefined)
    } finally {
      broker.resume()
    }
    assert.ok(await probe(broker.port, 5_000))
  })

  test('a black hole before the broker stops answers, and healing it lets them through', TIMEOUT, async () => {
    const [broker] = cluster.brokers
    assert.ok(broker?.proxy)
    broker.proxy.blackhole('to-client')
    assert.equal(await probe(broker.port, 400), undefined)
    broker.proxy.heal()
    assert.ok(await probe(broker.port, 5_000))
  })

  test('a killed broker is gone at once, and comes back on its port with its identity', TIMEOUT, async () => {
    const [broker] = cluster.brokers
    assert.ok(broker?.pid !== undefined)
    const { pid: killed, port } = broker
    await broker.kill()
    assert.equal(broker.pid, undefined)
    assert.equal(isAlive(killed), false)
    assert.throws(() => broker.pause(), /not running/)
    await broker.restart()
    assert.equal(broker.port, port)
    assert.notEqual(broker.pid, killed)
    assert.deepEqual(await probe(port, 2_000), { brokers: [1], controller: 1 })
  })

  test('stopped in order and started again, it keeps its cluster id and its address', TIMEOUT, async () => {
    const { clusterId, bootstrap } = cluster
    const [broker] = cluster.brokers
    await cluster.stop()
    assert.match(
      readFileSync(broker?.logFile ?? '', 'utf8'),
      /\[BrokerServer id=1\] Transition from SHUTTING_DOWN to SHUTDOWN/,
    )
    assert.ok(existsSync(join(folder, 'broker-1', 'data', '.kafka_cleanshutdown')))
    cluster = await startCluster({ dataDir: folder, proxy: true })
    assert.equal(cluster.clusterId, clusterId)
    assert.deepEqual(cluster.bootstrap, bootstrap)
  })

  test('a port that was taken meanwhile is replaced', TIMEOUT, async () => {
    const port = portOf(cluster)
    await cluster.stop()
    const squatter = createServer().listen(port, '127.0.0.1')
    try {
      cluster = await startCluster({ dataDir: folder, proxy: true })
      assert.notEqual(portOf(cluster), port)
      assert.ok(await probe(portOf(cluster), 2_000))
    } finally {
      squatter.close()
    }
  })

  test('a folder of one broker is not opened as three', TIMEOUT, async () => {
    await cluster.stop()
    await assert.rejects(startCluster({ dataDir: folder, brokers: 3 }), { code: 'MQ_OPTION_INVALID' })
    cluster = await startCluster({ dataDir: folder, proxy: true })
  })
})

test('without a data folder everything is gone after stop, and stopping twice is fine', TIMEOUT, async () => {
  const cluster = await startCluster({ name: 'passing' })
  const pids = cluster.brokers.map((broker) => broker.pid)
  assert.ok(existsSync(cluster.folder))
  await Promise.all([cluster.stop(), cluster.stop()])
  assert.equal(existsSync(cluster.folder), false)
  for (const pid of pids) assert.equal(pid !== undefined && isAlive(pid), false)
})

test(
  'a setting that Kafka refuses fails the start with its reason and the log, leaving no process',
  TIMEOUT,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mq-local-test-'))
    try {
      await assert.rejects(startCluster({ dataDir: folder, configs: { 'num.io.threads': '0' } }), (error: unknown) => {
        assert.ok(error instanceof MqError)
        assert.equal(error.code, 'MQ_KAFKA_START_FAILED')
        assert.match(error.message, /num\.io\.threads/)
        assert.match(error.message, /log: .*broker-1/)
        return true
      })
      // The lock was given back as well.
      await (await startCluster({ dataDir: folder })).stop()
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)

test('an aborted start rejects with the reason and gives the folder back', TIMEOUT, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mq-local-test-'))
  const abort = new AbortController()
  setTimeout(() => abort.abort(new Error('changed my mind')), 300)
  try {
    await assert.rejects(startCluster({ dataDir: folder, signal: abort.signal }), /changed my mind/)
    await (await startCluster({ dataDir: folder })).stop()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('when the program that started them is killed, brokers and temporary data go too', TIMEOUT, async () => {
  const program = `
    import { startCluster } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)}
    const cluster = await startCluster()
    console.log(JSON.stringify({ pid: cluster.brokers[0].pid, folder: cluster.folder }))
    setInterval(() => {}, 1000)
  `
  const child = spawn(process.execPath, ['--conditions=mq-source', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const line = await new Promise<string>((resolve) => child.stdout.once('data', (data) => resolve(String(data))))
  const { pid, folder } = JSON.parse(line) as { pid: number; folder: string }
  assert.ok(isAlive(pid))
  child.kill('SIGKILL')
  for (let waited = 0; waited < 100 && (isAlive(pid) || existsSync(folder)); waited++) await sleep(100)
  assert.equal(isAlive(pid), false)
  assert.equal(existsSync(folder), false)
})
