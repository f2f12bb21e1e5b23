/** Every Node that mQ allows installs it without a word of npm: a library that asks for a newer one shows nowhere else. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { manifestAt } from '../published.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

/** What npm says under that Node to what package-lock.json names. It fetches and writes nothing. */
async function complaintsOn(version: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'mq-engines-'))
  try {
    const disguise = join(folder, 'version.mjs')
    writeFileSync(disguise, `Object.defineProperty(process, 'version', { value: 'v${version}' })\n`)
    const PATH = `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`
    const env = { ...process.env, PATH, NODE_OPTIONS: `--import=${pathToFileURL(disguise)}` }
    const flags = ['ci', '--dry-run', '--offline', '--ignore-scripts', '--no-audit', '--no-fund']
    return (await run('npm', flags, { cwd: root, env })).stderr
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('npm installs it without a warning on the oldest Node that is allowed, and on the next major version', async () => {
  const [, oldest] = /^>=(\d+\.\d+)$/.exec(manifestAt(root).engines?.node ?? '') ?? []
  assert.ok(oldest !== undefined)
  const next = `${Number.parseInt(oldest, 10) + 1}.0.0`
  const said = await Promise.all([`${oldest}.0`, next, '20.0.0'].map(complaintsOn))
  assert.deepEqual(said.slice(0, 2), ['', ''], `on ${oldest}.0 and ${next}`)
  assert.match(said[2]!, /EBADENGINE/, 'it would be said')
})
