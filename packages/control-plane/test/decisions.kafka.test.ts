/**
 * Deciding on a real Apache Kafka, with the public client and dev timing: from a bad start to a kept change.
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
const WITHIN_MS = 120_000
const INSTANCES = 3
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

/** Steady sends, some every 20 ms, until stopped; returns how many were acknowledged and how many failed. */
function sendSteadily(mq: Mq, perRound: number): { stop: () => Promise<{ acked: number; failed: number }> } {
  let [isOn, acked, failed, nth] = [true, 0, 0, 0]
  const running = (async () => {
    const pending = new Set<Promise<unknown>>()
    while (isOn) {
      for (let index = 0; index < perRound; index++) {
        const value = {
          id: `o-${++nth}`,
          customer: `c-${nth % 500}`,
          status: 'placed',
          currency: 'EUR',
          lines: [{ sku: `sku-${nth % 90}`, quantity: 1 + (nth % 3), priceCents: 1_999 }],
          address: { street: 'Long Street 12', city: 'Springfield', country: 'US' },
        }
        const sent = mq.send(ID, value, { key: value.customer }).then(
          () => acked++,
          () => failed++,
        )
        pending.add(sent)
        void sent.finally(() => pending.delete(sent))
      }
      await sleep(20)
    }
    await Promise.all(pending)
    return { acked, failed }
  })()
  return {
    stop: () => {
      isOn = false
      return running
    },
  }
}

async function newest(plane: Assembled): Promise<Decision | undefined> {
  const answer = await plane.app.inject({ url: `/v1/decisions?id=${ID}`, headers: { host: '127.0.0.1' } })
  const [decision] = JSON.parse(answer.payload).decisions
  return decision === undefined ? undefined : Decision.parse(decision)
}

test('a badly configured start is found, tried on one of three clients, and kept within two minutes of the first send', {
  timeout: 300_000,
}, async (t) => {
  const plane = await assemble({
    port: 0,
    dataDir: temporaryFolder(t),
    clusters: [{ name: 'main', bootstrap: [...kafka.bootstrap], securityProtocol: 'plaintext' }],
    logger: silentLogger,
    timing: 'dev',
    newInstallationMode: 'auto',
  })
  t.after(() => plane.close())
  const url = await plane.app.listen({ host: '127.0.0.1', port: 0 })
  // A busy machine is slow by itself: the intent leaves room for that.
  await plane.provisioner.declare(ID, Intent.parse({ latencyP99Ms: '3s', retention: '1d' }), 'apply', 'test')
  const record = plane.registry.get(ID)
  assert.ok(record?.state === 'active')
  const { revision: _revision, updatedAtMs: _updated, ...change } = record
  const { codecLevel: _level, ...producer } = record.spec.producer
  await plane.registry.publish(
    { ...change, spec: { ...record.spec, producer: { ...producer, codec: 'none', lingerMs: 0, batchBytes: 16_384 } } },
    { kind: 'change', subject: ID, actor: 'test', why: 'badly configured', before: null, after: null },
  )
  const clients = await Promise.all(
    Array.from({ length: INSTANCES }, (_, nth) => connect({ url, app: `shop-${nth}`, cacheDir: null })),
  )
  t.after(() => Promise.all(clients.map((mq) => mq.close())))
  const startedMs = performance.now()
  const senders = clients.map((mq) => sendSteadily(mq, 4))
  let decision: Decision | undefined
  const trials = new Set<string>()
  while (performance.now() - startedMs < WITHIN_MS) {
    await sleep(500)
    decision = await newest(plane)
    for (const instance of plane.registry.binding(ID)?.trial?.instances ?? []) trials.add(instance)
    if (decision !== undefined && ['kept', 'undone', 'failed', 'superseded'].includes(decision.state)) break
  }
  const tookS = (performance.now() - startedMs) / 1_000
  const counts = await Promise.all(senders.map((sender) => sender.stop()))
  assert.ok(decision !== undefined, JSON.stringify(plane.deciding.engine.outlooks(ID)))
  assert.equal(
    decision.state,
    'kept',
    `${decision.status}\n${JSON.stringify(decision.guardrails)}\n${JSON.stringify(decision.steps)}`,
  )
  t.diagnostic(
    `kept ${tookS.toFixed(0)} s after the first send: ${decision.title}; measured ${JSON.stringify(decision.measuredBefore)} -> ${JSON.stringify(decision.measured)}, predicted ${JSON.stringify(decision.predicted)}`,
  )
  assert.equal(trials.size, 1)
  assert.ok(decision.measured!.usdPerMillionRecords! < decision.measuredBefore!.usdPerMillionRecords! * 0.8)
  assert.ok(decision.change.kind === 'producer-settings')
  assert.deepEqual(plane.registry.binding(ID)?.producer, decision.change.after)
  for (const { acked, failed } of counts) {
    assert.equal(failed, 0)
    assert.ok(acked > 1_000)
  }
})
