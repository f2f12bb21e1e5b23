/**
 * mQ IDs of mQ's own: made for a group, following the mQ ID they belong to, deleted and brought back with it (SQ1-SQ4).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Binding, sideIdOf } from '@mq/contract'
import type { ClusterPositions } from '../src/lag/positions.ts'
import { assertProblem, type Harness, startHarness, telemetryReport } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const ID = 'orders.placed'
const DAY_MS = 86_400_000
const LETTERS = sideIdOf({ mqId: ID, group: 'billing', role: 'dead-letters' })
const BACK = sideIdOf({ mqId: ID, group: 'billing', role: 'redrive' })
const noPositions = async (): Promise<ClusterPositions> => ({ groups: new Map(), logs: new Map(), problems: new Map() })

async function declared(t: Parameters<typeof startHarness>[0], intent: object = {}): Promise<Harness> {
  const plane = await startHarness(t, { deleteGraceMs: DAY_MS, readPositions: noPositions, createOnFirstUse: true })
  const owner = { team: 'shop' }
  assert.equal((await plane.call('PUT', `/v1/ids/${ID}`, { intent: { owner, ...intent } })).status, 200)
  return plane
}

const ensure = (plane: Harness, role: string, group = 'billing') =>
  plane.call('POST', `/v1/ids/${ID}/groups/${group}/dead-letters`, { role, app: 'billing-service' })

test(
  'dead letters of a group have an mQ ID of their own, made once, with one partition and room (SQ1, SQ2)',
  TIMEOUT,
  async (t) => {
    const plane = await declared(t, { retention: '30d', priority: 'high', maxMessageBytes: '2MiB' })
    assert.deepEqual(
      [(await ensure(plane, 'dead-letters')).body, (await ensure(plane, 'dead-letters')).body],
      [{ id: LETTERS }, { id: LETTERS }],
    )
    const { intent, epochs, side } = (await plane.call('GET', `/v1/ids/${LETTERS}`)).body
    assert.deepEqual(side, { mqId: ID, group: 'billing', role: 'dead-letters' })
    assert.deepEqual(
      [intent.format, intent.retention, intent.priority, intent.maxMessageBytes, intent.owner, epochs[0].partitions],
      ['bytes', { policy: 'time', durationMs: 30 * DAY_MS }, 'high', 2_097_152, { team: 'shop' }, 1],
    )
    const source = plane.kafka.topics.get(`${ID}.e1`)!
    const topic = plane.kafka.topics.get(`${LETTERS}.e1`)!
    const limitOf = ({ configs }: typeof topic): number => Number(configs['max.message.bytes'])
    assert.equal(topic.partitions, 1)
    assert.ok(limitOf(topic) >= limitOf(source) + 4_096, `${limitOf(topic)} after ${limitOf(source)}`)
    const detail = (await plane.call('GET', `/v1/ids/${ID}`)).body
    assert.deepEqual(
      [detail.deadLetters, detail.side],
      [[{ group: 'billing', id: LETTERS, kept: null, oldestAtMs: null }], null],
    )
    assert.deepEqual(
      (await plane.call('GET', '/v1/ids')).body.ids.map(({ id }: { id: string }) => id),
      [ID],
    )
    const { queues } = (await plane.call('GET', `/v1/dead-letters?id=${ID}`)).body
    assert.deepEqual(queues, [
      {
        ...{ mqId: ID, group: 'billing', deadLetters: LETTERS, redrive: null, retentionMs: 30 * DAY_MS, written: 0 },
        ...{ kept: null, oldestAtMs: null },
      },
    ])
  },
)

test('dead letters are kept two weeks at least, and follow a changed intent (SQ1)', TIMEOUT, async (t) => {
  const plane = await declared(t, { retention: '1h' })
  await ensure(plane, 'dead-letters')
  const kept = async () => (await plane.call('GET', `/v1/ids/${LETTERS}`)).body.intent
  assert.deepEqual((await kept()).retention, { policy: 'time', durationMs: 14 * DAY_MS })
  const intent = { retention: '60d', owner: { team: 'money' } }
  assert.equal((await plane.call('PUT', `/v1/ids/${ID}`, { intent })).status, 200)
  assert.deepEqual([(await kept()).retention.durationMs, (await kept()).owner.team], [60 * DAY_MS, 'money'])
  assert.equal(plane.kafka.topics.get(`${LETTERS}.e1`)!.configs['retention.ms'], String(60 * DAY_MS))
  const applied = await plane.call('POST', '/v1/apply', {
    declarations: [{ id: ID, intent: { retention: 'forever' } }],
  })
  assert.equal(applied.body.applied, true)
  assert.deepEqual((await kept()).retention, { policy: 'forever' })
  assert.equal((await plane.call('GET', `/v1/ids/${LETTERS}`)).body.side.group, 'billing')
})

test('a message from before a smaller maxMessageBytes still fits into its dead letter (SQ1)', TIMEOUT, async (t) => {
  const [large, small] = ['4MiB', '1MiB'].map((maxMessageBytes) => ({ owner: { team: 'shop' }, maxMessageBytes }))
  const plane = await declared(t, large)
  await ensure(plane, 'dead-letters')
  assert.equal((await plane.call('PUT', `/v1/ids/${ID}`, { intent: small })).status, 200)
  await ensure(plane, 'redrive')
  for (const id of [LETTERS, BACK]) {
    const { producer } = Binding.parse((await plane.call('GET', `/v1/bindings/${id}`)).body)
    assert.equal(producer.maxMessageBytes, 4_194_304, id)
  }
})

test('the way back to a group is made with the first redrive and stands in the binding (SQ4)', TIMEOUT, async (t) => {
  const rule = { retry: { attempts: 3, backoff: { baseMs: '1s' } }, deadLetter: true }
  const plane = await declared(t, { groups: { billing: rule } })
  const binding = async () => Binding.parse((await plane.call('GET', `/v1/bindings/${ID}`)).body)
  const before = await binding()
  const asNumbers = { ...rule, retry: { attempts: 3, backoff: { baseMs: 1_000 } } }
  assert.deepEqual(before.groups, { billing: asNumbers })
  assert.deepEqual((await ensure(plane, 'redrive')).body, { id: BACK })
  const after = await binding()
  assert.deepEqual(
    [after.groups, after.revision > before.revision],
    [{ billing: { ...asNumbers, redrive: BACK } }, true],
  )
  await ensure(plane, 'redrive')
  assert.equal((await binding()).revision, after.revision)
  const intent = { retention: '9d', groups: { billing: rule } }
  await plane.call('PUT', `/v1/ids/${ID}`, { intent })
  assert.deepEqual((await binding()).groups, { billing: { ...asNumbers, redrive: BACK } }, 'a changed intent keeps it')
})

test('they go and come back with the mQ ID they belong to (SQ3)', TIMEOUT, async (t) => {
  const plane = await declared(t)
  await ensure(plane, 'dead-letters')
  const gone = await plane.call('DELETE', `/v1/ids/${ID}`)
  assert.deepEqual(gone.body.topics, [`${ID}.e1`, `${LETTERS}.e1`])
  assert.ok(plane.kafka.topics.has(`${LETTERS}.e1`), 'kept for the grace time')
  assertProblem(await plane.call('GET', `/v1/ids/${LETTERS}`), 'MQ_ID_DELETED')
  assertProblem(await ensure(plane, 'dead-letters'), 'MQ_ID_DELETED')
  assert.equal((await plane.call('POST', `/v1/ids/${ID}/undelete`)).status, 200)
  assert.equal((await plane.call('GET', `/v1/ids/${LETTERS}`)).body.side.mqId, ID)
  await plane.call('DELETE', `/v1/ids/${ID}`)
  assert.equal((await plane.call('DELETE', `/v1/ids/${ID}?now=true`)).status, 200)
  assert.deepEqual(
    [...plane.kafka.topics.keys()].filter((topic) => topic.includes('orders')),
    [],
  )
  assert.equal((await plane.call('PUT', `/v1/ids/${ID}`, { intent: {} })).status, 200)
  assert.equal((await ensure(plane, 'dead-letters')).status, 200, 'a new life has dead letters of its own')
})

test('nobody declares, makes by first use, or nests an mQ ID of mQ’s own', TIMEOUT, async (t) => {
  const plane = await declared(t)
  await ensure(plane, 'dead-letters')
  assertProblem(await plane.call('PUT', `/v1/ids/${LETTERS}`, { intent: {} }), 'MQ_ID_INVALID')
  const declarations = [{ id: BACK, intent: {} }]
  assertProblem(await plane.call('POST', '/v1/apply', { declarations }), 'MQ_ID_INVALID')
  assertProblem(await plane.call('GET', `/v1/bindings/${BACK}`), 'MQ_ID_UNKNOWN')
  const nested = await plane.call('POST', `/v1/ids/${LETTERS}/groups/g/dead-letters`, { role: 'dead-letters' })
  assertProblem(nested, 'MQ_ID_INVALID')
  assertProblem(
    await plane.call('POST', '/v1/ids/no.such.id/groups/g/dead-letters', { role: 'dead-letters' }),
    'MQ_ID_UNKNOWN',
  )
})

test('what was done with dead letters stands in the journal, with who and how many', TIMEOUT, async (t) => {
  const plane = await declared(t)
  const action = { action: 'discard', letters: 12, filter: 'reason TypeError', by: 'ann@host', state: 'ended' }
  const url = `/v1/ids/${ID}/groups/billing/dead-letters/actions`
  assert.equal((await plane.call('POST', url, action)).status, 200)
  const [entry] = (await plane.call('GET', `/v1/journal?subject=${ID}&limit=1`)).body.entries
  assert.deepEqual(
    [entry.kind, entry.actor, entry.why, entry.after],
    [
      'dead-letters-discard',
      'local (ann@host)',
      'asked for: discard of reason TypeError, group billing, ended',
      { group: 'billing', letters: 12, state: 'ended' },
    ],
  )
})

test('dead letters, failures and what fails now are counted by group, for alerts (HT1, HT2)', TIMEOUT, async (t) => {
  const plane = await declared(t)
  await ensure(plane, 'dead-letters')
  const consumer = {
    ...{ mqId: ID, group: 'billing', epoch: 1, records: 9, recordBytes: 90, wireBytes: 90, commits: 1, rebalances: 0 },
    ...{ handlerErrors: 7, redeliveries: 5, lagRecords: 0, endToEndLatencyUs: '', deadLetters: 2, failingRecords: 3 },
  }
  for (const instance of ['one', 'two']) {
    const report = telemetryReport({ instance, consumers: [consumer], producers: [] })
    assert.equal((await plane.call('POST', '/v1/telemetry', report)).status, 200)
  }
  const text = (await plane.call('GET', '/metrics')).text
  const labels = `{mq_id="${ID}",group="billing"}`
  for (const line of [
    `mq_group_dead_letters_total${labels} 4`,
    `mq_group_handler_failures_total${labels} 14`,
    `mq_group_retries_total${labels} 10`,
    `mq_group_failing_records${labels} 6`,
  ]) {
    assert.ok(text.includes(line), `${line} is not in\n${text.match(/mq_group_.*/g)?.join('\n')}`)
  }
  assert.equal((await plane.call('GET', '/v1/dead-letters')).body.queues[0].written, 4)
})
