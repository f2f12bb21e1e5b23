/**
 * Ways to fetch on a real Apache Kafka, with the public client: from readers that poll all the time to a kept change.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type Mq } from '@mq/client'
import { Decision, Intent } from '@mq/contract'
import { type LocalCluster, startCluster } from '@mq/local'
import { type Assembled, assemble } from '../src/control-plane.ts'
import { silentLogger } from '../src/logger.ts'
import { temporaryFolder } from './harness.ts'

const ID = 'orders.placed'
const WITHIN_MS = 75_000
const READERS = 3
let kafka: LocalCluster

before(
  async () => {
    kafka = await startCluster({ name: 'main' })
  },
  { timeout: 300_000 },
)
after(async () => {
  await kafka?.stop()
})

async function newest(plane: Assembled): Promise<Decision | undefined> {
  const answer = await plane.app.inject({ url: `/v1/decisions?id=${ID}`, headers: { host: '127.0.0.1' } })
  const all: unknown[] = JSON.parse(answer.payload).decisions
  return all.map((one) => Decision.parse(one)).find(({ kind }) => kind === 'consumer-settings')
}

test('readers that poll all the time: one of three tries to wait, and all of them wait in the end', {
  timeout: 300_000,
}, async (t) => {
  const plane = await assemble({
    port: 0,
    dataDir: temporaryFolder(t),
    clusters: [{ name: 'main', bootstrap: [...kafka.bootstrap], securityProtocol: 'plaintext' }],
    logger: silentLogger,
    timing: 'dev',
    newInstallationMode: 'auto',
    // The same order of things in less time: a test has a minute.
    loopTimes: { observeMs: 8_000, observeRecords: 300, leastTrialMs: 10_000, leastRecords: 100, watchMs: 6_000 },
  })
  t.after(() => plane.close())
  const url = await plane.app.listen({ host: '127.0.0.1', port: 0 })
  await plane.provisioner.declare(ID, Intent.parse({ latencyP99Ms: '2s', retention: '1d' }), 'apply', 'test')
  const record = plane.registry.get(ID)
  assert.ok(record?.state === 'active')
  const { revision: _revision, updatedAtMs: _updated, ...change } = record
  const hasty = { ...record.spec.consumer, fetchMinBytes: 1, fetchMaxWaitMs: 1 }
  await plane.registry.publish(
    { ...change, spec: { ...record.spec, consumer: hasty } },
    { kind: 'change', subject: ID, actor: 'test', why: 'badly configured', before: null, after: null },
  )
  const open: Mq[] = []
  t.after(() => Promise.all(open.map((mq) => mq.close())))
  const join = async (app: string): Promise<Mq> => {
    const mq = await connect({ url, app, cacheDir: null, measureCodecs: false })
    open.push(mq)
    return mq
  }
  let handled = 0
  for (let nth = 0; nth < READERS; nth++) {
    const mq = await join(`reader-${nth}`)
    await mq.consume(ID, 'billing', () => {
      handled++
    })
  }
  const sender = await join('shop')
  let [isOn, sent, acked, failed] = [true, 0, 0, 0]
  const sending = (async () => {
    while (isOn) {
      for (let index = 0; index < 4; index++) {
        const value = { id: `o-${++sent}`, status: 'placed', currency: 'EUR', customer: `c-${sent % 500}` }
        sender.send(ID, value, { key: value.customer }).then(
          () => acked++,
          () => failed++,
        )
      }
      await sleep(50)
    }
  })()
  const startedMs = performance.now()
  let decision: Decision | undefined
  const trials = new Set<string>()
  while (performance.now() - startedMs < WITHIN_MS) {
    await sleep(300)
    decision = await newest(plane)
    for (const instance of plane.registry.binding(ID)?.trial?.instances ?? []) trials.add(instance)
    if (decision !== undefined && ['kept', 'undone', 'failed', 'superseded', 'waiting'].includes(decision.state)) break
  }
  const tookS = (performance.now() - startedMs) / 1_000
  isOn = false
  await sending
  await sender.flush()
  const endMs = performance.now() + 120_000
  while (handled < sent && performance.now() < endMs) await sleep(50)
  assert.ok(decision !== undefined, JSON.stringify(plane.deciding.engine.outlooks(ID)))
  assert.equal(
    decision.state,
    'kept',
    `${decision.status}\n${JSON.stringify(decision.guardrails)}\n${JSON.stringify(decision.steps)}`,
  )
  t.diagnostic(
    `kept ${tookS.toFixed(0)} s after the first send: ${decision.title}; ${decision.status}; predicted ${JSON.stringify(decision.predicted)}, measured ${JSON.stringify(decision.measuredBefore)} -> ${JSON.stringify(decision.measured)}`,
  )
  assert.equal(trials.size, 1)
  assert.equal(decision.trial?.ofInstances, READERS)
  assert.ok(decision.change.kind === 'consumer-settings')
  assert.deepEqual(plane.registry.binding(ID)?.consumer, decision.change.after)
  assert.ok(decision.measured!.usdPerMillionRecords! < decision.measuredBefore!.usdPerMillionRecords!)
  assert.deepEqual([failed, acked, handled >= sent], [0, sent, true], `${handled} of ${sent} handled`)
})
