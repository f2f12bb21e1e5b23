import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { systemDeps } from '@mq/contract/timing'
import { MISSING_GRACE_MS } from '../src/net/leader-finder.ts'
import { KafkaCode } from '../src/protocol/kafka-errors.ts'
import { count, ID, OTHER_ID, rigs, start, TOPIC, until } from './fetcher-rig.ts'

describe('the fetcher and the topic it reads', { timeout: 300_000 }, () => {
  afterEach(async () => {
    for (const rig of rigs.splice(0)) await rig.fetcher.close()
  })

  it('refuses to read on in a topic that was deleted and created again (J2)', async () => {
    const rig = start()
    rig.network.fill(0, 1)
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('it reads', () => count(rig) === 10)
    rig.network.topicId = OTHER_ID
    rig.network.answers.push({ partition: 0, errorCode: KafkaCode.UNKNOWN_TOPIC_ID, records: Buffer.alloc(0) })
    await until('it is reported', () => rig.errors.length === 1)
    assert.equal(rig.errors[0]?.code, 'MQ_TOPIC_RECREATED')
    assert.match(rig.errors[0]?.message ?? '', /created again/)
  })

  it('reads nothing for an offset that belongs to a topic that is not there any more (F6)', async () => {
    const recreated: string[] = []
    const rig = start({ onTopicRecreated: (_topic, partition, topicId) => recreated.push(`${partition}:${topicId}`) })
    rig.network.fill(0, 1)
    rig.fetcher.add(TOPIC, 0, 5n, OTHER_ID)
    await until('it is reported', () => recreated.length === 1)
    assert.deepEqual(recreated, [`0:${ID}`])
    assert.deepEqual([rig.network.requests.length, count(rig), rig.errors.length], [0, 0, 0])
    rig.fetcher.add(TOPIC, 0, 0n, ID)
    await until('it reads', () => count(rig) === 10)
  })

  it('finds out that a topic was created again where brokers are asked by name (F6)', async () => {
    const recreated: string[] = []
    let nowMs = 0
    const deps = { ...systemDeps, random: () => 0, clock: { nowMs: () => 0, monotonicMs: () => nowMs } }
    const rig = start({
      deps,
      onTopicRecreated: (_topic, partition, topicId) => recreated.push(`${partition}:${topicId}`),
    })
    rig.network.byId = false
    rig.network.fill(0, 1)
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('it reads', () => count(rig) === 10)
    rig.network.topicId = OTHER_ID
    nowMs = 60_000
    await until('it is reported', () => recreated.length === 1)
    assert.deepEqual(recreated, [`0:${OTHER_ID}`])
  })

  it('reports a topic that stays missing, and not one that is merely new (J1)', async () => {
    let nowMs = 0
    const clock = { nowMs: () => 0, monotonicMs: () => nowMs }
    const rig = start({ deps: { ...systemDeps, random: () => 0, clock } })
    rig.network.errorCode = KafkaCode.UNKNOWN_TOPIC_OR_PARTITION
    rig.fetcher.add(TOPIC, 0, 0n)
    await until('it looked twice', () => rig.network.located >= 2)
    assert.equal(rig.errors.length, 0)
    nowMs = MISSING_GRACE_MS
    await until('it is reported', () => rig.errors.length === 1)
    assert.deepEqual([rig.errors[0]?.code, rig.network.requests.length], ['MQ_TOPIC_MISSING', 0])
  })
})
