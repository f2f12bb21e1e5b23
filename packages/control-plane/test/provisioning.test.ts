/**
 * Provisioning under faults (provisioner P1-P5, clusters W1-W4).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Binding, Intent, MqError } from '@mq/contract'
import { within } from '@mq/testkit'
import fc from 'fast-check'
import { anyIntentInput } from './any-intent.ts'
import { FakeKafka } from './fake-kafka.ts'
import { assertProblem, startHarness, temporaryFolder } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const away = () => new MqError('MQ_KAFKA_UNREACHABLE', 'no broker answers')

test('two requests for one mQ ID at the same time make one topic and one decision (P1)', TIMEOUT, async (t) => {
  const plane = await startHarness(t, { createOnFirstUse: true })
  const answers = await Promise.all([
    plane.call('PUT', '/v1/ids/orders.placed', { intent: {} }),
    plane.call('GET', '/v1/bindings/orders.placed'),
    plane.call('PUT', '/v1/ids/orders.placed', { intent: {} }),
    plane.call('POST', '/v1/apply', { declarations: [{ id: 'orders.placed' }] }),
  ])
  for (const answer of answers) assert.equal(answer.status, 200, answer.text)
  assert.equal(plane.kafka.calls.filter((call) => call === 'createTopic').length, 1)
  const { entries } = (await plane.call('GET', '/v1/journal?subject=orders.placed')).body
  assert.equal(entries.length, 1)
})

test('a failure at any step of any change is made good after a restart, from the store alone (P2)', {
  timeout: 480_000,
}, async (t) => {
  const calls = ['findTopics', 'createTopic', 'describe', 'alterTopicConfigs', 'deleteTopic']
  let faults = 0
  for (const when of ['before', 'after'] as const) {
    for (let step = 1; ; step++) {
      const kafka = new FakeKafka()
      const dataDir = temporaryFolder(t)
      const first = await startHarness(t, { kafka, dataDir })
      await first.clusters.checkAll()
      let seen = 0
      const fault = (call: string): void => {
        if (calls.includes(call) && ++seen === step) throw new MqError('MQ_KAFKA_TIMEOUT', `lost at ${call}`)
      }
      kafka[when] = fault
      const outcomes: number[] = []
      outcomes.push((await first.call('PUT', '/v1/ids/orders.placed', { intent: {} })).status)
      outcomes.push((await first.call('PUT', '/v1/ids/orders.placed', { intent: { retention: '1d' } })).status)
      outcomes.push((await first.call('PUT', '/v1/ids/orders.paid', { intent: {} })).status)
      outcomes.push((await first.call('DELETE', '/v1/ids/orders.paid')).status)
      await first.close()
      kafka[when] = () => {}
      const second = await startHarness(t, { kafka, dataDir })
      await second.clusters.checkAll()
      await second.provisioner.resume()
      for (const record of second.registry.all()) {
        assert.equal(record.pending, null, `${record.id} after a fault ${when} call ${step}`)
        for (const { topic } of record.epochs)
          assert.ok(kafka.topics.has(topic), `${topic} after a fault ${when} call ${step}`)
      }
      const owned = new Set(second.registry.all().flatMap((record) => record.epochs.map((epoch) => epoch.topic)))
      assert.deepEqual(
        [...kafka.topics.keys()].filter((topic) => !owned.has(topic)),
        [],
        'no topic is left over',
      )
      const declare = await second.call('PUT', '/v1/ids/orders.placed', { intent: { retention: '1d' } })
      assert.equal(declare.status, 200, declare.text)
      assert.equal(kafka.topics.get('orders.placed.e1')?.configs['retention.ms'], '86400000')
      await second.close()
      assert.equal(kafka.open, 0, 'no connection is left open')
      if (seen < step) break
      faults++
      assert.ok(
        outcomes.some((status) => status !== 200),
        'the fault was felt',
      )
    }
  }
  assert.ok(faults >= 16, `${faults} faults were tried`)
})

test('a topic mQ did not make is never taken over (P3)', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  plane.kafka.addForeignTopic('orders.placed.e1')
  const problem = assertProblem(await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} }), 'MQ_TOPIC_EXISTS')
  assert.match(problem.message, /cluster 'main' already has a topic 'orders\.placed\.e1'/)
  assert.equal(plane.registry.get('orders.placed'), undefined)
  assert.equal(plane.kafka.topics.get('orders.placed.e1')?.id, 'foreign')
})

test(
  'a topic that appears between the look and the creation is not taken over when it holds records (P3)',
  TIMEOUT,
  async (t) => {
    const plane = await startHarness(t)
    plane.kafka.before = (call) => {
      if (call === 'createTopic') plane.kafka.addForeignTopic('orders.placed.e1', 4, 7n)
    }
    assertProblem(await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} }), 'MQ_TOPIC_EXISTS')
    assert.equal(plane.registry.get('orders.placed'), undefined, 'nothing stays pending')
  },
)

test(
  'a topic that was made a moment ago and is not seen yet is waited for, not given up as foreign (P2, P3)',
  TIMEOUT,
  async (t) => {
    const plane = await startHarness(t)
    const topic = 'orders.placed.e1'
    plane.kafka.after = (call) => {
      if (call === 'createTopic') throw new MqError('MQ_KAFKA_TIMEOUT', 'the answer was lost')
    }
    assertProblem(await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} }), 'MQ_KAFKA_TIMEOUT')
    plane.kafka.after = () => {}
    plane.kafka.unseen.add(topic)
    assertProblem(await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} }), 'MQ_KAFKA_UNAVAILABLE')
    assert.equal(plane.registry.get('orders.placed')?.pending?.kind, 'create')
    plane.kafka.unseen.clear()
    assert.equal((await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })).status, 200)
    assert.equal(plane.registry.get('orders.placed')?.state, 'active')
  },
)

test('two mQ IDs whose topics Kafka would confuse in its metrics are not both made', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })
  const problem = assertProblem(await plane.call('PUT', '/v1/ids/orders_placed', { intent: {} }), 'MQ_TOPIC_EXISTS')
  assert.match(problem.message, /'orders_placed' and 'orders\.placed'/)
})

test('a creation that the cluster refuses for good leaves nothing behind', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  plane.kafka.before = (call) => {
    if (call === 'createTopic') throw new MqError('MQ_KAFKA_FORBIDDEN', 'no right to create topics')
  }
  assertProblem(await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} }), 'MQ_KAFKA_FORBIDDEN')
  assert.equal(plane.registry.get('orders.placed'), undefined)
  plane.kafka.before = () => {}
  assert.equal((await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })).status, 200)
})

const BEFORE = 'message.timestamp.before.max.ms'
const DIFFERENCE = 'message.timestamp.difference.max.ms'
const AFTER = 'message.timestamp.after.max.ms'

for (const [unknown, set, says] of [
  [[], BEFORE, /is refused, not dropped in silence$/],
  [
    [BEFORE],
    DIFFERENCE,
    /is refused, not dropped in silence \(by message\.timestamp\.difference\.max\.ms: this Kafka is older/,
  ],
  [
    [BEFORE, DIFFERENCE],
    undefined,
    /This cluster knows no setting that refuses .* it is acknowledged and soon deleted$/,
  ],
] as const) {
  test(
    `records older than the retention: ${set ?? 'no setting'} where the cluster does not know [${unknown.join()}]`,
    TIMEOUT,
    async (t) => {
      const plane = await startHarness(t)
      for (const name of unknown) plane.kafka.unknownSettings.add(name)
      // Both came with the same version.
      if (unknown.some((name) => name === BEFORE)) plane.kafka.unknownSettings.add(AFTER)
      const reason = async (): Promise<string> => {
        const { body } = await plane.call('GET', '/v1/ids/orders.placed')
        return body.choices.find((choice: { setting: string }) => choice.setting === 'retention').reason
      }
      const configs = () => plane.kafka.topics.get('orders.placed.e1')?.configs ?? {}
      for (const [retention, ms] of [
        ['1h', '3600000'],
        ['2h', '7200000'],
      ] as const) {
        assert.equal((await plane.call('PUT', '/v1/ids/orders.placed', { intent: { retention } })).status, 200)
        assert.equal(configs()['retention.ms'], ms)
        for (const name of [BEFORE, DIFFERENCE]) assert.equal(configs()[name], name === set ? ms : undefined)
        assert.equal(configs()[AFTER], set === BEFORE ? '3600000' : undefined)
        const { timestamps } = Binding.parse((await plane.call('GET', '/v1/bindings/orders.placed')).body)
        const beforeMaxMs = Number(ms)
        const told = { beforeMaxMs, afterMaxMs: set === BEFORE ? 3_600_000 : beforeMaxMs }
        assert.deepEqual(timestamps, set === undefined ? undefined : told, 'clients refuse what the topic would')
        assert.match(await reason(), says)
      }
    },
  )
}

test('an apply that fails for now says that it stays pending, and is finished by itself', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  let isElecting = true
  plane.kafka.before = (call) => {
    if (call === 'createTopic' && isElecting) throw new MqError('MQ_KAFKA_UNAVAILABLE', 'the controller moves')
  }
  const declarations = [{ id: 'orders.placed' }, { id: 'orders.paid', intent: { durability: 'mirror' } }]
  const planned = await plane.call('POST', '/v1/apply', { declarations })
  assert.deepEqual([planned.body.applied, planned.body.executed], [false, false], 'one refused: nothing is touched')
  const { body } = await plane.call('POST', '/v1/apply', { declarations: declarations.slice(0, 1) })
  assert.deepEqual([body.applied, body.executed], [false, true])
  assert.equal(body.entries[0].pending, true)
  assert.equal(body.entries[0].refusal.code, 'MQ_KAFKA_UNAVAILABLE')
  isElecting = false
  const again = await plane.call('POST', '/v1/apply', { declarations: declarations.slice(0, 1) })
  assert.deepEqual([again.body.applied, again.body.executed], [true, true])
  assert.equal(again.body.entries[0].pending, undefined)
})

test('with Kafka away it starts, says so within its deadline, and writes nothing', TIMEOUT, async (t) => {
  const kafka = new FakeKafka()
  kafka.away = away()
  const plane = await startHarness(t, { kafka, createOnFirstUse: true })
  assertProblem(await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} }), 'MQ_KAFKA_UNREACHABLE')
  assertProblem(await plane.call('GET', '/v1/bindings/orders.placed'), 'MQ_KAFKA_UNREACHABLE')
  assertProblem(
    await plane.call('POST', '/v1/apply', { declarations: [{ id: 'orders.placed' }] }),
    'MQ_KAFKA_UNREACHABLE',
  )
  const plan = await plane.call('POST', '/v1/apply', { declarations: [{ id: 'orders.placed' }], plan: true })
  assert.equal(plan.body.entries[0].action, 'create', 'a plan needs no cluster')
  assert.deepEqual(plane.registry.all(), [])
  kafka.away = undefined
  assert.equal((await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })).status, 200)
})

test('a cluster that swallows every question is given up after the deadline (W2)', TIMEOUT, async (t) => {
  const kafka = new FakeKafka()
  kafka.before = () => new Promise(() => {})
  const plane = await startHarness(t, { kafka })
  const answer = await within(8_000, () => plane.call('PUT', '/v1/ids/orders.placed', { intent: {} }))
  const problem = assertProblem(answer, 'MQ_KAFKA_UNREACHABLE')
  assert.match(problem.message, /127\.0\.0\.1:9092 did not answer within 5000 ms/)
})

test('without a cluster nothing can be placed, and the answer says so', TIMEOUT, async (t) => {
  const plane = await startHarness(t, { clusters: [] })
  const problem = assertProblem(await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} }), 'MQ_INTENT_UNMET')
  assert.match(problem.message, /no cluster is registered/)
})

test('another Kafka cluster behind a known name stops every change there, loudly (W1)', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })
  plane.kafka.clusterId = 'another-cluster'
  await plane.clusters.checkAll()
  const [view] = (await plane.call('GET', '/v1/clusters')).body.clusters
  assert.equal(view.status, 'unreachable')
  assert.match(view.problem, /now answer as Kafka cluster another-cluster, not fake-cluster/)
  assertProblem(await plane.call('PUT', '/v1/ids/orders.placed', { intent: { retention: '1d' } }), 'MQ_KAFKA_REFUSED')
  assertProblem(await plane.call('DELETE', '/v1/ids/orders.placed'), 'MQ_KAFKA_REFUSED')
  assert.equal((await plane.call('GET', '/v1/ready')).status, 503)
  assert.ok(plane.kafka.topics.has('orders.placed.e1'))
})

test(
  'brokers that are not where they advertise to be are named; with none found the cluster is of no use (W4)',
  TIMEOUT,
  async (t) => {
    const plane = await startHarness(t)
    const problem = 'MQ_KAFKA_ADVERTISED: broker 1 of cluster main advertises 10.0.0.1:9092, and that cannot be reached'
    const lost = { nodeId: 1, address: '10.0.0.1:9092', problem }
    const view = async () => {
      await plane.clusters.checkAll()
      return (await plane.call('GET', '/v1/clusters')).body.clusters[0]
    }
    // The check of the start is over.
    await view()
    plane.kafka.advertised = [lost, { nodeId: 2, address: '10.0.0.2:9092', problem: null }]
    const some = await view()
    assert.deepEqual([some.status, some.problem, some.advertised], ['up', problem, plane.kafka.advertised])
    plane.kafka.advertised = [lost]
    const none = await view()
    assert.deepEqual([none.status, none.advertised], ['unreachable', [lost]])
    assert.match(none.problem, /^MQ_KAFKA_ADVERTISED: .*answers at its bootstrap addresses.*10\.0\.0\.1:9092/)
    assertProblem(await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} }), 'MQ_KAFKA_ADVERTISED')
    plane.kafka.advertised = []
    const fine = await view()
    assert.deepEqual([fine.status, fine.problem], ['up', null])
  },
)

test(
  'a change of settings applies live, a change that needs a new epoch is refused with the reason',
  TIMEOUT,
  async (t) => {
    const plane = await startHarness(t)
    const first = (await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })).body
    plane.kafka.topics.get('orders.placed.e1')!.ends[0] = 5n
    const faster = (await plane.call('PUT', '/v1/ids/orders.placed', { intent: { latencyP99Ms: 10 } })).body
    assert.ok(faster.revision > first.revision)
    assert.equal(faster.producer.lingerMs, 0)
    const larger = (await plane.call('PUT', '/v1/ids/orders.placed', { intent: { maxMessageBytes: 4_194_304 } })).body
    assert.equal(larger.producer.maxMessageBytes, 4_194_304)
    assert.equal(plane.kafka.topics.get('orders.placed.e1')!.configs['max.message.bytes'], String(4_194_304 + 131_072))
    const smaller = (await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })).body
    assert.equal(smaller.producer.maxMessageBytes, 1_048_576)
    assert.equal(plane.kafka.topics.get('orders.placed.e1')!.configs['max.message.bytes'], String(4_194_304 + 131_072))
    const busy = (
      await plane.call('PUT', '/v1/ids/orders.placed', { intent: { expectedMessagesPerSecond: 1_000_000 } })
    ).body
    assert.equal(busy.partitions, 4)
    assert.match(busy.warnings.join(), /needs a migration to a new epoch/)
    const { revision } = plane.store
    for (const intent of [{ format: 'text' }, { retention: 'latest-per-key' }, { durability: 'mirror' }]) {
      assertProblem(await plane.call('PUT', '/v1/ids/orders.placed', { intent }), 'MQ_INTENT_UNMET')
    }
    assert.equal(plane.store.revision, revision)
  },
)

test('the format of an mQ ID nobody has used yet can still change', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })
  const changed = await plane.call('PUT', '/v1/ids/orders.placed', { intent: { format: 'bytes' } })
  assert.equal(changed.body.format, 'bytes', changed.text)
})

test(
  'a deletion is refused while the cluster is away, and finished later when it goes away in between (P5)',
  TIMEOUT,
  async (t) => {
    const plane = await startHarness(t)
    await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })
    plane.kafka.away = away()
    assertProblem(await plane.call('DELETE', '/v1/ids/orders.placed'), 'MQ_KAFKA_UNREACHABLE')
    assert.equal(plane.registry.get('orders.placed')?.state, 'active')
    plane.kafka.away = undefined
    plane.kafka.before = (call) => {
      if (call === 'deleteTopic') throw away()
    }
    assertProblem(await plane.call('DELETE', '/v1/ids/orders.placed'), 'MQ_KAFKA_UNREACHABLE')
    assert.equal(plane.registry.binding('orders.placed')?.deleted, true, 'clients are told first')
    assert.ok(plane.kafka.topics.has('orders.placed.e1'))
    plane.kafka.before = () => {}
    await plane.provisioner.resume()
    assert.equal(plane.kafka.topics.size, 0)
  },
)

test(
  'a cluster with mQ IDs cannot be forgotten or pointed at another Kafka; an idle one can be forgotten',
  TIMEOUT,
  async (t) => {
    const plane = await startHarness(t)
    await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })
    assertProblem(await plane.call('DELETE', '/v1/clusters/main'), 'MQ_CLUSTER_IN_USE')
    plane.kafka.clusterId = 'another-cluster'
    assertProblem(await plane.call('PUT', '/v1/clusters/main', { bootstrap: ['other:9092'] }), 'MQ_CLUSTER_IN_USE')
    plane.kafka.clusterId = 'fake-cluster'
    const before = plane.registry.binding('orders.placed')!
    const moved = await plane.call('PUT', '/v1/clusters/main', { bootstrap: ['other:9092'] })
    assert.equal(moved.body.status, 'up', moved.text)
    const after = plane.registry.binding('orders.placed')!
    assert.ok(after.revision > before.revision, 'clients learn of the new addresses')
    assert.deepEqual(after.clusters[0]?.bootstrap, ['other:9092'])
    await plane.call('DELETE', '/v1/ids/orders.placed')
    assert.deepEqual((await plane.call('DELETE', '/v1/clusters/main')).body, { deleted: true })
    assertProblem(await plane.call('DELETE', '/v1/clusters/main'), 'MQ_CLUSTER_UNKNOWN')
  },
)

test('applying twice is applying once, whatever is declared (P4)', { timeout: 300_000 }, async (t) => {
  const plane = await startHarness(t)
  const declarations = fc.uniqueArray(
    fc.record({ id: fc.constantFrom('orders.placed', 'orders.paid', 'stock.moved', 'views'), intent: anyIntentInput }),
    { selector: (one) => one.id },
  )
  await fc.assert(
    fc.asyncProperty(declarations, async (list) => {
      const planned = (await plane.call('POST', '/v1/apply', { declarations: list, plan: true })).body.entries
      const before = plane.store.revision
      const done = (await plane.call('POST', '/v1/apply', { declarations: list })).body
      assert.deepEqual(done.entries, planned, 'the plan said what happened')
      if (!done.applied) {
        assert.equal(plane.store.revision, before, 'a refusal touched nothing')
        return
      }
      const { revision } = plane.store
      const again = (await plane.call('POST', '/v1/apply', { declarations: list })).body
      assert.deepEqual(
        again.entries.map((one: { action: string }) => one.action),
        list.map(() => 'unchanged'),
      )
      assert.equal(plane.store.revision, revision)
      for (const { id, intent } of list) {
        assert.deepEqual(plane.registry.get(id)?.spec?.intent, Intent.parse(intent))
      }
    }),
    { numRuns: 60 },
  )
})
