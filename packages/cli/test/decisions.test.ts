/**
 * `mq decisions`, `mq decision show`, `mq approve`, `mq undo`, `mq policy` and `mq autopilot` against a control plane that answers
 * what a test says.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Decision, MqError } from '@mq/contract'
import { exitCodes } from '../src/exit-codes.ts'
import { run, withPlane } from './harness.ts'

const settings = { lingerMs: 0, batchBytes: 16_384, maxMessageBytes: 1_048_576, requestTimeoutMs: 30_000 }
const outcome = (usdPerMonth: number, sendP99Ms: number) => ({
  usdPerMonth,
  usdPerMillionRecords: usdPerMonth / 1_000,
  sendP99Ms,
  endToEndP99Ms: null,
  wireBytesPerRecord: 100,
  recordsPerBatch: 4.5,
})
const comparison = {
  test: 'Mann-Whitney U, one-sided; 95 % interval by bootstrap of medians',
  metric: 'cost per million records',
  before: { median: 1.2, windows: 36, records: 90_000 },
  after: { median: 0.36, windows: 12, records: 30_000 },
  pValue: 0.0004,
  changeShare: -0.7,
  low: -0.72,
  high: -0.66,
}
const kept = Decision.parse({
  number: 7,
  mqId: 'orders.placed',
  kind: 'producer-settings',
  state: 'kept',
  loop: 'tuning',
  title: 'none -> zstd level 1, linger 0 -> 50 ms',
  why: 'predicted 340 USD a month instead of 1,200 USD',
  change: {
    kind: 'producer-settings',
    before: { ...settings, codec: 'none' },
    after: { ...settings, codec: 'zstd', codecLevel: 1, lingerMs: 50 },
  },
  choices: [],
  evidence: [{ what: 'rate', value: '2000 records/s', from: 'telemetry of 600 s' }],
  alternatives: [{ change: 'lz4', usdPerMonth: 500, sendP99Ms: 40, whyNot: '160 USD a month more' }],
  before: outcome(1_200, 5),
  predicted: outcome(340, 60),
  measuredBefore: outcome(1_180, 6),
  measured: outcome(360, 58),
  predictionError: 0.06,
  savingUsdPerMonth: 860,
  costOfChangeUsd: 0,
  assumptions: ['no prices are registered for this cluster: price book aws-us-east-1 is assumed'],
  policy: 'auto',
  trial: {
    design: 'instances',
    instances: ['shop-3'],
    ofInstances: 12,
    startedAtMs: 1_000,
    endedAtMs: 241_000,
    dropped: 1,
  },
  trialComparisons: [comparison],
  watchComparisons: [],
  guardrails: [{ name: 'errors', limit: 'at most 0.10 % of sends fail', seen: '0 failed', held: true }],
  status: '70 % cheaper for all than before (p = 0.0002)',
  undo: 'mq undo 7 restores what stood before, as a new revision',
  migration: null,
  revision: 41,
  approvedBy: null,
  steps: [{ atMs: 1_000, state: 'trial', event: 'trial-began', actor: 'mq', note: 'on trial with 1 of 12 instances' }],
  createdAtMs: 1_000,
  updatedAtMs: 500_000,
  endedAtMs: 500_000,
})
const waiting: Decision = {
  ...kept,
  number: 8,
  state: 'waiting',
  measured: null,
  measuredBefore: null,
  trial: null,
  trialComparisons: [],
  predictionError: null,
}
const outlook = {
  mqId: 'carts.changed',
  loop: 'tuning' as const,
  state: 'too-small' as const,
  reason: '12 records in 10 min; 10000 are needed to judge',
  atMs: 1,
}

test('decisions are listed with what was predicted and measured, and with how to let one go on', async () => {
  const body = { autopilot: false, decisions: [waiting, kept], outlooks: [outlook] }
  await withPlane(
    () => ({ body }),
    async (url, seen) => {
      const list = await run(['decisions', '--url', url])
      assert.equal(list.code, exitCodes.ok, list.stderr)
      assert.match(list.stdout, /autopilot is off/)
      assert.match(list.stdout, /7\s+orders\.placed\s+kept\s+820 USD measured\s+-72 %\s+-69 %/)
      assert.match(list.stdout, /8\s+orders\.placed\s+waiting\s+860 USD predicted/)
      assert.match(list.stdout, /mq approve 8/)
      assert.match(list.stdout, /1 too small/)
      const one = await run(['decisions', 'carts.changed', '--state', 'kept', '--url', url])
      assert.match(one.stdout, /12 records in 10 min/)
      assert.match(seen.at(-1)!.path, /id=carts\.changed/)
      assert.match(seen.at(-1)!.path, /state=kept/)
      const json = await run(['decisions', '-o', 'json', '--url', url])
      assert.deepEqual(JSON.parse(json.stdout), body)
    },
  )
  await withPlane(
    () => ({ body: { autopilot: true, decisions: [], outlooks: [] } }),
    async (url) => assert.match((await run(['decisions', '--url', url])).stdout, /No decisions yet/),
  )
})

test('one decision is shown with both sides of before and after, the test, the guardrails and how to undo it', async () => {
  await withPlane(
    () => ({ body: kept }),
    async (url, seen) => {
      const shown = await run(['decision', 'show', '7', '--url', url])
      assert.equal(shown.code, exitCodes.ok, shown.stderr)
      for (const part of [
        /Decision 7 about orders\.placed: kept/,
        /none -> zstd level 1/,
        /cost a month\s+1,200 USD\s+340 USD\s+1,180 USD\s+360 USD/,
        /p99 of a send\s+5 ms\s+60 ms\s+6 ms\s+58 ms/,
        /measured against predicted cost: \+6\.0 %/,
        /1 of 12 instances against the rest/,
        /Mann-Whitney/,
        /<0\.001/,
        /-72 % to -66 %/,
        /errors\s+yes/,
        /price book aws-us-east-1 is assumed/,
        /mq undo 7 restores/,
        /saves +820 USD a month, measured at the traffic of now\n +predicted +860 USD a month/,
      ]) {
        assert.match(shown.stdout, part)
      }
      assert.match(seen.at(-1)!.path, /\/v1\/decisions\/7$/)
      for (const [word, path] of [
        ['approve', '/v1/decisions/7/approve'],
        ['undo', '/v1/decisions/7/undo'],
      ] as const) {
        const answer = await run([word, '7', '--url', url])
        assert.equal(answer.code, exitCodes.ok, answer.stderr)
        assert.equal(seen.at(-1)!.method, 'POST')
        assert.equal(seen.at(-1)!.path, path)
      }
    },
  )
})

test('what is refused comes with its code', async () => {
  const message = 'decision 9 changed the same settings after decision 7 and is kept'
  const problem = { code: 'MQ_DECISION_OVERTAKEN', message, action: 'Undo the later one first', retryable: false }
  await withPlane(
    () => ({ status: 409, body: problem }),
    async (url) => {
      const refused = await run(['undo', '7', '--url', url])
      assert.notEqual(refused.code, exitCodes.ok)
      assert.match(refused.stderr, /MQ_DECISION_OVERTAKEN/)
      assert.match(refused.stderr, /decision 9/)
    },
  )
})

test('a rule for an mQ ID nobody declared is set, with a warning; one for a known ID, a team or all has none', async () => {
  const unknown = new MqError('MQ_ID_UNKNOWN', "no mQ ID 'orders.typo'").toJSON()
  await withPlane(
    (seen) => {
      if (seen.method === 'PUT')
        return { body: { scope: decodeURIComponent(seen.path.split('/').at(-1)!), ...(seen.body as object) } }
      if (seen.path === '/v1/ids/orders.typo') return { status: 404, body: unknown }
      return seen.path.startsWith('/v1/ids/') ? { body: {} } : { body: { rules: [], effective: null } }
    },
    async (url) => {
      const set = async (scope: string) => run(['policy', 'set', scope, '--mode', 'observe', '--url', url])
      const typo = await set('id=orders.typo')
      assert.equal(typo.code, exitCodes.ok, typo.stderr)
      assert.match(typo.stdout, /warning: no mQ ID 'orders.typo' is declared/)
      for (const scope of ['id=orders.placed', 'team=checkout', 'global']) {
        const ran = await set(scope)
        assert.equal(ran.code, exitCodes.ok, ran.stderr)
        assert.doesNotMatch(ran.stdout, /warning/)
      }
    },
  )
})

test('a policy is set part by part, and what is not named stays', async () => {
  const rules = [{ scope: 'global', mode: 'approve', maxChangesPerDay: 3, autoKnobs: ['codec'] }]
  await withPlane(
    (seen) =>
      seen.method === 'PUT'
        ? { body: { scope: 'global', ...(seen.body as object) } }
        : { body: { rules, effective: null } },
    async (url, seen) => {
      const set = await run(['policy', 'set', 'global', '--mode', 'auto', '--unasked', 'inherit', '--url', url])
      assert.equal(set.code, exitCodes.ok, set.stderr)
      assert.deepEqual(seen.at(-1)!.body, { mode: 'auto', maxChangesPerDay: 3, autoKnobs: null })
      assert.match(set.stdout, /global\s+auto\s+3\s+inherited/)
      await run(['policy', 'set', 'global', '--max-changes', '0', '--unasked', 'linger,cluster', '--url', url])
      assert.deepEqual(seen.at(-1)!.body, { mode: 'approve', maxChangesPerDay: 0, autoKnobs: ['linger', 'cluster'] })
      await run(['policy', 'set', 'global', '--unasked', 'none', '--url', url])
      assert.deepEqual((seen.at(-1)!.body as { autoKnobs: unknown }).autoKnobs, [])
      assert.match((await run(['policy', 'show', '--url', url])).stdout, /global\s+approve\s+3\s+codec/)
    },
  )
  const effective = {
    mode: 'observe',
    maxChangesPerDay: 6,
    autoKnobs: ['codec'],
    from: { mode: 'team=checkout', maxChangesPerDay: 'default', autoKnobs: 'default' },
  }
  await withPlane(
    () => ({ body: { rules: [], effective } }),
    async (url) => {
      const shown = await run(['policy', 'show', 'orders.placed', '--url', url])
      assert.match(shown.stdout, /observe {2}\(team=checkout\)/)
      assert.match(shown.stdout, /No rules/)
    },
  )
})

test('the autopilot is turned, and says what is under way', async () => {
  const status = { on: false, changedAtMs: 1_000, changedBy: 'local', underWay: 0, waiting: 2 }
  await withPlane(
    () => ({ body: status }),
    async (url, seen) => {
      const off = await run(['autopilot', 'off', '--url', url])
      assert.equal(off.code, exitCodes.ok, off.stderr)
      assert.deepEqual(seen.at(-1)!.body, { on: false })
      assert.match(off.stdout, /autopilot is off/)
      assert.match(off.stdout, /2 waiting for a person/)
      await run(['autopilot', 'status', '--url', url])
      assert.equal(seen.at(-1)!.method, 'GET')
    },
  )
})

test('words, numbers and scopes that are none are refused before anything is asked', async () => {
  for (const line of [
    ['decisions', 'NOT AN ID'],
    ['decisions', '--state', 'maybe'],
    ['decisions', '--limit', '0'],
    ['decision', 'hide', '3'],
    ['decision', 'show'],
    ['decision', 'show', '0'],
    ['approve', '-3'],
    ['approve', 'three'],
    ['undo', '1e3'],
    ['policy', 'set', 'everything', '--mode', 'auto'],
    ['policy', 'set', 'id=Orders', '--mode', 'auto'],
    ['policy', 'set', 'global'],
    ['policy', 'set', 'global', '--mode', 'yolo'],
    ['policy', 'set', 'global', '--max-changes', '-1'],
    ['policy', 'set', 'global', '--unasked', 'acks'],
    ['autopilot', 'maybe'],
    ['autopilot'],
  ]) {
    const answer = await run([...line, '--url', 'http://127.0.0.1:1'])
    assert.equal(answer.code, exitCodes.badInput, `${line.join(' ')}: ${answer.stderr}`)
  }
})
