/** What an mQ ID begins with that had clients before mQ (starting-settings B1-B3). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Binding, Intent } from '@mq/contract'
import { chooseSettings } from '../src/provision/settings-rules.ts'
import { javaClientDefaults, startingSettings } from '../src/provision/starting-settings.ts'
import { startHarness } from './harness.ts'

const ID = 'flights.tracked'

test("B1, B3: the defaults of Kafka's Java client replace the rules for what they name, and say so", () => {
  const intent = Intent.parse({ latencyP99Ms: '1s' })
  const rules = chooseSettings(intent)
  const start = startingSettings(intent, javaClientDefaults)
  const { codecLevel: _level, ...kept } = rules.producer
  assert.deepEqual(start.producer, { ...kept, codec: 'none', lingerMs: 5, batchBytes: 16_384 })
  assert.deepEqual(start.consumer, { ...rules.consumer, fetchMinBytes: 1, fetchMaxWaitMs: 500 })
  const of = (setting: string) => start.choices.find((choice) => choice.setting === setting)
  assert.deepEqual(of('producer.codec'), {
    setting: 'producer.codec',
    value: 'none',
    reason: "a default of Kafka's Java client (4.x), as it was before mQ",
  })
  assert.equal(of('producer.batchBytes')?.value, '16 KiB')
  const untouched = 'consumer.sessionTimeoutMs'
  assert.deepEqual(
    of(untouched),
    rules.choices.find(({ setting }) => setting === untouched),
  )
})

test('settings nobody can send with are refused', () => {
  const { producer, ...rest } = javaClientDefaults
  assert.throws(
    () => startingSettings(Intent.parse({}), { ...rest, producer: { ...producer, batchBytes: 12 } }),
    /MQ_OPTION_INVALID|unusable: batchBytes/,
  )
})

test('only the named mQ ID begins so; owners may change and nothing moves, a new requirement brings the rules back', async (t) => {
  const plane = await startHarness(t, { startWith: { [ID]: javaClientDefaults } })
  await plane.clusters.checkAll()
  const declare = async (id: string, intent: unknown) => {
    const answer = await plane.call('PUT', `/v1/ids/${id}`, { intent })
    assert.equal(answer.status, 200, answer.text)
    return Binding.parse(plane.registry.binding(id)).producer
  }
  const begun = await declare(ID, { latencyP99Ms: '1s' })
  assert.deepEqual([begun.codec, begun.lingerMs, begun.batchBytes], ['none', 5, 16_384])
  assert.equal((await declare('shop.views', { latencyP99Ms: '1s' })).codec, 'zstd')
  assert.deepEqual(await declare(ID, { latencyP99Ms: '1s', owner: { team: 'aviation' } }), begun)
  assert.equal((await declare(ID, { latencyP99Ms: '2s' })).codec, 'zstd')
})
