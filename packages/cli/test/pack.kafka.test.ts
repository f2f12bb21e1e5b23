/**
 * The packages as people get them: packed, installed into an empty folder, and used there with the `mq dev` that was installed.
 *
 * What npm installs beside them comes from its cache or the registry in use.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { basename, delimiter, dirname, join, relative } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Pace } from '@mq/testkit'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
const NAMES = [
  'api-client',
  'autopilot',
  'cli',
  'client',
  'contract',
  'control-plane',
  'economics',
  'kafka',
  'local',
  'testing',
]
/** Eight packages are built, packed, looked at and installed: minutes on a busy machine. */
const LIMIT = { timeout: 1_800_000 }

const PROGRAM = `import { connect } from '@mq/client'

const mq = await connect({ url: process.env.MQ_URL, app: 'ten-lines', cacheDir: null })
const { promise, resolve } = Promise.withResolvers()
await mq.send('packed.orders', { id: 'o-1', total: 42 }, { key: 'o-1' })
await mq.consume('packed.orders', process.env.GROUP, async (message) => resolve(message))
const message = await promise
console.log(message.key, message.value.total)
await mq.close()
`

const TYPED_PROGRAM = `import { connect, type Message, type Mq, MqError, type Receipt } from '@mq/client'; import { ManualTime } from '@mq/testing'

interface Order { id: string; total: number }

const mq: Mq = await connect({ url: process.env.MQ_URL ?? '', app: 'ten-lines', cacheDir: null })
const orders = mq.queue<Order>('packed.orders')
const order: Order = { id: 'o-2', total: 43 }
const receipt: Receipt = await orders.send(order, { key: order.id })
console.log(typeof receipt.partition, new ManualTime(5).nowMs)
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

/** As a person has it: none of what this run was started with, and the Node of this run first. */
function surroundings(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(?:npm_(?:command|lifecycle|package)|MQ_|NODE_TEST|NODE_OPTIONS)/i.test(name),
  )
  const PATH = `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`
  return { ...Object.fromEntries(kept), PATH, ...more }
}

/** A clone without what git leaves out, with the dependencies of this tree. */
function cloneInto(target: string): void {
  const left = new Set(['node_modules', 'dist', '.mq', '.git'])
  const filter = (path: string): boolean =>
    !relative(ROOT, path)
      .split('/')
      .some((part) => left.has(part))
  cpSync(ROOT, target, { recursive: true, filter })
  const modules = join(target, 'node_modules')
  mkdirSync(join(modules, '@mq'), { recursive: true })
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== '@mq') symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  }
  for (const name of readdirSync(join(target, 'packages'))) {
    symlinkSync(join(target, 'packages', name), join(modules, '@mq', name))
  }
  mkdirSync(join(target, '.mq'))
  cpSync(join(target, 'package-lock.json'), join(target, '.mq', 'installed-lock.json'))
}

class Dev {
  readonly #child: ChildProcess
  readonly url: Promise<string>
  #output = ''

  constructor(project: string) {
    // What npx runs.
    const command = join(project, 'node_modules', '.bin', 'mq')
    this.#child = spawn(command, ['dev', '--port', '0', '--data', 'data'], {
      cwd: project,
      env: surroundings(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    this.url = promise
    const add = (chunk: Buffer): void => {
      this.#output += chunk.toString()
      const url = /control plane\s+(http:\S+)/.exec(this.#output)?.[1]
      if (url !== undefined) resolve(url)
    }
    this.#child.stdout!.on('data', add)
    this.#child.stderr!.on('data', add)
    this.#child.once('exit', () => reject(new Error(`mq dev ended: ${this.#output}`)))
    this.url.catch(() => {})
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGTERM')
    await ended
  }
}

describe('the packed packages', LIMIT, () => {
  let dir = ''
  let project = ''
  let dev: Dev | undefined
  const tarballs = async (): Promise<string[]> =>
    (await readdir(dir)).filter((name) => name.endsWith('.tgz')).map((name) => join(dir, name))

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'mq-pack-'))
    project = join(dir, 'project')
    await mkdir(project)
  }, LIMIT)
  after(async () => {
    await dev?.stop()
    await rm(dir, { recursive: true, force: true })
  }, LIMIT)

  it('come out of mq pack, and neither publint nor arethetypeswrong complains', LIMIT, async () => {
    const script = join(ROOT, 'scripts', 'pack.ts')
    const flags = ['--conditions=mq-source', script, '--out', dir, '--check']
    const { stdout } = await run(process.execPath, flags, { cwd: ROOT }).catch((error: { stdout: string }) =>
      assert.fail(error.stdout),
    )
    assert.match(stdout, /clean/)
    const names = (await tarballs()).map((path) => /mq-([a-z-]+)-\d/.exec(basename(path))?.[1] ?? path)
    assert.deepEqual(names.toSorted(), NAMES)
  })

  it('hold the built code, its types, maps and sources, a licence and a page, and nothing else', LIMIT, async () => {
    for (const tarball of await tarballs()) {
      const { stdout } = await run('tar', ['-tzf', tarball])
      const paths = stdout
        .trim()
        .split('\n')
        .map((path) => path.replace(/^package\//, ''))
      const wanted = ['LICENSE', 'README.md', 'package.json', 'dist/index.js', 'dist/index.d.ts', 'dist/index.js.map']
      for (const each of wanted) assert.ok(paths.includes(each), `${tarball} holds ${each}`)
      const known =
        /^(?:LICENSE|README\.md|package\.json|dist\/.+\.(?:js|d\.ts)(?:\.map)?|src\/.+\.ts|(?:kroxylicious\.)?pom\.xml|kroxylicious\.groovy|log4j2\.properties)$/
      assert.deepEqual(
        paths.filter((path) => !known.test(path)),
        [],
        tarball,
      )
    }
  })

  it('are full when npm packs one in a fresh clone', LIMIT, async () => {
    const clone = join(dir, 'clone')
    cloneInto(clone)
    const folder = join(clone, 'packages', 'contract')
    assert.ok(!(await readdir(folder)).includes('dist'))
    const { stdout } = await run('npm', ['pack', '--json'], { cwd: folder, env: surroundings() })
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }]
    const paths = files.map(({ path }) => path)
    for (const wanted of ['dist/index.js', 'dist/index.d.ts', 'LICENSE']) assert.ok(paths.includes(wanted), wanted)
    rmSync(clone, { recursive: true, force: true })
  })

  it(
    'lead from an empty folder to the first message with the three commands of the README, within 90 s',
    LIMIT,
    async (t) => {
      const readme = readFileSync(join(ROOT, 'README.md'), 'utf8').split('## An application in its own folder')[1]!
      const commands = /```sh\n([\s\S]*?)```/.exec(readme)![1]!.trim().split(/\n|&&/)
      const bare = commands.map((line) => line.replace(/#.*$/, '').trim())
      assert.deepEqual(bare, ['npm install --prefix . /tmp/mq/*.tgz', 'npx mq dev', 'node hello.mjs'])
      const program = /```ts\n\/\/ hello\.mjs\n([\s\S]*?)```/.exec(readme)![1]!
      const pace = new Pace()
      t.after(() => pace.stop())
      const startedMs = performance.now()
      const flags = [
        'install',
        // Without it npm goes up to the next folder that has a package.json or node_modules.
        '--prefix',
        '.',
        '--ignore-scripts',
        '--prefer-offline',
        '--no-audit',
        '--no-fund',
        ...(await tarballs()),
      ]
      await run('npm', flags, { cwd: project, env: surroundings() })
      const installedMs = performance.now()
      const installed = await readdir(join(project, 'node_modules', '@mq'))
      assert.deepEqual(installed.toSorted(), NAMES)
      dev = new Dev(project)
      const url = await dev.url
      const upMs = performance.now()
      // The port of a test is a free one.
      await writeFile(join(project, 'hello.mjs'), program.replace('http://127.0.0.1:7070', url))
      const env = surroundings({ XDG_CACHE_HOME: join(dir, 'cache') })
      const hello = spawn(process.execPath, ['hello.mjs'], { cwd: project, env, stdio: ['ignore', 'pipe', 'pipe'] })
      t.after(() => void hello.kill('SIGKILL'))
      let output = ''
      const first = new Promise<void>((resolve, reject) => {
        const add = (chunk: Buffer): void => {
          output += chunk.toString()
          if (output.includes('\n')) resolve()
        }
        hello.stdout.on('data', add)
        hello.stderr.on('data', add)
        hello.once('exit', () => reject(new Error(`it ended: ${output}`)))
      })
      await first
      const endedMs = performance.now()
      assert.equal(output, "o-1 { id: 'o-1', total: 12 }\n")
      const ended = once(hello, 'exit')
      hello.kill('SIGTERM')
      assert.deepEqual(await ended, [0, null], 'it stops as the README shows')
      const seconds = (fromMs: number, toMs: number): string => `${((toMs - fromMs) / 1_000).toFixed(1)} s`
      const parts = `npm install ${seconds(startedMs, installedMs)}, mq dev ${seconds(installedMs, upMs)}, the program ${seconds(upMs, endedMs)}`
      t.diagnostic(`empty folder to first message: ${bare.length} commands, ${seconds(startedMs, endedMs)} (${parts})`)
      // Ten processes take part: what they wait for each other and for others shows in the load, not in this process alone.
      const crowding = Math.max(1, loadavg()[0]! / availableParallelism())
      pace.check(endedMs - startedMs, 90_000 * crowding)
    },
  )

  it('run the ten-line program as plain JavaScript, against the mq dev that was installed', LIMIT, async () => {
    await writeFile(join(project, 'program.mjs'), PROGRAM)
    const env = surroundings({ MQ_URL: await dev!.url, GROUP: 'javascript' })
    const { stdout, stderr } = await run(process.execPath, ['program.mjs'], { cwd: project, env, timeout: 300_000 })
    assert.equal(stdout, 'o-1 42\n')
    assert.equal(stderr, '')
  })

  it('check as TypeScript with skipLibCheck off, and run', LIMIT, async () => {
    await writeFile(join(project, 'program.mts'), TYPED_PROGRAM)
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
        skipLibCheck: false,
      },
      files: ['program.mts'],
    }
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify(config))
    await run(process.execPath, [TSC, '-p', project], { cwd: project }).catch((error: { stdout: string }) => {
      assert.fail(error.stdout)
    })
    const env = surroundings({ MQ_URL: await dev!.url, GROUP: 'typescript' })
    const { stdout } = await run(process.execPath, ['program.mts'], { cwd: project, env, timeout: 300_000 })
    assert.deepEqual(stdout.trim().split('\n'), ['number 5', 'true', 'MQ_MESSAGE_INVALID'])
  })

  it('have a command without the source tree: it offers what works there, and says what does not', LIMIT, async () => {
    const main = join(project, 'node_modules', '@mq', 'cli', 'dist', 'main.js')
    const mq = (...words: string[]) =>
      run(process.execPath, [main, ...words], { cwd: project, env: surroundings() }).catch((error: unknown) => error)
    const help = (await mq('--help')) as { stdout: string }
    assert.match(help.stdout, /^ {2}dev /m)
    assert.doesNotMatch(help.stdout, /^ {2}(?:demo|run|test|measure|docs|pack) /m)
    assert.doesNotMatch(help.stdout, /examples\//)
    const demo = (await mq('demo')) as { code: number; stderr: string }
    assert.equal(demo.code, 2)
    assert.match(demo.stderr, /runs programs of the source tree of mQ.*run \.\/mq demo in a clone/)
  })

  it('say which Node they need on one that is too old', LIMIT, async () => {
    await writeFile(join(project, 'old.mjs'), "Object.defineProperty(process.versions, 'node', { value: '20.20.2' })\n")
    const old = (file: string) =>
      run(process.execPath, ['--import', './old.mjs', file], { cwd: project, env: surroundings() }).then(
        () => assert.fail('it ran'),
        (error: { code: number; stderr: string }) => error,
      )
    const command = await old('node_modules/@mq/cli/dist/main.js')
    assert.equal(command.code, 5)
    assert.equal(
      command.stderr,
      'mq: Node 24.11 or newer is needed; this is Node 20.20.2. Get it from https://nodejs.org\n',
    )
    assert.match(
      (await old('program.mjs')).stderr,
      /@mq\/client: Node 24\.11 or newer is needed; this is Node 20\.20\.2/,
    )
    const { engines } = JSON.parse(
      await readFile(join(project, 'node_modules', '@mq', 'client', 'package.json'), 'utf8'),
    ) as { engines: { node: string } }
    assert.equal(engines.node, '>=24.11')
    assert.equal(readFileSync(join(project, 'node_modules/@mq/client/LICENSE'), 'utf8').includes('Apache'), true)
  })
})
