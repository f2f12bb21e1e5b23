/** Workload twins on a real Apache Kafka: N1-N4, S1, S3, S4, K2. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ShadowSample, Twin } from '@mq/contract'
import { seeded } from '@mq/economics'
import { Admin, Cluster, measureCodecs, probeBatchOf, systemDeps } from '@mq/kafka'
import { type LocalCluster, startCluster } from '@mq/local'
import { Pace } from '@mq/testkit'
import { type ControlPlane, startControlPlane } from '../src/control-plane.ts'
import { silentLogger } from '../src/logger.ts'
import { runTwin, TWIN_LIMITS, TWIN_TOPIC_PREFIX } from '../src/twin/run-twin.ts'
import { temporaryFolder } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
let kafka: LocalCluster
let cluster: Cluster
let admin: Admin

before(
  async () => {
    kafka = await startCluster({ name: 'twins' })
    cluster = new Cluster({ name: 'twins', clientId: 'test', bootstrap: kafka.bootstrap })
    admin = new Admin(cluster)
  },
  { timeout: 300_000 },
)
after(async () => {
  await cluster?.close()
  await kafka?.stop()
})

const address = () => ({ name: 'main', bootstrap: [...kafka.bootstrap], securityProtocol: 'plaintext' as const })
const shadowTopics = async (): Promise<string[]> =>
  (await cluster.topicNames()).filter((name) => name.startsWith(TWIN_TOPIC_PREFIX))

/** A topic that was deleted may be named for a moment longer. */
async function untilNoShadowTopics(): Promise<void> {
  for (let tries = 0; (await shadowTopics()).length > 0; tries++) {
    assert.ok(tries < 50, `${await shadowTopics()} is still there`)
    await sleep(100)
  }
}

function events(count: number): Buffer[] {
  const random = seeded(8)
  return Array.from({ length: count }, (_, n) =>
    Buffer.from(
      JSON.stringify({
        event: 'page_viewed',
        at: 1_770_000_000_000 + n,
        user: Math.floor(random() * 5_000),
        path: '/shoes',
      }),
    ),
  )
}

const producer = {
  codec: 'none' as const,
  lingerMs: 5,
  batchBytes: 16_384,
  maxMessageBytes: 1_048_576,
  requestTimeoutMs: 30_000,
}
const consumer = {
  fetchMinBytes: 1,
  fetchMaxWaitMs: 500,
  readAheadBytes: 1_048_576,
  isolation: 'read_committed' as const,
  sessionTimeoutMs: 30_000,
}

test(
  'configurations are measured on a shadow topic that is gone afterwards, and what they measure differs as it must (N2, N3)',
  TIMEOUT,
  async () => {
    const pace = new Pace()
    const { results, cut } = await runTwin({
      cluster,
      admin,
      name: 'test.1',
      messages: events(500).map((value) => ({ key: null, value })),
      recordsPerSecond: 500,
      partitions: 2,
      replication: 1,
      candidates: [
        { producer, consumer },
        { producer: { ...producer, codec: 'zstd', codecLevel: 1, lingerMs: 100 }, consumer },
      ],
      rounds: 2,
      warmMs: 300,
      windowMs: 1_200,
      limits: TWIN_LIMITS,
      seed: 1,
      deps: systemDeps,
    })
    const { slowness } = pace
    pace.stop()
    assert.deepEqual(cut, [])
    const [plain, deep] = results
    assert.equal(results.length, 2)
    for (const { sent, heard } of results) {
      assert.equal(sent.failures, 0)
      const perSecond = sent.records / (sent.windowMs / 1_000)
      assert.ok(perSecond < 650 && perSecond > 350 / slowness, `${sent.records} records in ${sent.windowMs} ms`)
      assert.ok(heard.samples > 300 / slowness && heard.fetchRequests > 0)
      assert.ok(heard.endToEndP99Ms >= 0 && sent.sendP99Ms >= sent.sendP50Ms)
    }
    const bytes = ({ sent }: (typeof results)[number]): number => sent.wireBytes / sent.records
    assert.ok(bytes(deep!) * 2 < bytes(plain!), `${bytes(deep!)} and ${bytes(plain!)} bytes a record`)
    assert.ok(deep!.sent.records / deep!.sent.batches > 2 * (plain!.sent.records / plain!.sent.batches))
    assert.ok(deep!.sent.sendP99Ms > 80, 'linger is part of the latency')
    await untilNoShadowTopics()
  },
)

test('a twin that is stopped leaves no topic behind (N2)', TIMEOUT, async () => {
  const stop = new AbortController()
  const running = runTwin({
    cluster,
    admin,
    name: 'test.2',
    messages: events(50).map((value) => ({ key: null, value })),
    recordsPerSecond: 50,
    partitions: 1,
    replication: 1,
    candidates: [{ producer, consumer }],
    rounds: 1,
    warmMs: 100,
    windowMs: 30_000,
    limits: TWIN_LIMITS,
    seed: 1,
    deps: systemDeps,
    signal: stop.signal,
  })
  setTimeout(() => stop.abort(new Error('enough')), 700)
  await assert.rejects(running, /enough/)
  await untilNoShadowTopics()
})

async function call(plane: ControlPlane, method: string, path: string, body?: unknown) {
  const answer = await fetch(plane.url + path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  // biome-ignore lint/suspicious/noExplicitAny: a test reads any part of any answer
  return { status: answer.status, body: (await answer.json()) as any }
}

function report(mqId: string, shadow: readonly ShadowSample[]) {
  return {
    app: 'shop',
    instance: 'one',
    version: '0.1.0',
    windowStartMs: Date.now() - 10_000,
    windowMs: 10_000,
    cpuUs: 100_000,
    rssBytes: 50_000_000,
    bindings: [{ mqId, incarnation: 1, revision: 1 }],
    producers: [
      {
        mqId,
        epoch: 1,
        records: 4_000,
        batches: 800,
        requests: 800,
        recordBytes: 340_000,
        batchBytesUncompressed: 430_000,
        batchBytesWire: 300_000,
        retries: 0,
        errors: 0,
        throttledMs: 0,
        bufferBytesMax: 10_000,
        codec: 'zstd',
        codecLevel: 1,
        lingerMs: 10,
        sendLatencyUs: '',
        dispersion: 1,
        shadow,
      },
    ],
    consumers: [
      {
        mqId,
        group: 'mail',
        epoch: 1,
        records: 4_000,
        recordBytes: 340_000,
        wireBytes: 300_000,
        handlerErrors: 0,
        redeliveries: 0,
        commits: 10,
        rebalances: 0,
        lagRecords: 0,
        endToEndLatencyUs: '',
      },
    ],
  }
}

test('mq bench: a twin of reported traffic ranks configurations, calibrates its cluster, and sweeps what a dead process left (S1, S3, K2)', {
  timeout: 300_000,
}, async (t) => {
  const dataDir = temporaryFolder(t)
  const open = () => startControlPlane({ port: 0, dataDir, clusters: [address()], logger: silentLogger })
  let plane = await open()
  t.after(() => plane.close())
  assert.equal(
    (await call(plane, 'PUT', '/v1/ids/pages.viewed', { intent: { latencyP99Ms: '500ms', ordering: 'none' } })).status,
    200,
  )

  const unknown = await call(plane, 'POST', '/v1/ids/pages.viewed/twins', {})
  assert.equal(unknown.body.code, 'MQ_TRAFFIC_UNKNOWN')
  assert.equal((await call(plane, 'POST', '/v1/ids/nobody/twins', {})).body.code, 'MQ_ID_UNKNOWN')
  assert.equal((await call(plane, 'GET', '/v1/twins/77')).body.code, 'MQ_TWIN_UNKNOWN')

  const records = events(1_024).map((value, n) => ({ key: null, value, headers: undefined, timestampMs: n }))
  const shadow = measureCodecs([probeBatchOf(records)], () => 0)
  assert.equal((await call(plane, 'POST', '/v1/telemetry', report('pages.viewed', shadow))).status, 200)

  const request = { top: 2, seconds: 1, rounds: 1 }
  const pace = new Pace()
  const begun = await call(plane, 'POST', '/v1/ids/pages.viewed/twins', request)
  assert.equal(begun.status, 200, JSON.stringify(begun.body))
  assert.equal((await call(plane, 'POST', '/v1/ids/pages.viewed/twins', request)).body.code, 'MQ_TWIN_UNDER_WAY')
  let twin: Twin = begun.body
  while (twin.endedAtMs === null) {
    await sleep(250)
    twin = (await call(plane, 'GET', `/v1/twins/${twin.number}`)).body
  }
  const { slowness } = pace
  pace.stop()
  assert.equal(twin.state, 'done', twin.problem ?? '')
  assert.equal(twin.done, twin.of)
  assert.ok(twin.ranking.length >= 2 && twin.ranking.length <= 3)
  assert.equal(twin.ranking.filter((one) => one.isCurrent).length, 1)
  assert.ok(twin.calibrated)
  assert.ok(
    twin.assumptions.some((text) => /made-up records compress within \d+ %/.test(text)),
    String(twin.assumptions),
  )
  for (const { measured, predicted, recordsPerUsd } of twin.ranking) {
    assert.ok(measured.usdPerMonth! > 0 && recordsPerUsd! > 0)
    const off = measured.wireBytesPerRecord! / predicted.wireBytesPerRecord! - 1
    assert.ok(
      Math.abs(off) < 0.3 * slowness,
      `bytes a record: ${measured.wireBytesPerRecord}, predicted ${predicted.wireBytesPerRecord}`,
    )
  }
  await untilNoShadowTopics()
  const listed = await call(plane, 'GET', '/v1/twins?id=pages.viewed')
  assert.deepEqual(listed.body.twins, [twin])

  // A process that dies in the middle: its row is under way, its topic is there.
  const again = await call(plane, 'POST', '/v1/ids/pages.viewed/twins', { ...request, seconds: 30 })
  let topics: string[] = []
  while (topics.length === 0) {
    await sleep(100)
    topics = await shadowTopics()
  }
  const [leftover] = topics
  await plane.close()
  await untilNoShadowTopics()
  await admin.createTopic({ name: leftover!, partitions: 1, replication: 1 })
  await admin.createTopic({ name: `${TWIN_TOPIC_PREFIX}of-another-mq.1.x`, partitions: 1, replication: 1 })
  plane = await open()
  const ended = (await call(plane, 'GET', `/v1/twins/${again.body.number}`)).body
  assert.equal(ended.state, 'cancelled', 'an orderly end of the process cancels it')
  for (let tries = 0; (await shadowTopics()).includes(leftover!); tries++) {
    assert.ok(tries < 100, 'the topic that was left is still there')
    await sleep(100)
  }
  assert.deepEqual(await shadowTopics(), [`${TWIN_TOPIC_PREFIX}of-another-mq.1.x`])
  await admin.deleteTopic(`${TWIN_TOPIC_PREFIX}of-another-mq.1.x`)
})
