/** Invariant L2 (busy.ts): a load that outlives its program slows down everything after it, and nobody knows why. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const BUSY = fileURLToPath(new URL('../busy.ts', import.meta.url))

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`nothing of the load is left after ${signal} (L2)`, { timeout: 300_000 }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'mq-busy-test-'))
    t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
    const env = { ...process.env, TMPDIR: folder }
    const load = spawn(process.execPath, [BUSY, '--loops', '2'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    await once(load.stdout, 'data')
    const left = (): string[] => processesWith(`${folder}/`).concat(readdirSync(folder))
    while (left().length < 2) await sleep(50)
    load.kill(signal)
    await once(load, 'exit')
    while (left().length > 0) await sleep(50)
  })
}

/** The writer names its folder. */
function processesWith(text: string): string[] {
  const all = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).split('\n')
  return all.filter((line) => line.includes('as-writer') && line.includes(text))
}

test('numbers that are none are refused', async () => {
  for (const words of [
    ['--loops', 'many'],
    ['--loops', '-1'],
    ['--seconds', '0'],
  ]) {
    const [flag, value] = words
    const refused = spawn(process.execPath, [BUSY, `${flag}=${value}`], { stdio: 'ignore' })
    assert.equal((await once(refused, 'exit'))[0], 2, words.join(' '))
  }
})
