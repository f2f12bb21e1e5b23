/**
 * What the docs show is checked: every block of TypeScript in a page is compiled, and those marked `run` are run.
 *
 * A block ```ts is a module of its own; ```ts run is one that ends by itself and needs nothing but the packages.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const BLOCK = /^```ts( run)?\n([\s\S]*?)^```$/gm

/** What a page leaves to its reader: declared for a block that uses it and does not make it. */
const GIVEN: readonly (readonly [name: string, declaration: string])[] = [
  ['mq', "declare const mq: import('@mq/client').MqConnection"],
  ['handler', "declare const handler: import('@mq/client').Handler<any>"],
  ['startBilling', "declare function startBilling(mq: import('@mq/client').Mq): Promise<void>"],
]

interface Snippet {
  readonly file: string
  readonly place: string
  readonly runs: boolean
  readonly text: string
}

const snippets: readonly Snippet[] = globSync(['README.md', 'docs/**/*.md', 'packages/*/README.md'], {
  cwd: root,
  exclude: (name) => name === 'node_modules' || name === 'dist',
})
  .toSorted()
  .flatMap((page) => {
    const text = readFileSync(join(root, page), 'utf8')
    return [...text.matchAll(BLOCK)].map(([, runs, code], at) => ({
      file: `${page.replaceAll(/[^A-Za-z0-9]+/g, '-')}-${at + 1}.ts`,
      place: `${page}:${text.slice(0, text.indexOf(code!)).split('\n').length}`,
      runs: runs !== undefined,
      text: code!,
    }))
  })

// Below the root, so that the packages are found.
mkdirSync(join(root, '.mq'), { recursive: true })
const folder = mkdtempSync(join(root, '.mq', 'snippets-'))
after(() => rmSync(folder, { recursive: true, force: true }))
for (const { file, text } of snippets) {
  const before = GIVEN.flatMap(([name, declaration]) =>
    new RegExp(`\\b${name}\\b`).test(text) &&
    !new RegExp(`(?:const|let|using|function|import.*)\\s${name}\\b`).test(text)
      ? [declaration]
      : [],
  ).join('\n')
  writeFileSync(join(folder, file), `${before}\n${text}\nexport {}\n`)
}
writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
writeFileSync(
  join(folder, 'tsconfig.json'),
  JSON.stringify({
    extends: '../../tsconfig.json',
    compilerOptions: { exactOptionalPropertyTypes: false, noUncheckedIndexedAccess: false },
    include: ['*.ts', '../../packages/client/src/*.d.ts'],
  }),
)

test('there are snippets to check, and some that run', () => {
  assert.ok(snippets.length >= 5)
  assert.ok(snippets.some(({ runs }) => runs))
})

test('every block of TypeScript in the docs compiles', { timeout: 600_000 }, async () => {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  await run(process.execPath, [tsc, '-p', folder, '--pretty', 'false']).catch(({ stdout }: { stdout: string }) => {
    const known = snippets.map(({ file, place }) => `${file}: ${place}`).join('\n')
    assert.fail(`${stdout}\n${known}`)
  })
})

for (const { file, place } of snippets.filter(({ runs }) => runs)) {
  test(`the program at ${place} runs`, { timeout: 600_000 }, async () => {
    const flags = ['--conditions=mq-source', join(folder, file)]
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined }
    const { stdout } = await run(process.execPath, flags, { cwd: folder, env }).catch(
      (error: { stdout: string; stderr: string }) => assert.fail(`${error.stdout}\n${error.stderr}`),
    )
    assert.doesNotMatch(stdout, /^not ok/m)
  })
}
