/** `mq scan`, `mq cost` and `mq budget`: what they take, what they refuse, and what they show. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CostReport } from '@mq/contract'
import { monthlyUsd } from '../src/commands/budget.ts'
import { costText } from '../src/commands/cost.ts'
import { colorsFor } from '../src/io.ts'
import { run, withPlane } from './harness.ts'

const LIMIT = { timeout: 300_000 }

const budget = {
  scope: 'team=checkout',
  usdPerMonth: 400,
  setAtMs: 1,
  setBy: 'local',
  state: 'forecast-over',
  spentUsd: 120,
  spentCausedUsd: 20,
  forecastUsd: 512.5,
  forecastFromUsd: 480,
  forecastToUsd: 560,
  warning: 'the month will end at $512.50, over the budget of team=checkout, $400.00 a month',
} as const

const parts = (usd: number, usdPerMonth: number) => ({
  causedUsd: usd / 2,
  idleUsd: usd / 2,
  causedUsdPerMonth: usdPerMonth / 2,
  idleUsdPerMonth: usdPerMonth / 2,
})

const report: CostReport = {
  by: 'team',
  fromMs: 1_800_000_000_000 - 7 * 86_400_000,
  toMs: 1_800_000_000_000,
  watchedSinceMs: 1_799_900_000_000,
  watchedMs: 100_000_000,
  totalUsd: 10,
  usdPerMonth: 365,
  lines: [
    { key: 'checkout', usd: 6, usdPerMonth: 219, share: 0.6, parts: parts(6, 219) },
    { key: '-', usd: 1, usdPerMonth: 36.5, share: 0.1, parts: parts(1, 36.5) },
  ],
  unallocated: [{ key: 'topics mQ does not know', usd: 3, usdPerMonth: 109.5, share: 0.3, parts: parts(3, 109.5) }],
  clusters: [
    {
      cluster: 'main',
      watchedMs: 100_000_000,
      modelledUsd: 8,
      billedUsd: 10,
      scale: 1.25,
      priceBooks: ['aws-us-east-1@2026-11-22'],
    },
  ],
  assumptions: ['brokers name no racks: 3 zones are assumed'],
  problems: ['cluster gone: MQ_KAFKA_UNREACHABLE: no broker answers'],
  budgets: [budget],
}

test('amounts are US dollars a month, and everything else is refused with its reason', () => {
  for (const text of ['400', '400usd/month', '$400', '400 USD', '400.00usd', ' 400/month '])
    assert.equal(monthlyUsd(text), 400)
  assert.throws(() => monthlyUsd('400eur/month'), /US dollars, not in eur/)
  assert.throws(() => monthlyUsd('400€'), /US dollars, not in €/)
  assert.throws(() => monthlyUsd('-5usd/month'), /more than 0/)
  assert.throws(() => monthlyUsd('0'), /more than 0/)
  assert.throws(() => monthlyUsd('400usd/week'), /for a month, not for a week/)
  assert.throws(() => monthlyUsd('much'), /not an amount/)
  assert.throws(() => monthlyUsd('4e9999'), /not an amount|US dollars/)
})

test('mq budget set sends the scope and the amount, and shows where the month will end', LIMIT, async () => {
  await withPlane(
    () => ({ body: budget }),
    async (url, seen) => {
      const { code, stdout } = await run(['budget', 'set', 'team=checkout', '400usd/month', '--url', url])
      assert.equal(code, 0)
      assert.deepEqual(
        seen.map(({ method, path, body }) => ({ method, path, body })),
        [{ method: 'PUT', path: '/v1/budgets/team%3Dcheckout', body: { usdPerMonth: 400 } }],
      )
      assert.match(stdout, /team=checkout +\$400\.00 +\$120\.00 +\$512\.50 \(\$480\.00 to \$560\.00\) +will be over/)
      const wrong = await run(['budget', 'set', 'colour=red', '400', '--url', url])
      assert.deepEqual([wrong.code, /no scope of a budget/.test(wrong.stderr)], [2, true])
      assert.equal(seen.length, 1)
    },
  )
})

test('mq cost shows what adds up, the rest in brackets, the bill behind it, budgets, problems and assumptions', () => {
  const text = costText(report, {
    colors: colorsFor(process.stdout, { NO_COLOR: '1' }),
    width: 120,
    nowMs: 1_800_000_000_000,
  })
  for (const part of [
    /\$10\.00 in 27\.8 hours watched of the 7 days asked for; at this rate \$365\.00 a month/,
    /checkout +\$6\.00 +\$3\.00 +\$3\.00 +\$219\.00 +60 %/,
    /\(topics mQ does not know\) +\$3\.00/,
    /together +\$10\.00 +\$5\.00 +\$5\.00/,
    /main: \$10\.00 by the actual bill, 1\.25 times the modelled \$8\.00; prices aws-us-east-1@2026-11-22/,
    /will be over/,
    /cluster gone: MQ_KAFKA_UNREACHABLE/,
    /3 zones are assumed/,
  ]) {
    assert.match(text, part)
  }
})

test('mq cost shows parts of a cent with as many decimals as it takes', () => {
  const small = {
    ...report,
    by: 'cluster' as const,
    watchedMs: 3_600_000,
    totalUsd: 0.0043,
    usdPerMonth: 3.14,
    lines: [{ key: 'main', usd: 0.00429, usdPerMonth: 3.13, share: 0.9977, parts: parts(0.00429, 3.13) }],
    unallocated: [{ key: 'main', usd: 0.00001, usdPerMonth: 0.01, share: 0.0023, parts: parts(0.00001, 0.01) }],
    clusters: [{ ...report.clusters[0]!, modelledUsd: 0.0043, billedUsd: 0.0043, scale: 1 }],
  }
  const options = { colors: colorsFor(process.stdout, { NO_COLOR: '1' }), width: 120, nowMs: 1_800_000_000_000 }
  const text = costText(small, options)
  for (const part of [
    /\$0\.004300 in 1 hour watched/,
    /main +\$0\.004290 +\$0\.002145 +\$0\.002145 +\$3\.13 +100 %/,
    /\(main: caused by no mQ ID\) +\$0\.000010 +\$0\.000005 +\$0\.000005 +\$0\.01 +<1 %/,
    /together +\$0\.004300 +\$0\.002150 +\$0\.002150 +\$3\.14/,
    /main: \$0\.004300, as modelled/,
  ]) {
    assert.match(text, part)
  }
})

test('mq cost says before the first record that there is none, and why a cluster is not watched', LIMIT, async () => {
  const empty = { ...report, watchedSinceMs: null, lines: [], unallocated: [], clusters: [], budgets: [], totalUsd: 0 }
  await withPlane(
    () => ({ body: empty }),
    async (url, seen) => {
      const { code, stdout } = await run(['cost', '--by', 'team', '--since', '12h', '--url', url])
      assert.equal(code, 0)
      assert.match(stdout, /^Nothing is recorded yet/)
      assert.match(stdout, /cluster gone/)
      assert.equal(seen[0]?.path, '/v1/costs?by=team&since=12h')
      const wrong = await run(['cost', '--since', 'yesterday', '--url', url])
      assert.deepEqual([wrong.code, /no duration/.test(wrong.stderr)], [2, true])
    },
  )
})

test('mq list warns of budgets under the table', LIMIT, async () => {
  await withPlane(
    () => ({ body: { ids: [], warnings: [budget.warning] } }),
    async (url) => assert.match((await run(['list', '--url', url])).stdout, /warning: the month will end at \$512\.50/),
  )
})

test('mq scan refuses prices that cannot be before it asks a cluster anything', LIMIT, async () => {
  const scan = (...more: string[]) => run(['scan', '--bootstrap', '127.0.0.1:1', '--watch', '0', ...more])
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['--prices', 'aws-moon-1'], /MQ_PRICE_BOOK_UNKNOWN.*aws-us-east-1/s],
    [['--prices', 'aws-us-east-1', '--instance', 'm99.huge'], /MQ_PRICE_MISSING/],
    [['--prices', 'aws-us-east-1', '--price', 'broker-storage=-1'], /MQ_OPTION_INVALID/],
    [['--prices', 'aws-us-east-1', '--price', 'broker-storage=5eur'], /US dollars/],
    [['--prices', 'aws-us-east-1', '--price', 'no-such-meter=1'], /MQ_PRICE_INVALID.*no-such-meter/s],
    [['--zones', '3', '--instance', 'm99.huge'], /MQ_PRICE_MISSING.*aws-us-east-1/s],
    [['--security', 'sasl-plaintext'], /set MQ_KAFKA_USERNAME/],
  ]
  for (const [flags, expected] of cases) {
    const { code, stderr } = await scan(...flags)
    assert.notEqual(code, 0, flags.join(' '))
    assert.match(stderr, expected)
  }
})

test('mq scan says which cluster does not answer', LIMIT, async () => {
  const { code, stderr } = await run(['scan', '--bootstrap', '127.0.0.1:1', '--watch', '0'])
  assert.notEqual(code, 0)
  assert.match(stderr, /MQ_KAFKA_UNREACHABLE.*127\.0\.0\.1:1/s)
})
