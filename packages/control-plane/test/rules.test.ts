/**
 * The rules that turn an intent into a topic and settings (settings-rules U1-U3, placement-rules G1-G3, intent-changes V1-V2).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BATCH_OVERHEAD_BYTES, ConsumerSettings, Intent, type IntentInput, ProducerSettings } from '@mq/contract'
import fc from 'fast-check'
import { dependsOnRecords, diffIntents, refusedChange, unmetWish } from '../src/provision/intent-changes.ts'
import {
  chooseCluster,
  MAX_PARTITIONS,
  place,
  sameInMetrics,
  topicName,
  wantedPartitions,
} from '../src/provision/placement-rules.ts'
import { chooseSettings } from '../src/provision/settings-rules.ts'
import { anyIntent } from './any-intent.ts'

const intent = (input: IntentInput = {}): Intent => Intent.parse(input)
const placed = (input: IntentInput, brokers: number) => {
  const asked = intent(input)
  return place(asked, chooseSettings(asked).producer, { name: 'main', brokers })
}

describe('settings', () => {
  test('waiting for a fuller batch takes 4 % of the latency that is allowed, and never more than 100 ms', () => {
    for (const [latencyP99Ms, lingerMs] of [
      [2, 0],
      [24, 0],
      [25, 1],
      [250, 10],
      [1_000, 40],
      [2_500, 100],
      [60_000, 100],
    ]) {
      assert.equal(chooseSettings(intent({ latencyP99Ms })).producer.lingerMs, lingerMs, `for ${latencyP99Ms} ms`)
    }
  })

  test('waiting for a fuller batch takes at most a fifth of the time within which sends are to be acknowledged', () => {
    const { producer, choices } = chooseSettings(intent({ latencyP99Ms: 2_500, acknowledgedWithinMs: 50 }))
    assert.equal(producer.lingerMs, 10)
    assert.match(choices.find(({ setting }) => setting === 'producer.lingerMs')!.reason, /50ms within which you want/)
    assert.equal(chooseSettings(intent({ latencyP99Ms: 250, acknowledgedWithinMs: 5_000 })).producer.lingerMs, 10)
  })

  test('records are compressed with zstd level 1 and the reason names what it saves', () => {
    const { producer, choices } = chooseSettings(intent())
    assert.equal(producer.codec, 'zstd')
    assert.equal(producer.codecLevel, 1)
    assert.match(choices.find((choice) => choice.setting === 'producer.codec')!.reason, /USD/)
  })

  test('a broker collects a fetch only where a second or more is allowed', () => {
    const quick = chooseSettings(intent({ latencyP99Ms: 250 })).consumer
    assert.equal(quick.fetchMinBytes, 1)
    const calm = chooseSettings(intent({ latencyP99Ms: 2_000 })).consumer
    assert.equal(calm.fetchMinBytes, 65_536)
    assert.equal(calm.fetchMaxWaitMs, 200)
  })

  test('a consumer has room for two of the largest messages', () => {
    const consumer = chooseSettings(intent({ maxMessageBytes: 8 * 1_048_576 })).consumer
    assert.equal(consumer.readAheadBytes, 16 * 1_048_576)
  })

  test('every intent gives settings the contract allows, the same every time, within the latency asked for (U2, U3)', () => {
    fc.assert(
      fc.property(anyIntent, (intent) => {
        const first = chooseSettings(intent)
        assert.deepEqual(chooseSettings(intent), first)
        assert.deepEqual(ProducerSettings.parse(first.producer), first.producer)
        assert.deepEqual(ConsumerSettings.parse(first.consumer), first.consumer)
        const spent = first.producer.lingerMs + (first.consumer.fetchMinBytes > 1 ? first.consumer.fetchMaxWaitMs : 0)
        assert.ok(spent <= intent.latencyP99Ms * 0.15, `${spent} of ${intent.latencyP99Ms} ms`)
        for (const choice of first.choices) assert.ok(choice.reason.length > 20 && choice.value !== '', choice.setting)
      }),
    )
  })
})

describe('placement', () => {
  test('a topic is named after its mQ ID and epoch, and no two share a name (G1)', () => {
    assert.equal(topicName('orders.placed', 1), 'orders.placed.e1')
    assert.notEqual(topicName('orders', 11), topicName('orders.e1', 1))
  })

  test('three brokers give three copies of which two acknowledge; fewer are said as a warning (G2)', () => {
    const three = placed({}, 5)
    assert.deepEqual([three.replication, three.minInsyncReplicas, three.warnings], [3, 2, []])
    const two = placed({}, 2)
    assert.deepEqual([two.replication, two.minInsyncReplicas], [2, 2])
    assert.match(two.warnings[0]!, /sends wait while one of them is away/)
    const one = placed({}, 1)
    assert.deepEqual([one.replication, one.minInsyncReplicas], [1, 1])
    assert.match(one.warnings[0]!, /one broker: a record is lost if its disk is/)
  })

  test('partitions follow the expected load at its peak, in powers of two', () => {
    assert.equal(wantedPartitions(intent(), 1).partitions, 4)
    assert.equal(wantedPartitions(intent(), 9).partitions, 16)
    assert.equal(wantedPartitions(intent({ expectedMessagesPerSecond: 10 }), 3).partitions, 4)
    assert.equal(
      wantedPartitions(intent({ expectedMessagesPerSecond: 120_000, expectedMessageBytes: 100 }), 3).partitions,
      8,
    )
    assert.equal(
      wantedPartitions(intent({ expectedMessagesPerSecond: 10_000, expectedMessageBytes: 10_000 }), 3).partitions,
      16,
    )
    const peaks = [{ startsAt: '2026-11-27T08:00:00Z', durationMs: '4h', multiple: 10 }]
    const peak = wantedPartitions(intent({ expectedMessagesPerSecond: 120_000, expectedMessageBytes: 100, peaks }), 3)
    assert.equal(peak.partitions, 64)
    assert.match(peak.reason, /1,200,000 messages\/s at the expected peak/)
    assert.equal(wantedPartitions(intent({ expectedMessagesPerSecond: 1e8 }), 3).partitions, MAX_PARTITIONS)
  })

  test('retention becomes the topic configuration that keeps exactly that', () => {
    const day = placed({ retention: '1d' }, 3).topicConfigs
    assert.equal(day['cleanup.policy'], 'delete')
    assert.equal(day['retention.ms'], '86400000')
    assert.equal(day['segment.ms'], '21600000')
    const forever = placed({ retention: 'forever' }, 3).topicConfigs
    assert.equal(forever['retention.ms'], '-1')
    assert.equal(forever['retention.bytes'], '-1')
    const compacted = placed({ retention: 'latest-per-key' }, 3).topicConfigs
    assert.equal(compacted['cleanup.policy'], 'compact')
    assert.equal(compacted['delete.retention.ms'], '604800000')
  })

  test('a record older than the retention is refused rather than removed in silence', () => {
    assert.equal(placed({ retention: '2h' }, 3).topicConfigs['message.timestamp.before.max.ms'], '7200000')
  })

  test('the topic takes the largest message, and the largest batch, with room for headers', () => {
    assert.equal(
      placed({ maxMessageBytes: 1_024 }, 3).topicConfigs['max.message.bytes'],
      String(262_144 + BATCH_OVERHEAD_BYTES),
    )
    assert.equal(
      placed({ maxMessageBytes: 4 * 1_048_576 }, 3).topicConfigs['max.message.bytes'],
      String(4 * 1_048_576 + BATCH_OVERHEAD_BYTES),
    )
  })

  test('the partition count of an epoch stays, and what the load would ask for is said (G3)', () => {
    const asked = intent({ expectedMessagesPerSecond: 1_000_000 })
    const standing = { partitions: 4, replication: 1, minInsyncReplicas: 1, maxMessageBytes: 9_000_000 }
    const kept = place(asked, chooseSettings(asked).producer, { name: 'main', brokers: 3 }, standing)
    assert.equal(kept.partitions, 4)
    assert.equal(kept.replication, 1)
    assert.ok(
      kept.warnings.some((warning) => /asks for 128 partitions and the mQ ID has 4/.test(warning)),
      kept.warnings.join(),
    )
    assert.ok(kept.warnings.some((warning) => /now has 3 brokers and the mQ ID keeps 1 copy/.test(warning)))
    assert.equal(
      kept.topicConfigs['max.message.bytes'],
      '9000000',
      'a size limit is never lowered under records on their way',
    )
  })

  test('a new mQ ID goes where there are most brokers, then fewest mQ IDs', () => {
    const choose = (...clusters: [string, number, number][]) =>
      chooseCluster(clusters.map(([name, brokers, mqIds]) => ({ name, brokers, mqIds })))?.cluster.name
    assert.equal(choose(['a', 1, 0], ['b', 3, 100]), 'b')
    assert.equal(choose(['a', 3, 5], ['b', 3, 4]), 'b')
    assert.equal(choose(['b', 3, 4], ['a', 3, 4]), 'a')
    assert.equal(choose(), undefined)
  })

  test('names that Kafka cannot tell apart in its metrics are seen', () => {
    assert.ok(sameInMetrics('a.b.e1', 'a_b.e1'))
    assert.ok(!sameInMetrics('a.b.e1', 'a.b.e1'))
    assert.ok(!sameInMetrics('a.b.e1', 'a.b.e2'))
  })
})

describe('changes of an intent', () => {
  test('only what differs is a change, whatever the order of keys (V2)', () => {
    const owner = { team: 'shop', service: 'checkout' }
    const turned = { service: 'checkout', team: 'shop' }
    assert.deepEqual(diffIntents(intent({ owner }), intent({ owner: turned })), [])
    assert.deepEqual(diffIntents(intent(), intent({ latencyP99Ms: '1s' })), [
      { path: 'latencyP99Ms', before: '250', after: '1000' },
    ])
    assert.deepEqual(diffIntents(intent({ owner }), intent()), [
      { path: 'owner.team', before: 'shop', after: null },
      { path: 'owner.service', before: 'checkout', after: null },
    ])
    fc.assert(fc.property(anyIntent, (intent) => assert.deepEqual(diffIntents(intent, structuredClone(intent)), [])))
  })

  test('durability beyond standard is refused with what is missing', () => {
    for (const durability of ['replay', 'mirror', 'dual'] as const) {
      const refusal = unmetWish(intent({ durability }))
      assert.equal(refusal?.code, 'MQ_INTENT_UNMET')
      assert.match(refusal.message, /cannot be met: mQ cannot yet/)
    }
    assert.equal(unmetWish(intent()), undefined)
  })

  test('what would misread, reorder or lose stored records is refused; the same on an empty topic is not (V1)', () => {
    const refused: [IntentInput, IntentInput][] = [
      [{ format: 'json' }, { format: 'text' }],
      [{ ordering: 'none' }, { ordering: 'key' }],
      [{ retention: '7d' }, { retention: 'latest-per-key' }],
      [{ retention: 'latest-per-key' }, { retention: 'forever' }],
    ]
    for (const [before, after] of refused) {
      assert.equal(refusedChange(intent(before), intent(after), false)?.code, 'MQ_INTENT_UNMET')
      assert.equal(refusedChange(intent(before), intent(after), true), undefined)
      assert.ok(dependsOnRecords(intent(before), intent(after)))
    }
    assert.equal(refusedChange(intent({ ordering: 'key' }), intent({ ordering: 'none' }), false), undefined)
    assert.equal(refusedChange(intent({ retention: '7d' }), intent({ retention: 'forever' }), false), undefined)
  })
})
