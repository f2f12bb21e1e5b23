/** B1-B4: what is not known is an error, what is changed is another version, every figure says where it is from. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MqError, type MqErrorCode } from '@mq/contract'
import {
  bill,
  clusterModel,
  costOf,
  defaultConfiguration,
  figureOf,
  GIB,
  instanceOf,
  METERS,
  type Meter,
  overrideFigures,
  predict,
  priceBook,
  priceBooks,
  type Quantities,
  type Shape,
} from '../src/index.ts'
import { homeCluster } from './arbitrary.ts'
import { traffic } from './traffic.ts'

function refusal(run: () => unknown): MqError {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof MqError)
    return error
  }
  assert.fail('nothing was refused')
}

function refused(code: MqErrorCode, says: RegExp, run: () => unknown): void {
  const error = refusal(run)
  assert.equal(error.code, code)
  assert.match(error.message, says)
}

test('every figure of every book says its unit, source and date, and is a price', () => {
  const ids = priceBooks().map(({ id }) => id)
  assert.equal(new Set(ids).size, ids.length)
  for (const book of priceBooks()) {
    for (const [meter, figure] of Object.entries(book.figures)) {
      const what = `${book.id} ${meter}`
      assert.ok(figure.usd >= 0 && Number.isFinite(figure.usd), what)
      assert.equal(figure.unit, METERS[meter as Meter], what)
      assert.ok(figure.source.length > 3, what)
      assert.match(figure.dated, /^2026-\d\d-\d\d$/, what)
    }
    for (const [type, instance] of Object.entries(book.instances)) {
      assert.ok(instance.usdPerHour > 0 && instance.vcpus > 0 && instance.source.length > 3, `${book.id} ${type}`)
    }
  }
})

test('every book but the one of own machines has a price for each meter that its tariff bills', () => {
  for (const book of priceBooks().filter(({ kind }) => kind !== 'own-hardware')) {
    const cluster = clusterModel({ name: 'x', book, tiered: book.tariff.tiered })
    const configuration = defaultConfiguration({ cluster: 'x', partitions: 8, replication: 3, retentionMs: 86_400_000 })
    const local = { ...configuration, localRetentionMs: book.tariff.tiered ? 3_600_000 : null }
    const cost = costOf(traffic, local, cluster, predict(traffic, local, cluster))
    assert.ok(cost.usdPerMonth > 0, book.id)
    assert.equal(cost.priceBookVersion, book.version)
    for (const line of cost.lines) assert.ok(Number.isFinite(line.usdPerMonth) && line.assumption.length > 5, book.id)
  }
})

test('unknown books, meters and machines are errors that name what there is (B1)', () => {
  const aws = priceBook('aws-us-east-1')
  refused('MQ_PRICE_BOOK_UNKNOWN', /aws-mars-1.*aws-us-east-1/, () => priceBook('aws-mars-1'))
  refused('MQ_PRICE_MISSING', /cluster-hour/, () => figureOf(aws, 'cluster-hour'))
  refused('MQ_PRICE_MISSING', /m99\.huge.*m7g\.large/, () => instanceOf(aws, 'm99.huge'))
  refused('MQ_PRICE_MISSING', /toString/, () => instanceOf(aws, 'toString'))
})

test('own machines cost nothing until the owner says what: an error, never zero (B1)', () => {
  const configuration = defaultConfiguration({ cluster: 'mine', partitions: 4, replication: 3, retentionMs: 3_600_000 })
  const bare = clusterModel({ name: 'mine', book: priceBook('own-hardware') })
  for (const meter of ['cross-zone-transfer', 'broker-storage', 'broker-compute', 'client-compute']) {
    refused('MQ_PRICE_MISSING', new RegExp(`own-hardware.*'${meter}'`), () =>
      costOf(traffic, configuration, bare, predict(traffic, configuration, bare)),
    )
  }
  const one = overrideFigures(priceBook('own-hardware'), {
    'broker-storage': 0.02,
    'client-compute': 0,
    'broker-compute': 0.01,
  })
  refused('MQ_PRICE_MISSING', /'cross-zone-transfer' \([^)]*\)$/, () => figureOf(one, 'cross-zone-transfer'))
  const book = overrideFigures(priceBook('own-hardware'), {
    'cross-zone-transfer': 0,
    'broker-storage': 0.02,
    'broker-compute': 0.01,
    'client-compute': 0.01,
  })
  const mine = clusterModel({ name: 'mine', book })
  assert.ok(costOf(traffic, configuration, mine, predict(traffic, configuration, mine)).usdPerMonth > 0)
})

test('an override is another version, and the book stays as it was (B2)', () => {
  const book = priceBook('aws-us-east-1')
  const before = structuredClone(book)
  const cheaper = overrideFigures(book, { 'broker-storage': 0.05 })
  assert.deepEqual(book, before)
  assert.equal(figureOf(cheaper, 'broker-storage').usd, 0.05)
  assert.notEqual(cheaper.version, book.version)
  assert.ok(cheaper.version.startsWith(book.version))
  assert.equal(overrideFigures(book, { 'broker-storage': 0.05 }).version, cheaper.version)
  assert.notEqual(overrideFigures(book, { 'broker-storage': 0.06 }).version, cheaper.version)
  assert.equal(overrideFigures(book, {}), book)
})

test('prices below zero, of no meter, or in another currency are refused (B4)', () => {
  const book = priceBook('aws-us-east-1')
  refused('MQ_PRICE_INVALID', /-1/, () => overrideFigures(book, { 'broker-storage': -1 }))
  refused('MQ_PRICE_INVALID', /NaN/, () => overrideFigures(book, { 'broker-storage': Number.NaN }))
  refused('MQ_PRICE_INVALID', /no meter/, () => overrideFigures(book, { coffee: 3 }))
  refused('MQ_PRICE_INVALID', /no meter/, () => overrideFigures(book, { constructor: 3 }))
  refused('MQ_PRICE_INVALID', /EUR/, () => overrideFigures(book, { 'broker-storage': { amount: 1, currency: 'EUR' } }))
  assert.equal(
    figureOf(overrideFigures(book, { 'broker-storage': { amount: 1, currency: 'USD' } }), 'broker-storage').usd,
    1,
  )
})

test('a cluster that cannot be is refused', () => {
  refused('MQ_PRICE_INVALID', /0 zones/, () => homeCluster({ zones: 0 }))
  refused('MQ_PRICE_INVALID', /2\.5 brokers/, () => homeCluster({ brokers: 2.5 }))
  refused('MQ_PRICE_INVALID', /diskShare/, () => homeCluster({ diskShare: 0 }))
})

const quantities: Quantities = {
  recordsPerSecond: 1_000,
  wireBytesPerSecond: 1e6,
  logicalBytesPerSecond: 4e6,
  brokerCpuUsPerSecond: 0,
  producerCpuUsPerSecond: 0,
  consumerCpuUsPerSecond: 0,
  localBytes: 0,
  localLogicalBytes: 0,
  remoteBytes: 0,
  remoteLogicalBytes: 0,
}
const shape: Shape = { groups: 2, partitions: 4, replication: 3, followerFetch: false, tiered: false, peakMultiple: 1 }

test('a vendor who bills bytes before compression is not paid less for a codec (B3)', () => {
  const wire = priceBook('confluent-enterprise')
  const figure = wire.figures['data-in']!
  const logical = { ...wire, figures: { ...wire.figures, 'data-in': { ...figure, basis: 'logical' as const } } }
  const dataIn = (book: typeof wire): number =>
    bill(quantities, shape, clusterModel({ name: 'x', book })).lines.find(({ meter }) => meter === 'data-in')!.quantity
  assert.equal(dataIn(logical) / dataIn(wire), 4)
})

test('Confluent bills GiB, and MSK no copies between brokers', () => {
  const month = 730 * 3_600
  const lines = bill(quantities, shape, clusterModel({ name: 'x', book: priceBook('confluent-basic') })).lines
  assert.equal(lines.find(({ meter }) => meter === 'data-in')!.quantity, (1e6 * month) / GIB)
  assert.equal(lines.find(({ meter }) => meter === 'data-out')!.quantity, (2e6 * month) / GIB)
  const msk = bill(quantities, shape, clusterModel({ name: 'x', book: priceBook('aws-msk-us-east-1') })).lines
  assert.ok(!msk.some(({ part }) => part === 'replicate'))
  const own = bill(quantities, shape, homeCluster()).lines
  assert.ok(own.some(({ part }) => part === 'replicate'))
})

test('Azure has no bill for crossing zones, but a line that says 0 comes from the book', () => {
  const { lines } = bill(quantities, shape, clusterModel({ name: 'x', book: priceBook('azure-eastus') }))
  const crossing = lines.filter(({ meter }) => meter === 'cross-zone-transfer')
  assert.equal(crossing.length, 3)
  for (const { usdPerMonth } of crossing) assert.equal(usdPerMonth, 0)
})
