/** Invariants N1 to N3 (run-tests.ts), on planted test files, each in a process of its own. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { CORE_TESTS } from '../core-tests.ts'
import type { TestGroup } from '../run-tests.ts'

const TIMEOUT = { timeout: 60_000 }
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

let drivers = 0

async function running(
  groups: readonly (readonly string[] | Omit<TestGroup, 'concurrency'>)[],
  remarks: readonly string[] = [],
): Promise<{ ok: boolean; lines: string[] }> {
  const program = `
    import { runTests } from ${JSON.stringify(new URL('../run-tests.ts', import.meta.url).href)}
    const groups = ${JSON.stringify(groups.map((group) => ({ ...('files' in group ? group : { files: group }), concurrency: 2 })))}
    const ok = await runTests(${JSON.stringify(scratch)}, groups, ${JSON.stringify(remarks)}, { fileMs: 2000, groupMs: 8000 })
    process.exitCode = ok ? 0 : 1
  `
  const driver = join(scratch, `driver-${++drivers}.mjs`)
  writeFileSync(driver, program)
  // A test process tells its children that they are part of its run, and they would then report to it.
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env
  return await new Promise((resolve) => {
    execFile(process.execPath, [driver], { env, timeout: 50_000 }, (error, stdout) => {
      resolve({ ok: error === null, lines: stdout.trim().split('\n') })
    })
  })
}

test('two groups are counted together, with the closing lines once and last', TIMEOUT, async () => {
  const { ok, lines } = await running([['good.test.mjs'], ['better.test.mjs']], ['a remark'])
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
    if (file === 'open.test.mjs') assert.match(lines.join('\n'), /still running after 2 s; open: .*Timeout/)
  })
}

test('a run without a single test fails', TIMEOUT, async () => {
  assert.equal((await running([[], []])).ok, false)
})

test('a group gives its tests an environment of their own, and its title stands before them', TIMEOUT, async () => {
  const title = 'the core on Kafka 0.0.0'
  const { ok, lines } = await running([['good.test.mjs'], { files: ['env.test.mjs'], title, env: { PLANTED: 'yes' } }])
  assert.equal(ok, true, lines.join('\n'))
  const at = (text: string): number => lines.findIndex((line) => line.includes(text))
  assert.ok(at('two') < at(title) && at(title) < at('is told'), lines.join('\n'))
})

test('every file of the core is there', () => {
  for (const file of CORE_TESTS) assert.ok(existsSync(new URL(`../../${file}`, import.meta.url)), file)
})
