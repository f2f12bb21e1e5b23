/** Invariants N1 to N5 (run-tests.ts) and U1, U2 (test-guard.ts), on planted test files, each in a process of its own. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { CORE_TESTS } from '../core-tests.ts'
import type { RunOptions, TestGroup } from '../run-tests.ts'
import { SLOW_TESTS } from '../slow-tests.ts'

const TIMEOUT = { timeout: 300_000 }
const scratch = mkdtempSync(join(tmpdir(), 'mq-run-tests-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

function plant(name: string, body: string): string {
  writeFileSync(join(scratch, name), `import test from 'node:test'\n${body}\n`)
  return name
}

plant('good.test.mjs', "test('one', () => {}); test('two', () => {})")
plant('better.test.mjs', "test('three', () => {})")
plant('bad.test.mjs', "test('breaks', () => { throw new Error('planted') })")
plant('crash.test.mjs', "test('dies', () => { process.exit(3) })")
plant('hang.test.mjs', "test('waits', async () => { await new Promise((resolve) => setTimeout(resolve, 1e8)) })")
plant('open.test.mjs', "test('passes', () => { setInterval(() => {}, 1000) })")
plant('block.test.mjs', "test('spins', () => { for (;;); })")
plant('env.test.mjs', "test('is told', (t) => { if (process.env.PLANTED !== 'yes') throw new Error('not told') })")
plant('broken.test.mjs', 'import "./no-such-file.mjs"')
plant(
  'litters.test.mjs',
  `import { mkdtempSync } from 'node:fs'
  import { tmpdir } from 'node:os'
  test('litters', () => { console.log('left', mkdtempSync(tmpdir() + '/litter-')) })`,
)
plant(
  'works.test.mjs',
  `import { spawnSync } from 'node:child_process'
  const work = (ms) => { for (let used = 0; used < ms * 1000; ) { const { user, system } = process.cpuUsage(); used = user + system } }
  test('works', () => {
    work(process.cpuUsage().user / 1000 + 300)
    const child = spawnSync(process.execPath, ['-e', \`const work = \${work}; work(500)\`])
    if (child.status !== 0 || process.env.MQ_TEST_USAGE !== undefined) throw new Error('a child would overwrite what was used')
  })`,
)

let drivers = 0

type Groups = readonly (readonly string[] | TestGroup)[]
type Options = Partial<Omit<RunOptions, 'limits'>> & { readonly fileMs?: number }

/** @returns a program that runs them */
function driverOf(groups: Groups, { fileMs = 8_000, ...others }: Options): string {
  const options: RunOptions = { lanes: 2, limits: { fileMs, runMs: 60_000 }, ...others }
  const driver = join(scratch, `driver-${++drivers}.mjs`)
  const program = `
    import { runTests } from ${JSON.stringify(new URL('../run-tests.ts', import.meta.url).href)}
    const groups = ${JSON.stringify(groups.map((group) => ('files' in group ? group : { files: group })))}
    const ok = await runTests(${JSON.stringify(scratch)}, groups, ${JSON.stringify(options)})
    process.exitCode = ok ? 0 : 1
  `
  writeFileSync(driver, program)
  return driver
}

/** A test process tells its children that they are part of its run, and they would then report to it. */
function surroundings(): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env
  return env
}

async function running(groups: Groups, options: Options = {}): Promise<{ ok: boolean; lines: string[] }> {
  const driver = driverOf(groups, options)
  return await new Promise((resolve) => {
    execFile(process.execPath, [driver], { env: surroundings(), timeout: 300_000 }, (error, stdout) => {
      resolve({ ok: error === null, lines: stdout.trim().split('\n') })
    })
  })
}

test('two groups are counted together, with the closing lines once and last', TIMEOUT, async () => {
  const { ok, lines } = await running([['good.test.mjs'], ['better.test.mjs']], { remarks: ['a remark'] })
  assert.equal(ok, true)
  const closing = lines.slice(-9).map((line) => line.replace('ℹ ', ''))
  assert.deepEqual(closing.slice(0, 4), ['a remark', 'tests 3', 'suites 0', 'pass 3'])
  assert.match(closing.at(-1) ?? '', /^duration_ms /)
  assert.equal(lines.filter((line) => /^ℹ tests /.test(line)).length, 1)
})

test(
  'a failure in any group fails the run and is counted and shown, also when a later group passes',
  TIMEOUT,
  async () => {
    for (const groups of [
      [['bad.test.mjs'], ['good.test.mjs']],
      [['good.test.mjs'], ['bad.test.mjs']],
    ]) {
      const { ok, lines } = await running(groups)
      assert.equal(ok, false)
      assert.ok(lines.includes('ℹ fail 1'))
      assert.ok(lines.some((line) => line.includes('planted')))
    }
  },
)

for (const [file, what] of [
  ['broken.test.mjs', 'cannot be loaded'],
  ['crash.test.mjs', 'dies'],
  ['hang.test.mjs', 'hangs'],
  ['open.test.mjs', 'leaves something open'],
  ['block.test.mjs', 'blocks its process'],
] as const) {
  test(`a file that ${what} fails the run, and the other group still counts`, TIMEOUT, async () => {
    const { ok, lines } = await running([[file], ['good.test.mjs']])
    assert.equal(ok, false)
    const passed = Number(/^ℹ pass (\d+)$/m.exec(lines.join('\n'))?.[1])
    assert.ok(passed >= 2, lines.join('\n'))
    if (file === 'open.test.mjs') assert.match(lines.join('\n'), /still running after 8 s; open: .*Timeout/)
  })
}

test('a run without a single test fails', TIMEOUT, async () => {
  assert.equal((await running([[], []])).ok, false)
})

test(
  'a group gives its tests an environment of their own, and its title stands before them (N5)',
  TIMEOUT,
  async () => {
    const title = 'the core on Kafka 0.0.0'
    const { ok, lines } = await running([
      ['good.test.mjs'],
      { files: ['env.test.mjs'], title, env: { PLANTED: 'yes' } },
    ])
    assert.equal(ok, true, lines.join('\n'))
    const at = (text: string): number => lines.findIndex((line) => line.includes(text))
    assert.ok(at('is told') > at(`env.test.mjs: ${title}`) && at(title) >= 0, lines.join('\n'))
  },
)

test('the slowest files begin first, and what each reports stands under its name (N4, N5)', TIMEOUT, async () => {
  const slowest = ['better.test.mjs', 'good.test.mjs', 'gone.test.mjs']
  const { ok, lines } = await running([['good.test.mjs', 'env.test.mjs'], ['better.test.mjs']], { slowest, lanes: 1 })
  assert.equal(ok, false)
  const order = lines.flatMap((line) => /^. (better|three|good|one|two|env|is told)\b/.exec(line)?.[1] ?? [])
  assert.deepEqual(order.slice(0, 7), ['better', 'three', 'good', 'one', 'two', 'env', 'is told'])
})

test(
  'the summary names the slowest files with the processor time of all their processes (N1, U2)',
  TIMEOUT,
  async () => {
    const { ok, lines } = await running([['good.test.mjs', 'works.test.mjs', 'crash.test.mjs']], { fileMs: 45_000 })
    assert.equal(ok, false)
    const all = lines.findIndex((line) => line.includes('3 files took'))
    const used = lines.slice(all).flatMap((line) => {
      const found = /^ℹ +[\d.]+ s +([\d.?]+) s of processor time {2}(\w+)\.test\.mjs$/.exec(line)
      return found === null ? [] : [[found[2]!, Number(found[1])] as const]
    })
    const of = new Map(used)
    assert.deepEqual([...of.keys()].toSorted(), ['crash', 'good', 'works'])
    assert.ok(of.get('works')! - of.get('good')! >= (process.platform === 'linux' ? 0.7 : 0.25), lines.join('\n'))
  },
)

test('what a file leaves in its folder for temporary files goes away with it (N6)', TIMEOUT, async () => {
  const { ok, lines } = await running([['litters.test.mjs'], ['litters.test.mjs']])
  assert.equal(ok, true, lines.join('\n'))
  const left = lines.flatMap((line) => /left (\S+)/.exec(line)?.[1] ?? [])
  assert.equal(new Set(left.map((path) => join(path, '..'))).size, 2)
  for (const path of left) assert.ok(!existsSync(path) && !existsSync(join(path, '..', '..')), path)
})

test(
  'a run that is ended leaves no temporary files, and one that is killed only until the next (N6)',
  TIMEOUT,
  async () => {
    const begin = async (): Promise<{ child: ChildProcess; folder: string }> => {
      const child = spawn(process.execPath, [hanging], { env: surroundings(), stdio: ['ignore', 'ignore', 'inherit'] })
      for (;;) {
        const root = ['/dev/shm', tmpdir()].find(
          (each) => existsSync(each) && readdirSync(each).some((name) => name.startsWith(`mq-test-${child.pid}-`)),
        )
        const name = root && readdirSync(root).find((each) => each.startsWith(`mq-test-${child.pid}-`))
        if (root !== undefined && name !== undefined) return { child, folder: join(root, name) }
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    const hanging = driverOf([['hang.test.mjs']], {})
    const ended = await begin()
    // Its handler is there once its first test has begun.
    while (readdirSync(ended.folder).length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    ended.child.kill('SIGTERM')
    await once(ended.child, 'exit')
    assert.ok(!existsSync(ended.folder))
    const killed = await begin()
    killed.child.kill('SIGKILL')
    await once(killed.child, 'exit')
    assert.ok(existsSync(killed.folder))
    assert.equal((await running([['good.test.mjs']])).ok, true)
    assert.ok(!existsSync(killed.folder))
  },
)

test('every file of the core, and of those that begin first, is there', () => {
  for (const file of [...CORE_TESTS, ...SLOW_TESTS])
    assert.ok(existsSync(new URL(`../../${file}`, import.meta.url)), file)
})
