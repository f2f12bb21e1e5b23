/** What intents require of clusters, and who holds to it (requirements R1-R3, copies-rule N2-N4). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Intent, MqError, parseStrict } from '@mq/contract'
import { candidates } from '../src/provision/copies-rule.ts'
import { chooseCluster } from '../src/provision/placement-rules.ts'
import { lacking, nearestTo, unmetText } from '../src/provision/requirements.ts'
import { assertProblem, type Harness } from './harness.ts'
import { makeWorld, start, TIMEOUT } from './migration-on-fakes.ts'

const cluster = (name: string, change: object = {}) => ({
  ...{ name, brokers: 3, zones: 3, mqIds: 0, region: 'eu-west-1', labels: { tier: 'gold' } },
  ...change,
})
const codes = (intent: object, change: object = {}): string[] =>
  lacking(Intent.parse(intent), cluster('x', change)).map(({ code }) => code)

test('each requirement is met or named as lacking; what was never seen counts as met, what was registered is known (R2)', () => {
  assert.deepEqual(codes({}, { brokers: 1, zones: null, region: null, labels: {} }), [])
  const all = { regions: ['eu-west-1'], clusterLabels: { tier: 'gold' }, minZones: 3, minCopies: 3 }
  assert.deepEqual(codes(all), [])
  assert.deepEqual(codes(all, { region: 'us-east-1' }), ['region'])
  assert.deepEqual(codes(all, { region: null }), ['region'])
  assert.deepEqual(codes({ regions: ['us-east-1', 'eu-west-1'] }), [])
  assert.deepEqual(codes(all, { labels: { tier: 'silver' } }), ['label'])
  assert.deepEqual(codes({ clusterLabels: { constructor: 'x' } }), ['label'], 'only labels of its own count')
  assert.deepEqual(codes(all, { zones: 2 }), ['zones'])
  assert.deepEqual(codes(all, { zones: null }), ['zones'], 'brokers without racks prove no zone (R3)')
  assert.deepEqual(codes(all, { brokers: 2, zones: 2 }), ['zones', 'copies'])
  assert.deepEqual(codes({ minZones: 1 }, { zones: null }), [], 'one zone is always there')
  assert.deepEqual(codes(all, { brokers: null, zones: null }), [])
  assert.deepEqual(codes(all, { brokers: null, zones: null, region: 'us-east-1' }), ['region'])
})

test('a cluster with less than the usual three copies is taken only when no other may meet the intent (N3, N4)', () => {
  const small = cluster('small', { brokers: 1, zones: 1 })
  const far = cluster('far', { region: 'us-east-1' })
  const kind = (intent: object, away: object[] = []) =>
    candidates(
      Intent.parse(intent),
      [small, far],
      away.map((one) => cluster('away', one)),
    ).kind
  assert.deepEqual(candidates(Intent.parse({ regions: ['eu-west-1'] }), [small, far], []), {
    kind: 'clusters',
    clusters: [small],
  })
  assert.equal(kind({ regions: ['eu-west-1'] }, [{ brokers: null, zones: null }]), 'waits')
  assert.equal(kind({ regions: ['eu-west-1'] }, [{ brokers: 3, region: 'us-east-1' }]), 'clusters')
  assert.equal(kind({ regions: ['eu-west-1'], minZones: 2 }), 'unmet')
  assert.equal(kind({ regions: ['eu-west-1'], minZones: 2 }, [{ zones: 2, brokers: 2 }]), 'waits')
  assert.equal(kind({ regions: ['eu-west-1'], minZones: 2 }, [{ zones: null, brokers: 3 }]), 'unmet')
  assert.equal(kind({ clusterLabels: { tier: 'gold' }, minCopies: 2 }), 'clusters')
  assert.match(
    chooseCluster([small], 2)?.choice.reason ?? '',
    /only one of 2 clusters in reach that has what is asked for/,
  )
})

test('what no cluster meets says which comes nearest, what it lacks, and what may be misspelt', () => {
  const clusters = [cluster('west', { region: 'us-east-1', labels: {} }), cluster('east', { zones: 1 })]
  const intent = Intent.parse({ regions: ['eu-west-1'], minZones: 2, clusterLabels: { tier: 'gold' } })
  assert.equal(nearestTo(intent, clusters)?.name, 'east')
  const text = unmetText(intent, clusters)
  assert.match(text, /'east' comes nearest: its brokers stand in 1 zone, and minZones: 2 is asked for$/)
  const hint = (change: object): string => unmetText(Intent.parse(change), clusters)
  assert.match(hint({ regions: ['eu-west1'] }), /did you mean 'eu-west-1'/)
  assert.match(hint({ clusterLabels: { teir: 'gold' } }), /did you mean 'tier'/)
  assert.match(hint({ clusterLabels: { tier: 'golf' } }), /did you mean 'gold'/)
})

test('requirements that collide or are misspelt are refused by the contract', () => {
  const problems = (intent: object): string => {
    const parsed = parseStrict(Intent, intent)
    return parsed.success ? '' : parsed.problems.map(({ text }) => text).join('; ')
  }
  assert.match(problems({ minCopies: 2, minZones: 3 }), /2 copies cannot stand in minZones: 3/)
  assert.match(problems({ region: ['eu-west-1'] }), /unknown field 'region'; did you mean 'regions'/)
  assert.match(problems({ clusterLabel: { a: 'b' } }), /did you mean 'clusterLabels'/)
  assert.match(problems({ minZone: 3 }), /did you mean 'minZones'/)
  assert.match(problems({ cluster: 'east' }), /'regions' and 'clusterLabels' say what it must be/)
  assert.notEqual(problems({ regions: [] }), '')
  assert.notEqual(problems({ regions: ['EU West'] }), '')
  assert.notEqual(problems({ clusterLabels: { 'Tier!': 'gold' } }), '')
})

const register = (plane: Harness, name: string, port: number, more: object) =>
  plane.call('PUT', `/v1/clusters/${name}`, { bootstrap: [`127.0.0.1:${port}`], ...more })

async function labelled(t: Parameters<typeof makeWorld>[0]) {
  const world = makeWorld(t)
  world.a.zones = 2
  world.b.zones = 3
  const plane = await start(t, world)
  await plane.clusters.checkAll()
  const a = await register(plane, 'a', 9090, { region: 'us-east-1', labels: { tier: 'silver' } })
  assert.equal(a.status, 200, a.text)
  await register(plane, 'b', 9091, { region: 'eu-west-1', labels: { tier: 'gold' } })
  const declare = (id: string, intent: object) => plane.call('PUT', `/v1/ids/${id}`, { intent })
  return { world, plane, declare }
}

test('clusters are chosen by region, label and zones, and listed with them', TIMEOUT, async (t) => {
  const { world, plane, declare } = await labelled(t)
  const home = async (id: string, intent: object): Promise<unknown> => (await declare(id, intent)).body.cluster
  assert.equal(await home('plain', {}), 'a', 'most brokers')
  assert.equal(await home('by.region', { regions: ['eu-west-1'] }), 'b')
  assert.equal(await home('by.label', { clusterLabels: { tier: 'gold' } }), 'b')
  assert.equal(await home('by.zones', { minZones: 3 }), 'b')
  const { clusters } = (await plane.call('GET', '/v1/clusters')).body
  assert.deepEqual(
    clusters.map(({ name, region, zones, labels }: Record<string, unknown>) => ({ name, region, zones, labels })),
    [
      { name: 'a', region: 'us-east-1', zones: 2, labels: { tier: 'silver' } },
      { name: 'b', region: 'eu-west-1', zones: 3, labels: { tier: 'gold' } },
    ],
  )
  const unmet = assertProblem(await declare('nowhere', { regions: ['us-east-1'], minZones: 3 }), 'MQ_INTENT_UNMET')
  assert.match(unmet.message, /'a' comes nearest: its brokers stand in 2 zones/)
  const declarations = [{ id: 'nowhere', intent: { regions: ['us-east-1'], minZones: 3 } }]
  const plan = (await plane.call('POST', '/v1/apply', { declarations, plan: true })).body
  assert.deepEqual([plan.entries[0].action, plan.entries[0].refusal.code], ['refuse', 'MQ_INTENT_UNMET'])
  world.b.away = new MqError('MQ_KAFKA_UNREACHABLE', 'away')
  const waits = assertProblem(await declare('later', { clusterLabels: { tier: 'gold' } }), 'MQ_PLACEMENT_WAITS')
  assert.match(waits.message, /'a' comes nearest: its label tier is silver.*'b' may meet it but does not answer/)
  assertProblem(await declare('never', { clusterLabels: { tier: 'lead' } }), 'MQ_INTENT_UNMET')
  assert.equal(world.a.topics.size + world.b.topics.size, 4, 'nothing else was made')
})

test(
  'a registration that says nothing of region and labels keeps them; a price book tells the region',
  TIMEOUT,
  async (t) => {
    const { plane } = await labelled(t)
    const kept = (await register(plane, 'a', 9090, {})).body
    assert.deepEqual([kept.region, kept.labels], ['us-east-1', { tier: 'silver' }])
    const economics = { priceBook: 'aws-msk-ap-southeast-1' }
    const asked = (await register(plane, 'a', 9090, { economics, region: null, labels: {} })).body
    assert.deepEqual([asked.region, asked.labels], ['ap-southeast-1', {}])
    assertProblem(await register(plane, 'a', 9090, { lables: {} }), 'MQ_REQUEST_INVALID')
    const { entries } = (await plane.call('GET', '/v1/journal?subject=a')).body
    assert.equal(entries.filter(({ kind }: { kind: string }) => kind === 'label-cluster').length, 2)
  },
)

test('a migration goes only where the intent is met, with the copies it asks for', TIMEOUT, async (t) => {
  const { world, plane, declare } = await labelled(t)
  world.b.brokers = 5
  await plane.clusters.checkAll()
  await declare('silver', { clusterLabels: { tier: 'silver' } })
  await declare('wide', { minCopies: 4, regions: ['us-east-1', 'eu-west-1'] })
  const plan = async (id: string, to: string) =>
    (await plane.call('POST', `/v1/ids/${id}/migrations`, { to, plan: true })).body.plan
  const refused = await plan('silver', 'b')
  assert.equal(refused.refusal.code, 'MQ_MIGRATION_REFUSED')
  assert.match(refused.refusal.message, /cluster 'b' does not meet the intent of 'silver': its label tier is gold/)
  const to = (await plane.call('GET', '/v1/ids/wide')).body.cluster === 'a' ? 'b' : 'a'
  const wide = await plan('wide', to)
  assert.deepEqual([wide.refusal, wide.to.replication], [null, 4])
})

test(
  'a changed intent, or a changed cluster, that the home does not meet is said with what helps',
  TIMEOUT,
  async (t) => {
    const { plane, declare } = await labelled(t)
    await declare('orders', {})
    const detail = async () => (await plane.call('GET', '/v1/ids/orders')).body
    assert.deepEqual((await detail()).warnings, [])
    const changed = await declare('orders', { regions: ['eu-west-1'] })
    assert.equal(changed.status, 200, changed.text)
    const said =
      /cluster 'a' does not meet the intent of 'orders': it is in us-east-1, not eu-west-1; mq migrate orders --to b/
    assert.match((await detail()).warnings.join(), said)
    assert.match((await plane.call('GET', '/v1/ids')).body.warnings.join(), said)
    const fixed = assertProblem(
      await declare('orders', { regions: ['eu-west-1'], minZones: 2, movable: false }),
      'MQ_INTENT_UNMET',
    )
    assert.match(fixed.message, /movable: false keeps it there/)
    const none = assertProblem(await declare('orders', { regions: ['mars-1'] }), 'MQ_INTENT_UNMET')
    assert.match(none.message, /no other registered cluster does; 'b' comes nearest: it is in eu-west-1, not mars-1/)
    await register(plane, 'b', 9091, { region: 'us-east-1' })
    assert.match((await detail()).warnings.join(), /no other registered cluster meets it either/)
    const owner = await declare('orders', { regions: ['eu-west-1'], owner: { team: 'shop' } })
    assert.equal(owner.status, 200, 'other changes of it are not held up')
    await register(plane, 'a', 9090, { region: 'eu-west-1' })
    assert.deepEqual((await detail()).warnings, [])
  },
)
