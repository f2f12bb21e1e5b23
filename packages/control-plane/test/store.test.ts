/**
 * The store: one owner, whole writes or none, incarnations that rise (store S1-S4, folder-lock L1-L2, sqlite Q1-Q3).
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { MqError } from '@mq/contract'
import { systemDeps } from '@mq/kafka'
import { STORE_FILE, Store } from '../src/store/store.ts'
import { FakeKafka } from './fake-kafka.ts'
import { assertProblem, type Harness, movableClock, startHarness, temporaryFolder } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const hasCode = (code: string) => (error: unknown) => error instanceof MqError && error.code === code

/** A process that owns the folder and says so. */
async function ownerProcess(dataDir: string): Promise<ReturnType<typeof spawn>> {
  const program = `
    import { systemDeps } from '@mq/kafka'
    import { Store } from ${JSON.stringify(new URL('../src/store/store.ts', import.meta.url).href)}
    await Store.open(${JSON.stringify(dataDir)}, systemDeps)
    console.log('open')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--conditions=mq-source', '--input-type=module', '-e', program], {
    cwd: new URL('..', import.meta.url),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout!, 'data')
  return child
}

test(
  'a second owner of a data folder is refused by the pid of the first, and a dead owner is no obstacle (L1, L2)',
  TIMEOUT,
  async (t) => {
    const dataDir = temporaryFolder(t)
    const child = await ownerProcess(dataDir)
    t.after(() => child.kill('SIGKILL'))
    await assert.rejects(Store.open(dataDir, systemDeps), (error: MqError) => {
      assert.equal(error.code, 'MQ_STORE_LOCKED')
      assert.ok(error.message.includes(`process ${child.pid}`), error.message)
      return true
    })
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
    const store = await Store.open(dataDir, systemDeps)
    await store.close()
  },
)

test('of many that want one folder at the same moment exactly one gets it (L1)', TIMEOUT, async (t) => {
  const dataDir = temporaryFolder(t)
  const results = await Promise.allSettled(Array.from({ length: 10 }, () => Store.open(dataDir, systemDeps)))
  const open = results.filter((result) => result.status === 'fulfilled')
  assert.equal(open.length, 1)
  for (const result of results) if (result.status === 'rejected') assert.ok(hasCode('MQ_STORE_LOCKED')(result.reason))
  await open[0]!.value.close()
})

test('an incarnation stays over a restart, and rises for a new store and a restored one (S2)', TIMEOUT, async (t) => {
  const deps = movableClock()
  const dataDir = temporaryFolder(t)
  const open = async (folder = dataDir): Promise<Store> => {
    deps.advance(5_000)
    return Store.open(folder, deps)
  }
  const first = await open()
  const { incarnation } = first
  await first.close()
  const again = await open()
  assert.equal(again.incarnation, incarnation)
  await again.close()
  copyFileSync(join(dataDir, STORE_FILE), join(dataDir, 'backup'))
  const worked = await open()
  await worked.close()
  copyFileSync(join(dataDir, 'backup'), join(dataDir, STORE_FILE))
  const restored = await open()
  assert.ok(restored.incarnation > incarnation, 'the old copy is a new life')
  await restored.close()
  const fresh = await open(temporaryFolder(t))
  assert.ok(fresh.incarnation > restored.incarnation, 'a new store is above every older one')
  await fresh.close()
})

test('a store that was not closed keeps its incarnation and all that was acknowledged (Q3)', TIMEOUT, async (t) => {
  const kafka = new FakeKafka()
  const dataDir = temporaryFolder(t)
  const first = await startHarness(t, { kafka, dataDir })
  await first.call('PUT', '/v1/ids/orders.placed', { intent: {} })
  const { incarnation, revision } = first.store
  const copy = temporaryFolder(t)
  for (const file of [STORE_FILE, `${STORE_FILE}-wal`, 'store-mark.json']) {
    copyFileSync(join(dataDir, file), join(copy, file))
  }
  const second = await startHarness(t, { kafka, dataDir: copy })
  assert.equal(second.store.incarnation, incarnation)
  assert.equal(second.store.revision, revision)
  assert.equal(second.registry.get('orders.placed')?.state, 'active')
})

test(
  'a client that is ahead of the store proves a restore: a new incarnation is published, once (O1-O3)',
  TIMEOUT,
  async (t) => {
    const plane = await startHarness(t)
    await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })
    const before = plane.registry.binding('orders.placed')!
    const report = (incarnation: number, revision: number) =>
      plane.call('POST', '/v1/telemetry', {
        app: 'a',
        instance: 'i',
        version: '1',
        windowStartMs: 0,
        windowMs: 10_000,
        cpuUs: 0,
        rssBytes: 0,
        bindings: [{ mqId: 'orders.placed', incarnation, revision }],
        producers: [],
        consumers: [],
      })
    assert.equal((await report(before.incarnation, before.revision)).status, 200)
    await report(before.incarnation + 10_000_000, 1)
    assert.equal(plane.store.incarnation, before.incarnation, 'an incarnation of the future is a lie')
    await report(before.incarnation, before.revision + 5)
    const after = plane.registry.binding('orders.placed')!
    assert.ok(after.incarnation > before.incarnation)
    await report(after.incarnation, after.revision + 5)
    assert.equal(plane.registry.binding('orders.placed')!.incarnation, after.incarnation, 'not twice within a minute')
  },
)

test(
  'a full disk fails the request whole, and the next one goes through once there is room (S4)',
  TIMEOUT,
  async (t) => {
    const plane = await startHarness(t)
    await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })
    const before = plane.registry.binding('orders.placed')!
    const pages = (plane.store.sqlite.prepare('PRAGMA page_count').get() as { page_count: number }).page_count
    plane.store.sqlite.exec(`PRAGMA max_page_count = ${pages}`)
    const owner = { team: 'x'.repeat(100), service: 'y'.repeat(100) }
    let problem: unknown
    for (let round = 0; round < 50 && problem === undefined; round++) {
      const answer = await plane.call('PUT', `/v1/ids/orders.n${round}`, { intent: { owner } })
      if (answer.status === 200) continue
      problem = assertProblem(answer, 'MQ_STORE_FAILED')
      assert.equal(answer.status, 507)
      const listed = (await plane.call('GET', '/v1/ids')).body.ids.map((one: { id: string }) => one.id)
      assert.ok(!listed.includes(`orders.n${round}`))
    }
    assert.notEqual(problem, undefined, 'the disk was full at last')
    assert.equal((await plane.call('GET', '/v1/ids/orders.placed')).body.revision, before.revision)
    const rows = plane.store.sqlite.prepare('SELECT count(*) AS n FROM journal').get() as { n: number }
    const revisions = plane.store.sqlite.prepare('SELECT max(revision) AS n FROM mq_ids').get() as { n: number }
    plane.store.sqlite.exec('PRAGMA max_page_count = 1000000')
    assert.equal(revisions.n, plane.store.revision)
    await plane.provisioner.resume()
    assert.deepEqual(
      plane.registry.all().filter((record) => record.pending !== null),
      [],
    )
    assert.equal((await plane.call('PUT', '/v1/ids/orders.after', { intent: { owner } })).status, 200)
    assert.ok((plane.store.sqlite.prepare('SELECT count(*) AS n FROM journal').get() as { n: number }).n > rows.n)
  },
)

test('a disk that is really full is said, and what was acknowledged before is there afterwards', TIMEOUT, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mq-cp-disk-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder])
  if (mounted.status !== 0) {
    rmSync(folder, { recursive: true })
    return t.skip('only root can mount a small disk')
  }
  const planes: Harness[] = []
  try {
    const kafka = new FakeKafka()
    const dataDir = join(folder, 'data')
    const plane = await startHarness(t, { kafka, dataDir })
    planes.push(plane)
    const acknowledged: string[] = []
    for (const id of ['orders.placed', 'orders.paid']) {
      assert.equal((await plane.call('PUT', `/v1/ids/${id}`, { intent: {} })).status, 200)
      acknowledged.push(id)
    }
    fillDisk(join(folder, 'filler'))
    for (let round = 0; round < 20; round++) {
      const answer = await plane.call('PUT', `/v1/ids/orders.n${round}`, { intent: {} })
      if (answer.status === 200) acknowledged.push(`orders.n${round}`)
      else assertProblem(answer, 'MQ_STORE_FAILED')
    }
    assert.ok(acknowledged.length < 22, 'the disk was full')
    const ready = await plane.call('GET', '/v1/ready')
    assert.equal(ready.status, 503)
    assert.match(ready.body.checks.store, /MQ_STORE_FAILED/)
    assert.equal((await plane.call('GET', '/v1/bindings/orders.placed')).status, 200, 'reading goes on')
    await plane.close()
    rmSync(join(folder, 'filler'))
    const again = await startHarness(t, { kafka, dataDir })
    planes.push(again)
    for (const id of acknowledged) assert.equal(again.registry.get(id)?.state, 'active', id)
    assert.equal((await again.call('PUT', '/v1/ids/orders.after', { intent: {} })).status, 200)
  } finally {
    for (const plane of planes) await plane.close()
    execFileSync('umount', ['-l', folder])
    rmSync(folder, { recursive: true, force: true })
  }
})

/** Takes every byte of the disk the file lies on. */
function fillDisk(file: string): void {
  const descriptor = openSync(file, 'w')
  try {
    for (let size = 65_536; size >= 1; size = Math.floor(size / 4)) {
      try {
        for (;;) writeSync(descriptor, Buffer.alloc(size))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
    }
  } finally {
    closeSync(descriptor)
  }
}

test('a folder that cannot be written is said at the start', TIMEOUT, async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'file'), '')
  await assert.rejects(Store.open(join(folder, 'file', 'data'), systemDeps), hasCode('MQ_STORE_FAILED'))
  mkdirSync(join(folder, 'damaged'))
  writeFileSync(
    join(folder, 'damaged', STORE_FILE),
    'this is no database, but long enough to be read as one'.repeat(100),
  )
  await assert.rejects(Store.open(join(folder, 'damaged'), systemDeps), hasCode('MQ_STORE_DAMAGED'))
  rmSync(join(folder, 'damaged', STORE_FILE))
  const store = await Store.open(join(folder, 'damaged'), systemDeps)
  await store.close()
})

test('a store written by a newer mQ is not touched', TIMEOUT, async (t) => {
  const dataDir = temporaryFolder(t)
  const store = await Store.open(dataDir, systemDeps)
  await store.close()
  const database = new DatabaseSync(join(dataDir, STORE_FILE))
  database.exec("INSERT INTO kysely_migration (name, timestamp) VALUES ('9999-later', '2030-01-01')")
  database.close()
  await assert.rejects(Store.open(dataDir, systemDeps), (error: MqError) => {
    assert.equal(error.code, 'MQ_STORE_NEWER')
    assert.match(error.message, /written by a newer mQ/)
    return true
  })
})

test('only the owner of the process can read the store', TIMEOUT, async (t) => {
  const dataDir = join(temporaryFolder(t), 'data')
  const store = await Store.open(dataDir, systemDeps)
  assert.equal(statSync(dataDir).mode & 0o077, 0)
  assert.equal(statSync(join(dataDir, STORE_FILE)).mode & 0o077, 0)
  assert.equal(JSON.parse(readFileSync(join(dataDir, 'owner.json'), 'utf8')).pid, process.pid)
  await store.close()
})
