/** What `/metrics` shows, and that alerts and dashboard ask for nothing else (definitions M1-M2, metrics M3). */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { ConsumerTelemetry } from '@mq/contract'
import { parse } from 'yaml'
import { MAX_SERIES, metricDefinitions } from '../src/metrics/definitions.ts'
import { Metrics, type MetricsSource, type Sample } from '../src/metrics/metrics.ts'
import { FakeKafka } from './fake-kafka.ts'
import { type Harness, startHarness, telemetryReport } from './harness.ts'
import { selectorsOf } from './promql.ts'
import { encoded, producer } from './reported.ts'

const TIMEOUT = { timeout: 300_000 }
const root = new URL('../../../', import.meta.url)
const read = (file: string): string => readFileSync(new URL(file, root), 'utf8')

const consumer = (parts: Partial<ConsumerTelemetry>): ConsumerTelemetry => ({
  mqId: 'orders.placed',
  group: 'billing',
  epoch: 1,
  records: 100,
  recordBytes: 10_000,
  wireBytes: 5_000,
  handlerErrors: 0,
  redeliveries: 0,
  commits: 1,
  rebalances: 0,
  lagRecords: null,
  endToEndLatencyUs: encoded([[2_000, 100]]),
  ...parts,
})

/** Labels by series name, as they stand in the text. */
function seriesIn(text: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const line of text.split('\n')) {
    const match = /^(\w+)(?:\{(.*)\})? \S+$/.exec(line)
    if (match === null) continue
    const labels = [...(match[2] ?? '').matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)].map(([, label]) => label!)
    const known = found.get(match[1]!) ?? new Set<string>()
    for (const label of labels) known.add(label)
    found.set(match[1]!, known)
  }
  return found
}

/** A control plane with something to say of everything that needs no second cluster. */
async function busy(...args: Parameters<typeof startHarness>): Promise<Harness> {
  const plane = await startHarness(...args)
  await plane.clusters.checkAll()
  const intent = { latencyP99Ms: 50, owner: { team: 'shop' }, budgetUsdPerMonth: 10 }
  assert.equal((await plane.call('PUT', '/v1/ids/orders.placed', { intent })).status, 200)
  const reported = await plane.call(
    'POST',
    '/v1/telemetry',
    telemetryReport({
      producers: [producer({ errors: 3 })],
      consumers: [consumer({ handlerErrors: 7, redeliveries: 2, deadLetters: 1, failingRecords: 4 })],
    }),
  )
  assert.equal(reported.status, 200, reported.text)
  return plane
}

test(
  'a running control plane prints every metric of the list and no other, with the labels of the list',
  TIMEOUT,
  async (t) => {
    const plane = await busy(t)
    const { text } = await plane.call('GET', '/metrics')
    const told = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => [name!, kind!]))
    assert.deepEqual(
      Object.fromEntries(told),
      Object.fromEntries(Object.entries(metricDefinitions).map(([name, { kind }]) => [name, kind])),
    )
    const series = seriesIn(text)
    for (const [name, labels] of series) {
      const base = metricDefinitions[name] === undefined ? name.replace(/_(?:bucket|sum|count)$/, '') : name
      const allowed = [...(metricDefinitions[base]?.labels ?? []), ...(name.endsWith('_bucket') ? ['le'] : [])]
      assert.deepEqual([...labels].toSorted(), allowed.toSorted(), name)
    }
    const value = (line: string): number =>
      Number(
        text
          .split('\n')
          .find((one) => one.startsWith(`${line} `))
          ?.split(' ')
          .at(-1),
      )
    assert.equal(value('mq_send_errors_total{mq_id="orders.placed"}'), 3)
    assert.equal(value('mq_group_handler_failures_total{mq_id="orders.placed",group="billing"}'), 7)
    assert.equal(value('mq_group_retries_total{mq_id="orders.placed",group="billing"}'), 2)
    assert.equal(value('mq_group_dead_letters_total{mq_id="orders.placed",group="billing"}'), 1)
    assert.equal(value('mq_group_failing_records{mq_id="orders.placed",group="billing"}'), 4)
    assert.equal(value('mq_id_latency_objective_seconds{mq_id="orders.placed"}'), 0.05)
    assert.ok(value('mq_id_send_latency_seconds{mq_id="orders.placed",percentile="99"}') > 0)
    assert.equal(value('mq_budget_usd{scope="id=orders.placed"}'), 10)
    assert.equal(value('mq_cluster_up{cluster="main"}'), 1)
    assert.ok(value('mq_store_write_seconds_count{result="ok"}') > 0)
    assert.ok(value('process_cpu_seconds_total') > 0 && value('process_start_time_seconds') > 1e9)
    // What is not known is not there.
    assert.doesNotMatch(text, /^mq_group_lag_(?:records|seconds)\{/m)
  },
)

test('names and help follow the conventions (M1)', () => {
  for (const [name, { kind, help, labels }] of Object.entries(metricDefinitions)) {
    assert.match(name, /^(?:mq|process)_[a-z0-9_]+$/)
    assert.equal(name.endsWith('_total'), kind === 'counter', name)
    assert.doesNotMatch(name, /_(?:ms|us|minutes|kib|mib)(?:_|$)/, name)
    assert.match(help, /^(?:[A-Z1]|mQ )[^\n]{10,}[^.]$/, name)
    assert.equal(new Set(labels).size, labels.length)
  }
})

test('series are bounded, the largest come first, and what is cut is told; what fails hides nothing else (M2, M3)', async () => {
  const none = (): Sample[] => []
  const groups = Array.from({ length: MAX_SERIES + 7 }, (_, index) => ({
    labels: { mq_id: `id${index}`, group: 'g' },
    value: index,
  }))
  const read = Object.fromEntries(Object.keys(metricDefinitions).map((name) => [name, none])) as unknown as Record<
    keyof MetricsSource,
    () => Sample[] | Promise<Sample[]>
  >
  read.mq_group_lag_seconds = () => groups
  read.mq_group_handler_failures_total = () => groups
  read.mq_ids = () => Promise.reject(new Error('cannot be had'))
  read.mq_store_failing = () => [{ labels: {}, value: 0 }]
  const text = await new Metrics({ read, begin: () => {} }).text()
  const count = (name: string): number => text.split('\n').filter((line) => line.startsWith(`${name}{`)).length
  assert.equal(count('mq_group_lag_seconds'), MAX_SERIES)
  assert.match(text, /^mq_group_lag_seconds\{mq_id="id1006",group="g"\} 1006$/m)
  assert.doesNotMatch(text, /^mq_group_lag_seconds\{mq_id="id0",/m)
  assert.match(text, /^mq_group_handler_failures_total\{mq_id="id0",group="g"\} 0$/m)
  assert.doesNotMatch(text, /^mq_group_handler_failures_total\{mq_id="id1006",/m)
  assert.match(text, /^mq_series_left_out\{metric="mq_group_lag_seconds"\} 7$/m)
  assert.match(text, /^mq_store_failing 0$/m)
  assert.doesNotMatch(text, /^(?:mq_ids|mq_push_clients|process_cpu_seconds_total) /m)
})

test('the extraction from PromQL fails on what it does not know', () => {
  assert.deepEqual(
    selectorsOf('sum by (mq_id) (rate(a_total{x="1",y=~"b|{}"}[5m])) / on (mq_id) group_left (z) b > 0.5'),
    [
      { metric: 'a_total', labels: ['x', 'y', 'mq_id', 'z'] },
      { metric: 'b', labels: ['mq_id', 'z'] },
    ],
  )
  for (const wrong of ['surprise(a)', 'a{x}', 'a{x="1"', 'a[5m', 'a ? b', '{x="1"}', 'sum by mq_id (a)']) {
    assert.throws(() => selectorsOf(wrong), wrong)
  }
})

/** Labels that Prometheus adds when it scrapes. */
const SCRAPED = ['job', 'instance']

function checkSelectors(expression: string, where: string): void {
  const selectors = selectorsOf(expression)
  assert.ok(selectors.length > 0, where)
  for (const { metric, labels } of selectors) {
    if (metric === 'up') continue
    const definition = metricDefinitions[metric] ?? metricDefinitions[metric.replace(/_(?:bucket|sum|count)$/, '')]
    assert.ok(definition !== undefined, `${where}: there is no metric ${metric}`)
    const part = metricDefinitions[metric] === undefined
    assert.ok(part === (definition.kind === 'histogram'), `${where}: ${metric} is a ${definition.kind}`)
    const known = [...definition.labels, ...SCRAPED, ...(metric.endsWith('_bucket') ? ['le'] : [])]
    for (const label of labels) assert.ok(known.includes(label), `${where}: ${metric} has no label ${label}`)
  }
}

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly runbook: string }
}

test('every alert asks for metrics and labels that exist, and has its paragraph in the guide', () => {
  const { groups } = parse(read('deploy/prometheus/alerts.yaml')) as { groups: { name: string; rules: Rule[] }[] }
  const rules = groups.flatMap((group) => group.rules)
  assert.ok(rules.length >= 15)
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length)
  const guide = read('docs/guides/operate.md')
  for (const { alert, expr, labels, annotations } of rules) {
    checkSelectors(expr, alert)
    assert.ok(['critical', 'warning', 'info'].includes(labels.severity), alert)
    assert.equal(annotations.runbook, `docs/guides/operate.md#${alert.toLowerCase()}`)
    // A label in the text has to be one that the expression leaves.
    for (const [, label] of annotations.summary.matchAll(/\$labels\.(\w+)/g)) {
      const known = [
        ...selectorsOf(expr).flatMap(({ metric }) => [...(metricDefinitions[metric]?.labels ?? [])]),
        ...SCRAPED,
      ]
      const grouped = selectorsOf(expr).flatMap((one) => one.labels)
      assert.ok(known.includes(label!) || grouped.includes(label!), `${alert}: ${label}`)
    }
    assert.match(guide, new RegExp(`^### ${alert}\\n.{60,}`, 'm'), `${alert} has no paragraph`)
  }
  const told = [...guide.matchAll(/^### (Mq\w+)$/gm)].map(([, name]) => name)
  assert.deepEqual(told.toSorted(), rules.map(({ alert }) => alert).toSorted())
})

test('every panel of the dashboard asks for metrics and labels that exist', () => {
  interface Panel {
    readonly id: number
    readonly title: string
    readonly type: string
    readonly targets?: readonly { readonly expr: string }[]
  }
  const dashboard = JSON.parse(read('deploy/grafana/mq.json')) as {
    panels: Panel[]
    templating: { list: { name: string; query: string }[] }
  }
  const panels = dashboard.panels.filter(({ type }) => type !== 'row')
  assert.ok(panels.length >= 15)
  assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length)
  const variables = dashboard.templating.list.map(({ name }) => name)
  for (const { title, targets = [] } of panels) {
    assert.ok(targets.length > 0, title)
    for (const { expr } of targets) {
      for (const [, name] of expr.matchAll(/\$(\w+)/g)) {
        assert.ok(name === '__rate_interval' || variables.includes(name!), `${title}: $${name}`)
      }
      checkSelectors(expr.replaceAll('$__rate_interval', '5m'), title)
    }
  }
  for (const { name, query } of dashboard.templating.list) {
    const match = /^label_values\((\w+), (\w+)\)$/.exec(query)
    if (match === null) assert.equal(query, 'prometheus', name)
    else checkSelectors(`sum by (${match[2]}) (${match[1]})`, name)
  }
})

test('drift and unsettled mQ IDs, lag and migrations are those of the control plane', TIMEOUT, async (t) => {
  const plane = await busy(t, { kafka: new FakeKafka() })
  const { text } = await plane.call('GET', '/metrics')
  for (const line of ['mq_topic_drift{alarm="yes"} 0', 'mq_unsettled_ids 0', 'mq_ids 1', 'mq_store_failing 0']) {
    assert.ok(text.split('\n').includes(line), line)
  }
})
