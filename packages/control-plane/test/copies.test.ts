/** How many copies a new mQ ID gets, and what happens where they cannot be had now (copies-rule N1-N4). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Intent, MqError } from '@mq/contract'
import { candidates, wantedCopies } from '../src/provision/copies-rule.ts'
import { assertProblem, type Harness } from './harness.ts'
import { makeWorld, over, readToEnd, start, TIMEOUT } from './migration-on-fakes.ts'

const traits = { zones: null, region: null, labels: {} }
const solo = { name: 'solo', brokers: 1, mqIds: 0, ...traits }
const trio = { name: 'trio', brokers: 3, mqIds: 5, ...traits }
const away = new MqError('MQ_KAFKA_UNREACHABLE', 'the cluster is down')

test('copies follow the intent: what it says, else three, one for priority low (N1)', () => {
  assert.equal(wantedCopies(Intent.parse({})), 3)
  assert.equal(wantedCopies(Intent.parse({ priority: 'critical' })), 3)
  assert.equal(wantedCopies(Intent.parse({ priority: 'low' })), 1)
  assert.equal(wantedCopies(Intent.parse({ priority: 'low', minCopies: 2 })), 2)
  assert.equal(Intent.safeParse({ minCopies: 0 }).success, false)
})

test('clusters that answer and suffice are taken; what is away is waited for only where it may be the one (N2, N3)', () => {
  const kind = (intent: object, here: (typeof solo)[], names: { name: string; brokers: number | null }[]) =>
    candidates(
      Intent.parse(intent),
      here,
      names.map((one) => ({ ...traits, ...one })),
    ).kind
  assert.deepEqual(candidates(Intent.parse({}), [solo, trio], []), { kind: 'clusters', clusters: [trio] })
  assert.equal(kind({}, [trio], [{ name: 'other', brokers: null }]), 'clusters')
  assert.equal(kind({}, [solo], [{ name: 'trio', brokers: 3 }]), 'waits')
  assert.equal(kind({}, [solo], [{ name: 'never.seen', brokers: null }]), 'waits')
  assert.equal(kind({}, [solo], [{ name: 'small', brokers: 2 }]), 'clusters')
  assert.equal(kind({ priority: 'low' }, [solo], [{ name: 'trio', brokers: 3 }]), 'clusters')
  assert.equal(kind({ minCopies: 1 }, [solo], [{ name: 'trio', brokers: 3 }]), 'clusters')
  assert.equal(kind({ minCopies: 2 }, [solo], []), 'unmet')
  assert.equal(kind({}, [solo], []), 'clusters', 'one broker is all there is: said as a warning')
  assert.equal(kind({ priority: 'critical' }, [solo], []), 'unmet', 'critical requires three copies (N4)')
  assert.equal(kind({ priority: 'critical', minCopies: 1 }, [solo], []), 'clusters')
  const halved = { ...trio, brokers: 2, wholeBrokers: 3 }
  assert.equal(kind({}, [halved], []), 'waits')
  assert.equal(kind({ priority: 'critical' }, [halved], []), 'waits')
  assert.equal(kind({ priority: 'low' }, [halved], []), 'clusters')
  assert.equal(kind({ minCopies: 2 }, [halved], []), 'clusters')
  assert.equal(kind({ minCopies: 4 }, [halved], []), 'unmet')
})

test(
  'with one broker of three down a new mQ ID waits instead of starting with two copies, also for a process that never saw the third',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    world.b.away = away
    world.a.brokers = 3
    const first = await start(t, world)
    await first.clusters.checkAll()
    world.a.brokers = 2
    const declare = (plane: Harness, id: string, intent: object) => plane.call('PUT', `/v1/ids/${id}`, { intent })
    const message = /3 copies are asked for.*'a'.* may have enough but.*minCopies: 2/
    assert.match(assertProblem(await declare(first, 'orders.a', {}), 'MQ_PLACEMENT_WAITS').message, message)
    assert.equal((await declare(first, 'orders.two', { minCopies: 2 })).body.replication, 2)
    world.a.brokers = 3
    assert.equal((await declare(first, 'orders.a', { priority: 'critical' })).body.replication, 3)
    await first.close()
    world.a.brokers = 2
    const second = await start(t, world)
    const waits = assertProblem(await declare(second, 'orders.b', { priority: 'critical' }), 'MQ_PLACEMENT_WAITS')
    assert.match(waits.message, message)
  },
)

test(
  'with the large cluster down a critical mQ ID waits instead of starting with one copy (N3)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    world.b.brokers = 1
    const plane = await start(t, world)
    await plane.clusters.checkAll()
    world.a.away = away
    const declare = (intent: object) => plane.call('PUT', '/v1/ids/orders.placed', { intent })
    const waits = assertProblem(await declare({ priority: 'critical' }), 'MQ_PLACEMENT_WAITS')
    assert.equal(waits.retryable, true)
    assert.match(waits.message, /3 copies are asked for.*'a' may have enough.*minCopies: 1/)
    assert.equal(world.b.topics.size, 0, 'nothing was made')
    assertProblem(await declare({ minCopies: 5 }), 'MQ_INTENT_UNMET')
    world.a.away = undefined
    const made = await declare({ priority: 'critical' })
    assert.equal(made.status, 200, made.text)
    assert.deepEqual([made.body.cluster, made.body.replication], ['a', 3])
    assert.equal((await plane.call('PUT', '/v1/ids/orders.small', { intent: { minCopies: 4 } })).body.replication, 4)
  },
)

test(
  'an mQ ID that becomes critical on too few brokers is refused, or told where it finds its copies; minCopies stands above it (R4)',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    world.a.brokers = 1
    world.b.brokers = 1
    const plane = await start(t, world)
    await plane.clusters.checkAll()
    const declare = (intent: object) => plane.call('PUT', '/v1/ids/orders.placed', { intent })
    const warnings = async (): Promise<string> =>
      (await plane.call('GET', '/v1/ids/orders.placed')).body.warnings.join('\n')
    assert.equal((await declare({ clusterLabels: {} })).body.replication, 1)
    const refused = assertProblem(await declare({ priority: 'critical' }), 'MQ_INTENT_UNMET')
    assert.match(refused.message, /1 broker, too few for the 3 copies that priority: critical asks for.*minCopies: 1/)
    assert.equal((await declare({ priority: 'high' })).status, 200, 'other priorities ask for nothing')
    world.b.brokers = 3
    await plane.clusters.checkAll()
    const fixed = assertProblem(await declare({ priority: 'critical', movable: false }), 'MQ_INTENT_UNMET')
    assert.match(fixed.message, /movable: false keeps it there/)
    const taken = await declare({ priority: 'critical' })
    assert.equal(taken.status, 200, taken.text)
    assert.match(await warnings(), /priority: critical asks for 3 copies and there is 1: more copies need a migration/)
    assert.match(await warnings(), /mq migrate orders\.placed --to b moves it to one that meets it/)
    assert.equal((await declare({ priority: 'critical', minCopies: 1 })).status, 200)
    assert.doesNotMatch(await warnings(), /critical|mq migrate/)
    await declare({ priority: 'critical' })
    const few = { to: 'b', replication: 2 }
    const below = assertProblem(
      await plane.call('POST', '/v1/ids/orders.placed/migrations', few),
      'MQ_MIGRATION_REFUSED',
    )
    assert.match(below.message, /asks for 3 copies at least/)
    const moved = await plane.call('POST', '/v1/ids/orders.placed/migrations', { to: 'b' })
    assert.equal(moved.status, 200, moved.text)
    readToEnd(world.a, 'orders.placed.e1')
    await over(plane, moved.body.migration.number)
    assert.equal(world.b.topics.get('orders.placed.e2')?.replication, 3)
    assert.doesNotMatch(await warnings(), /critical|mq migrate/)
  },
)

test(
  'a broker that is down for a moment does not decide how many copies a migration makes, nor pass for a full disk',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    world.a.brokers = 1
    const plane = await start(t, world)
    await plane.clusters.checkAll()
    assert.equal((await plane.call('PUT', '/v1/ids/orders.placed', { intent: { minCopies: 1 } })).body.cluster, 'b')
    const migrate = (body: object) => plane.call('POST', '/v1/ids/orders.placed/migrations', body)
    world.b.brokers = 2
    const fewer = /of 3 brokers of cluster 'b' 2 answer, and 3 copies of each record are to be there.*--replication 2/
    const here = assertProblem(await migrate({ partitions: 8 }), 'MQ_PLACEMENT_WAITS')
    assert.equal(here.retryable, true)
    assert.match(here.message, fewer)
    assert.match((await migrate({ partitions: 8, plan: true })).body.plan.refusal.message, fewer)
    const named = (await migrate({ partitions: 8, replication: 2, plan: true })).body.plan
    assert.equal(named.refusal, null, 'who names a number of copies means it')
    // The broker goes between two questions.
    world.b.brokers = 3
    world.b.before = (name) => {
      if (name === 'disks') world.b.brokers = 2
    }
    const later = assertProblem(await migrate({ partitions: 8 }), 'MQ_PLACEMENT_WAITS')
    assert.match(later.message, /2 brokers of cluster 'b' answer now, and 3 copies of each record are to be there/)
    world.b.before = () => {}
    world.b.brokers = 3
    assert.equal((await migrate({ partitions: 8, plan: true })).body.plan.refusal, null)
  },
)

test(
  'a migration that lowers copies is refused until somebody says that it is meant, and never below the intent',
  TIMEOUT,
  async (t) => {
    const world = makeWorld(t)
    world.b.brokers = 1
    const plane = await start(t, world)
    await plane.clusters.checkAll()
    for (const [id, intent] of [
      ['orders.placed', {}],
      ['orders.kept', { minCopies: 2 }],
    ] as const) {
      assert.equal((await plane.call('PUT', `/v1/ids/${id}`, { intent })).status, 200)
    }
    const migrate = (id: string, body: object) => plane.call('POST', `/v1/ids/${id}/migrations`, { to: 'b', ...body })
    const refusal = (await migrate('orders.placed', { plan: true })).body.plan.refusal
    assert.equal(refusal.code, 'MQ_MIGRATION_REFUSED')
    assert.match(refusal.message, /3 copies of each record now and would have 1/)
    assertProblem(await migrate('orders.placed', {}), 'MQ_MIGRATION_REFUSED')
    const kept = assertProblem(await migrate('orders.kept', { allowFewerCopies: true }), 'MQ_MIGRATION_REFUSED')
    assert.match(kept.message, /does not meet the intent of 'orders.kept': it has 1 broker, too few for 2 copies/)
    const few = assertProblem(
      await plane.call('POST', '/v1/ids/orders.kept/migrations', { replication: 1 }),
      'MQ_MIGRATION_REFUSED',
    )
    assert.match(few.message, /asks for 2 copies at least/)
    const named = (await migrate('orders.placed', { replication: 1, plan: true })).body.plan
    assert.equal(named.refusal, null, 'who names a number of copies means it')
    assert.ok(named.warnings.includes('3 copies of each record become 1'), JSON.stringify(named.warnings))
    const meant = await migrate('orders.placed', { allowFewerCopies: true })
    assert.equal(meant.status, 200, meant.text)
    readToEnd(world.a, 'orders.placed.e1')
    await over(plane, meant.body.migration.number)
    assert.equal(world.b.topics.get('orders.placed.e2')?.replication, 1)
  },
)
