import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Decision } from '@mq/contract'
import { within } from '@mq/testkit'
import { freshFolder } from './harness.ts'
import { MqProcess, mq } from './process.ts'

const LIMIT = { timeout: 300_000 }
/** Trying and watching takes 40 s where nothing else runs. */
const WITH_TUNING = { timeout: 300_000 }
const cwd = freshFolder()
after(() => rmSync(cwd, { recursive: true, force: true }))

test('a short demo ends by itself, every check holds, and the report carries every figure', WITH_TUNING, async () => {
  const { code, stdout, stderr } = await mq(
    ['demo', '--flights', '20000', '--seconds', '2', '--rate', '500', '--tuning', '150', '-o', 'json'],
    { cwd },
  )
  assert.equal(code, 0, stderr)
  const report = JSON.parse(stdout) as {
    ok: boolean
    flights: {
      sent: number
      groups: { received: number; expected: number }[]
      checks: { name: string; ok: boolean }[]
      move: {
        from: { cluster: string; partitions: number }
        to: { cluster: string; partitions: number }
        written: { before: number; after: number }
        lost: number
        duplicated: number
        reordered: number
        closedMs: number
        longestWriteWaitMs: number
        longestConsumerGapMs: number
      }
      detail: { choices: unknown[]; traffic: { recordsIn: number; wireBytesIn: number } }
    }
    tuning: {
      sent: number
      group: { received: number }
      decision: Decision
      stored: { before: number; after: number }
      priceBook: { id: string; version: string }
      assumptions: string[]
      detail: { producer: unknown }
      checks: { name: string; ok: boolean }[]
    }
    open: unknown[]
    shop: { sent: Record<string, number>; checks: { ok: boolean }[]; groups: { endToEndMs: { p99: number } }[] }
  }
  assert.equal(report.ok, true)
  assert.equal(report.flights.sent, 20_000)
  assert.deepEqual(
    report.flights.groups.map(({ received, expected }) => [received, expected]),
    [
      [20_000, 20_000],
      [20_000, 20_000],
    ],
  )
  assert.equal(Math.round(report.flights.detail.traffic.recordsIn), 20_000)
  assert.ok(report.flights.detail.traffic.wireBytesIn > 0)
  assert.ok(report.flights.detail.choices.length > 0)
  const { from, to, written, lost, duplicated, reordered, ...times } = report.flights.move
  assert.notEqual(from.cluster, to.cluster)
  assert.equal(to.partitions, from.partitions * 2)
  assert.equal(written.before + written.after, 20_000)
  assert.deepEqual([lost, duplicated, reordered], [0, 0, 0])
  assert.ok(times.closedMs > 0 && times.longestWriteWaitMs > 0 && times.longestConsumerGapMs > 0)
  assert.ok(report.flights.checks.some(({ name }) => name === 'no flight was lost by the migration'))
  const { 'stock.levels': levels = 0, ...shoppers } = report.shop.sent
  assert.equal(
    Object.values(shoppers).reduce((sum, count) => sum + count, 0),
    1_000,
  )
  assert.ok(levels > 0)
  assert.ok(report.shop.groups.every((group) => group.endToEndMs.p99 > 0))
  assert.ok([...report.flights.checks, ...report.shop.checks].every((check) => check.ok))
  const { decision, stored, group, priceBook, assumptions, checks, detail, ...tuning } = report.tuning
  assert.deepEqual(report.open, [], `${decision.status}\n${JSON.stringify(decision.steps)}`)
  assert.equal(decision.state, 'kept')
  assert.ok(decision.change.kind === 'producer-settings')
  const { codec, lingerMs, batchBytes } = decision.change.before
  assert.deepEqual([codec, lingerMs, batchBytes], ['none', 5, 16_384])
  assert.deepEqual(detail.producer, decision.change.after)
  assert.equal(decision.trial!.instances.length, 1)
  assert.equal(decision.trial!.ofInstances, 3)
  assert.ok(decision.measured!.usdPerMonth! < decision.measuredBefore!.usdPerMonth! * 0.7)
  assert.ok(decision.predicted.usdPerMonth! < decision.before.usdPerMonth! * 0.7)
  assert.ok(stored.after < stored.before * 0.7, JSON.stringify(stored))
  assert.ok(tuning.sent > 10_000)
  assert.equal(group.received, tuning.sent)
  assert.equal(priceBook.id, 'aws-us-east-1')
  assert.ok(priceBook.version !== '' && assumptions.some((one) => one.includes('aws-us-east-1 is assumed')))
  assert.ok(checks.some(({ name }) => name === 'the logs of the brokers grew by what was measured, after'))
})

test('S1: Ctrl-C in the middle ends every process and removes the folder', LIMIT, async () => {
  const tmp = join(cwd, 'tmp')
  mkdirSync(tmp)
  const demo = new MqProcess(['demo'], { cwd, env: { TMPDIR: tmp } })
  while (!demo.stderr.includes('A. flights')) await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(
    readdirSync(tmp).some((name) => name.startsWith('mq-demo-')),
    true,
  )
  const { code } = await within(10_000, () => {
    demo.child.kill('SIGINT')
    return demo.ended
  })
  assert.equal(code, 130)
  assert.deepEqual(
    readdirSync(tmp).filter((name) => name.startsWith('mq-')),
    [],
  )
  if (existsSync('/proc')) assert.ok(!execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).includes(tmp))
})
