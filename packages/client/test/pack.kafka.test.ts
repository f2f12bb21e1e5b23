import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Stack } from './support/stack.ts'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
const PACKAGES = ['contract', 'kafka', 'client']

const PROGRAM = `import { connect } from '@mq/client'

const mq = await connect({ url: process.env.MQ_URL, app: 'ten-lines', cacheDir: null })
const { promise, resolve } = Promise.withResolvers()
await mq.send('packed.orders', { id: 'o-1', total: 42 }, { key: 'o-1' })
await mq.consume('packed.orders', process.env.GROUP, async (message) => resolve(message))
const message = await promise
console.log(message.key, message.value.total)
await mq.close()
`

const TYPED_PROGRAM = `import { connect, type Message, MqError, type Receipt } from '@mq/client'

interface Order { id: string; total: number }

const mq = await connect({ url: process.env.MQ_URL ?? '', app: 'ten-lines', cacheDir: null })
const orders = mq.queue<Order>('packed.orders')
const order: Order = { id: 'o-2', total: 43 }
const receipt: Receipt = await orders.send(order, { key: order.id })
console.log(typeof receipt.partition)
const { promise, resolve } = Promise.withResolvers<Message<Order>>()
await using subscription = await orders.consume(process.env.GROUP ?? '', (message) => resolve(message))
console.log((await promise).value.total > 0)
try {
  // @ts-expect-error a total is a number
  await orders.send({ id: 'o-3', total: { wrong: true, self: 10n } })
} catch (error) {
  if (error instanceof MqError) console.log(error.code)
}
// @ts-expect-error there is no such option
await connect({ url: 'http://127.0.0.1:1', app: 'x', topic: 'y' }).catch(() => {})
await subscription.close()
await mq.close()
`

describe('the packed packages', { timeout: 300_000 }, () => {
  let stack: Stack
  let dir = ''
  let project = ''
  before(
    async () => {
      dir = await mkdtemp(join(tmpdir(), 'mq-pack-'))
      project = join(dir, 'project')
      await mkdir(project)
      stack = await Stack.start()
    },
    { timeout: 300_000 },
  )
  after(
    async () => {
      await stack?.stop()
      await rm(dir, { recursive: true, force: true })
    },
    { timeout: 300_000 },
  )

  it('hold the built code, its types and the licence, and nothing else', { timeout: 300_000 }, async () => {
    await run(process.execPath, [TSC, '-b', join(ROOT, 'packages/client')], { cwd: ROOT })
    const licence = await readFile(join(ROOT, 'LICENSE'), 'utf8')
    for (const name of PACKAGES) {
      const folder = join(ROOT, 'packages', name)
      assert.equal(await readFile(join(folder, 'LICENSE'), 'utf8'), licence)
      const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', dir], { cwd: folder })
      const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }]
      const paths = files.map((file) => file.path)
      for (const wanted of ['LICENSE', 'package.json', 'dist/index.js', 'dist/index.d.ts']) {
        assert.ok(paths.includes(wanted), `${name} holds ${wanted}`)
      }
      const odd = paths.filter(
        (path) => !/^(LICENSE|README\.md|package\.json|dist\/.+\.(js|d\.ts)(\.map)?)$/.test(path),
      )
      assert.deepEqual(odd, [], name)
      const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
      assert.equal(manifest.license, 'Apache-2.0')
      assert.equal(manifest.private, undefined)
      assert.equal(manifest.version, JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')).version)
    }
    assert.equal((await readdir(dir)).filter((name) => name.endsWith('.tgz')).length, PACKAGES.length)
  })

  it('install into an empty project', { timeout: 300_000 }, async () => {
    await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'ten-lines', private: true, type: 'module' }))
    const tarballs = (await readdir(dir)).filter((name) => name.endsWith('.tgz')).map((name) => join(dir, name))
    const args = ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', ...tarballs]
    await run('npm', args, { cwd: project })
    const installed = await readdir(join(project, 'node_modules', '@mq'))
    assert.deepEqual(installed.toSorted(), PACKAGES.toSorted())
  })

  it('run the ten-line program as plain JavaScript', { timeout: 300_000 }, async () => {
    await writeFile(join(project, 'program.js'), PROGRAM)
    const env = { ...process.env, MQ_URL: stack.url, GROUP: 'javascript' }
    const { stdout, stderr } = await run(process.execPath, ['program.js'], { cwd: project, env, timeout: 300_000 })
    assert.equal(stdout, 'o-1 42\n')
    assert.equal(stderr, '')
  })

  it('check and run the program as TypeScript', { timeout: 300_000 }, async () => {
    await writeFile(join(project, 'program.ts'), TYPED_PROGRAM)
    await mkdir(join(project, 'node_modules', '@types'), { recursive: true })
    const types = dirname(fileURLToPath(import.meta.resolve('@types/node/package.json')))
    await cp(types, join(project, 'node_modules', '@types', 'node'), { recursive: true })
    const undici = join(dirname(dirname(types)), 'undici-types')
    await cp(undici, join(project, 'node_modules', 'undici-types'), { recursive: true })
    const config = {
      compilerOptions: {
        target: 'es2024',
        lib: ['es2024', 'esnext.disposable'],
        module: 'nodenext',
        types: ['node'],
        strict: true,
        noEmit: true,
        skipLibCheck: true,
      },
      files: ['program.ts'],
    }
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify(config))
    await run(process.execPath, [TSC, '-p', project], { cwd: project }).catch((error: { stdout: string }) => {
      assert.fail(error.stdout)
    })
    const env = { ...process.env, MQ_URL: stack.url, GROUP: 'typescript' }
    const { stdout } = await run(process.execPath, ['program.ts'], { cwd: project, env, timeout: 300_000 })
    assert.deepEqual(stdout.trim().split('\n'), ['number', 'true', 'MQ_MESSAGE_INVALID'])
  })
})
