import assert from 'node:assert/strict'
import { chmod, lstat, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { BindingCache, defaultCacheDir } from '../src/bindings/cache.ts'
import { bindingOf } from './support/bindings.ts'
import { RecordingLogger } from './support/logs.ts'

const MQ_ID = 'orders.placed'

describe('BindingCache', () => {
  let dir = ''
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'mq-cache-'))
  })
  after(() => rm(dir, { recursive: true, force: true }))

  let scope = 0
  function fresh(logger = new RecordingLogger()): { cache: BindingCache; file: string; logger: RecordingLogger } {
    const cache = new BindingCache({ dir, url: `http://cp-${scope++}`, app: 'checkout', logger })
    return { cache, file: join(cache.folder, `${MQ_ID}.json`), logger }
  }

  it('gives back what was kept, in a private folder and file (C1)', async () => {
    const { cache, file, logger } = fresh()
    assert.equal(await cache.hasAny(), false)
    assert.equal(await cache.load(MQ_ID), undefined)
    await cache.save(bindingOf())
    await cache.save(bindingOf({ revision: 2 }))
    assert.deepEqual(await cache.load(MQ_ID), bindingOf({ revision: 2 }))
    assert.equal(await cache.hasAny(), true)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    assert.equal((await stat(cache.folder)).mode & 0o777, 0o700)
    assert.deepEqual(await readdir(cache.folder), [`${MQ_ID}.json`])
    assert.deepEqual(logger.lines, [])
  })

  it('keeps control planes and applications apart (C1)', async () => {
    const { cache } = fresh()
    await cache.save(bindingOf())
    const other = fresh().cache
    assert.notEqual(other.folder, cache.folder)
    assert.equal(await other.load(MQ_ID), undefined)
  })

  const damages: Record<string, (file: string) => Promise<void>> = {
    truncated: (file) => truncate(file, 40),
    empty: (file) => truncate(file, 0),
    'not JSON': (file) => writeFile(file, '{"layout":'),
    'another layout': (file) => writeFile(file, '{"layout":99}'),
    'a list': (file) => writeFile(file, '[]'),
    null: (file) => writeFile(file, 'null'),
    'too large': (file) => writeFile(file, Buffer.alloc(2_000_000, 32)),
    'writable by others': (file) => chmod(file, 0o666),
    'of another mQ ID': async (file) => {
      const content = JSON.parse(await readFile(file, 'utf8'))
      content.binding.mqId = 'orders.paid'
      await writeFile(file, JSON.stringify(content))
    },
    'of another control plane': async (file) => {
      const content = JSON.parse(await readFile(file, 'utf8'))
      content.url = 'http://elsewhere'
      await writeFile(file, JSON.stringify(content))
    },
    'against the contract': async (file) => {
      const content = JSON.parse(await readFile(file, 'utf8'))
      content.binding.epochs[0].partitions = -1
      await writeFile(file, JSON.stringify(content))
    },
  }
  for (const [name, damage] of Object.entries(damages)) {
    it(`sets a file that is ${name} aside and goes on without it (C2)`, async () => {
      const { cache, file, logger } = fresh()
      await cache.save(bindingOf())
      await damage(file)
      assert.equal(await cache.load(MQ_ID), undefined)
      assert.deepEqual(logger.codes(), ['MQ_CACHE_DAMAGED'])
      assert.deepEqual(await readdir(cache.folder), [`${MQ_ID}.json.damaged`])
      await cache.save(bindingOf({ revision: 3 }))
      assert.equal((await cache.load(MQ_ID))?.revision, 3)
    })
  }

  it('neither follows nor overwrites through a symbolic link (C2)', async () => {
    const { cache, file, logger } = fresh()
    await cache.save(bindingOf())
    const treasure = join(dir, 'treasure')
    const content = await readFile(file, 'utf8')
    await writeFile(treasure, content)
    await rm(file)
    await symlink(treasure, file)
    assert.equal(await cache.load(MQ_ID), undefined)
    await symlink(treasure, file)
    await cache.save(bindingOf({ revision: 9 }))
    assert.equal(await readFile(treasure, 'utf8'), content)
    assert.ok((await lstat(file)).isFile())
    assert.equal((await cache.load(MQ_ID))?.revision, 9)
    assert.ok(logger.codes().every((code) => code === 'MQ_CACHE_DAMAGED'))
  })

  it('never rejects when it cannot write, and says so once (C3)', async () => {
    const logger = new RecordingLogger()
    const blocked = join(dir, 'a-file')
    await writeFile(blocked, '')
    const cache = new BindingCache({ dir: blocked, url: 'http://cp', app: 'checkout', logger })
    await cache.save(bindingOf())
    await cache.save(bindingOf({ revision: 2 }))
    assert.equal(await cache.load(MQ_ID), undefined)
    assert.deepEqual(logger.codes(), ['MQ_CACHE_UNUSABLE'])
  })

  it('survives any bytes in the file (C2)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.json().map((text) => Buffer.from(text)),
        ),
        async (bytes) => {
          const { cache, file } = fresh()
          await cache.save(bindingOf())
          await writeFile(file, bytes)
          assert.equal(await cache.load(MQ_ID), undefined)
        },
      ),
      { numRuns: 40 },
    )
  })

  it('stands in the cache folder of the user', () => {
    assert.equal(defaultCacheDir({ XDG_CACHE_HOME: '/x' }), '/x/mq')
    assert.match(defaultCacheDir({}), /\.cache\/mq$/)
  })
})
