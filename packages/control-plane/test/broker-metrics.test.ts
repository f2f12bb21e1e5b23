/** Metrics of brokers: read where they are, and never in the way where they are not (broker-metrics.ts P1-P3). */
import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { systemDeps } from '@mq/kafka'
import { metricsBetween, parseMetrics, scrapeMetrics } from '../src/observe/broker-metrics.ts'
import { clusterModelOf } from '../src/observe/cluster-model.ts'
import { observation, topic } from './observed.ts'

const LIMIT = { timeout: 300_000 }
const TEXT = `# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total{instance="b1"} 100.5
process_cpu_seconds_total{instance="b2"} 50
kafka_server_brokertopicmetrics_bytesin_total{instance="b1"} 1.0E9 1800000000000
kafka_server_brokertopicmetrics_bytesin_total{instance="b1",topic="orders"} 9e8
kafka_server_brokertopicmetrics_bytesoutpersec_count 3e9
kafka_server_brokertopicmetrics_bytesrejected_total 7
some_gauge NaN
this is no series
process_cpu_seconds_total -4
`

async function serve(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`
}

test('sums count what belongs to brokers, not topics, and pass over what is no number (P3)', () => {
  assert.deepEqual(parseMetrics(TEXT, 7), { atMs: 7, cpuSeconds: 150.5, bytesIn: 1e9, bytesOut: 3e9 })
  assert.deepEqual(parseMetrics('', 7), { atMs: 7, cpuSeconds: null, bytesIn: null, bytesOut: null })
})

test('counters become rates, also when a broker was restarted between two scrapes (P2)', () => {
  const before = { atMs: 0, cpuSeconds: 100, bytesIn: 1_000, bytesOut: null }
  const now = { atMs: 10_000, cpuSeconds: 130, bytesIn: 500, bytesOut: 5 }
  assert.deepEqual(metricsBetween(before, now), { busyVcpus: 3, inBytesPerSecond: 50, outBytesPerSecond: null })
  assert.equal(metricsBetween(now, now), null)
})

test(
  'an endpoint that is away, refuses, sends too much or stays silent is an error in bounded time (P1)',
  LIMIT,
  async (t) => {
    const fails = (url: string, message: RegExp) =>
      assert.rejects(scrapeMetrics(url, systemDeps), (error: Error) => message.test(error.message))
    await fails('http://127.0.0.1:1/metrics', /metrics of brokers at/)
    await fails(await serve(t, (_, response) => void response.writeHead(503).end()), /HTTP status 503/)
    const flood = await serve(t, (_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(1_048_576, 'x'))) {}
      }
      response.on('drain', more)
      more()
    })
    await fails(flood, /more than 16777216 bytes|no metrics from/)
    await fails(await serve(t, () => {}), /no metrics from .* within 3000 ms/)
    const found = await scrapeMetrics(await serve(t, (_, response) => void response.end(TEXT)), systemDeps)
    assert.equal(found.bytesIn, 1e9)
  },
)

test('the CPU of brokers says how much more they carry, when it is known what they run on', () => {
  const metrics = { busyVcpus: 3, inBytesPerSecond: 10e6, outBytesPerSecond: 30e6 }
  const seen = { ...observation([topic()]), metrics }
  const economics = { priceBook: 'aws-us-east-1', zones: 3, instanceType: 'm7g.xlarge' }
  // 3 of 12 vCPUs are busy, and 60 % may be: 1.4 times as much again.
  const { room } = clusterModelOf({ address: { name: 'main' }, economics }, seen)
  assert.ok(Math.abs(room.inBytesPerSecond! - 14e6) < 1)
  assert.ok(Math.abs(room.outBytesPerSecond! - 42e6) < 1)
  const unknown = clusterModelOf({ address: { name: 'main' }, economics: null }, seen).room
  assert.equal(unknown.inBytesPerSecond, null)
})
