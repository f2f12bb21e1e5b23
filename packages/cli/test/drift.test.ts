/** `mq drift` and what `mq doctor` says of topics, before a control plane that answers what a test says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DriftedTopic, DriftPlan } from '@mq/contract'
import { run, withPlane } from './harness.ts'

const difference = {
  kind: 'setting' as const,
  setting: 'retention.ms',
  expected: '604800000',
  found: '3600000',
  alarm: true,
  what: 'retention.ms of topic orders.e1 is 3600000, and mQ set 604800000',
}
const drifted: DriftedTopic = {
  ...{ mqId: 'orders', role: 'open', cluster: 'east', topic: 'orders.e1', epoch: 1, sinceMs: 1 },
  differences: [difference],
}
const planOf = (change: Partial<DriftPlan['steps'][number]> = {}, done = false): DriftPlan => ({
  ...{ mqId: 'orders', action: 'repair', cluster: 'east', topic: 'orders.e1', done },
  steps: [{ difference, possible: true, effect: 'retention.ms becomes 604800000 again', deletes: false, ...change }],
})

async function drift(
  argv: readonly string[],
  answers: { topics?: DriftedTopic[]; plan?: DriftPlan } = {},
  options = {},
) {
  const { topics = [drifted], plan = planOf() } = answers
  return withPlane(
    ({ method, path, body }) => {
      if (path === '/v1/drift') return { body: { topics } }
      if (method === 'POST') {
        return { body: { ...plan, done: (body as { plan: boolean }).plan === false } }
      }
      return { status: 404, body: { code: 'MQ_ID_UNKNOWN', message: 'no', action: '', retryable: false } }
    },
    async (url, seen) => {
      const ran = await run(['drift', ...argv, '--url', url], options)
      return { ...ran, posts: seen.filter(({ method }) => method === 'POST') }
    },
  )
}

test('mq drift lists what differs and what can be done about it', async () => {
  const listed = await drift([])
  assert.equal(listed.code, 0, listed.stderr)
  assert.match(listed.stdout, /orders\s+east\s+retention\.ms\s+604800000\s+3600000\s+.*yes/)
  assert.match(listed.stdout, /drift repair ID.*drift accept ID/)
  assert.match((await drift([], { topics: [] })).stdout, /Every topic is as mQ made it/)
  assert.equal((await drift(['nobody'])).code, 3)
})

test('mq drift repair says first what it does, and changes nothing without a yes', async () => {
  const asked = await drift(['repair', 'orders'])
  assert.match(asked.stderr, /MQ_CONFIRMATION_NEEDED.*retention\.ms becomes 604800000 again/s)
  assert.deepEqual(
    asked.posts.map(({ path, body }) => [path, body]),
    [['/v1/ids/orders/drift/repair', { plan: true }]],
  )
  const plan = await drift(['repair', 'orders', '--plan'])
  assert.deepEqual([plan.code, plan.posts.length], [0, 1])
  const done = await drift(['accept', 'orders', '--kind', 'retention.ms, topic-missing', '--yes'])
  assert.equal(done.code, 0, done.stderr)
  const only = ['retention.ms', 'topic-missing']
  assert.deepEqual(
    done.posts.map(({ path, body }) => [path, body]),
    [
      ['/v1/ids/orders/drift/accept', { only, plan: true }],
      ['/v1/ids/orders/drift/accept', { only, plan: false }],
    ],
  )
  const refused = await drift(['repair', 'orders', '--plan'], { plan: planOf({ possible: false, effect: 'cannot' }) })
  assert.deepEqual([refused.code, /refused\s+retention\.ms: cannot/.test(refused.stdout)], [5, true])
  const nothing = await drift(['repair', 'orders'], { plan: { ...planOf(), steps: [] } })
  assert.match(nothing.stdout, /nothing to repair/)
})

test('a misspelt subcommand of mq drift is told the nearest, and one in the wrong place how to write it', async () => {
  for (const [words, hint] of [
    [['repiar', 'orders'], /did you mean 'repair'/],
    [['orders', 'accept'], /write mq drift accept orders/],
    [['orders', 'payments'], /it has accept and repair/],
  ] as const) {
    const ran = await drift([...words])
    assert.equal(ran.code, 2)
    assert.match(ran.stderr, hint)
    assert.equal(ran.posts.length, 0)
  }
})
