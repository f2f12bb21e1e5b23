/** The measurement of regret end to end on a real broker, small. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { RegretResult } from '../results.ts'
import { measure } from './measuring.ts'

test('a regret measurement of a recorded workload judges its choice against a real sweep', {
  timeout: 300_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-regret-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'clicks.jsonl')
  const lines = Array.from({ length: 600 }, (_, n) =>
    JSON.stringify({
      t: n * 5,
      key: Buffer.from(`user-${n % 40}`).toString('base64'),
      value: Buffer.from(`{"event":"clicked","at":${1_770_000_000_000 + n},"user":"user-${n % 40}"}`).toString(
        'base64',
      ),
    }),
  )
  writeFileSync(file, `${lines.join('\n')}\n`)
  const flags = ['--workload', file, '--grid', 'tiny', '--seconds', '0.5', '--rounds', '1', '--watch', '6']
  const result = RegretResult.parse(await measure('regret.ts', flags))
  const [one] = result.workloads
  assert.equal(result.workloads.length, 1)
  assert.equal(one!.name, 'clicks.jsonl')
  assert.equal(one!.configurations, 4)
  assert.ok(Math.abs(one!.messagesPerSecond - 200) < 1)
  assert.equal(one!.default.codec, 'none')
  assert.ok(one!.usdPerMonthChosen > 0 && one!.usdPerMonthDefault > 0)
  assert.equal(one!.regret, Number((one!.usdPerMonthChosen / one!.oracle.usdPerMonth - 1).toFixed(4)))
  assert.equal(result.worstRegret, one!.regret)
  assert.ok(one!.chosen.samples > 50)
})

test('a recorded workload with a bad line is refused by its number before anything is started', {
  timeout: 300_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-regret-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'bad.jsonl')
  writeFileSync(file, '{"t":0,"key":null,"value":"eA=="}\n{"t":1,"key":null,"value":7}\n')
  await assert.rejects(measure('regret.ts', ['--workload', file]), /bad\.jsonl, line 2: value/)
})
