import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import { ENDS, ID, OTHER_ID, open, TestBatch, TOPIC } from './support/reader-rig.ts'

describe('EpochReader whose topic is created again', () => {
  it('reads a topic that was created again from its beginning, and commits nothing of the old one (R10)', async () => {
    const running: (() => void)[] = []
    const { kafka, time, logger } = await open(() => new Promise<void>((resolve) => running.push(resolve)))
    kafka.committed.set(`${TOPIC}:0`, 40n)
    await kafka.assign(0, 1)
    kafka.deliver(new TestBatch(0, [40, 41], 42))
    kafka.recreate()
    kafka.fetch.onTopicRecreated!(TOPIC, 0, OTHER_ID, new MqError('MQ_TOPIC_RECREATED', 'again'))
    kafka.fetch.onTopicRecreated!(TOPIC, 1, OTHER_ID, new MqError('MQ_TOPIC_RECREATED', 'again'))
    await time.advance(0)
    assert.deepEqual(kafka.added.slice(2), ['0@5', '1@5'])
    assert.deepEqual(kafka.addedTo, [ID, ID, OTHER_ID, OTHER_ID])
    for (const finish of running) finish()
    await time.advance(1_000)
    assert.deepEqual(kafka.commits, ['0@5', '1@5'])
    assert.deepEqual(logger.codes(), ['MQ_TOPIC_RECREATED'])
    assert.match(logger.lines[0]!.message, /deleted and created again/)
  })

  it('begins a topic that was created again at its first record, though it was asked to begin at the end (R10)', async () => {
    const { kafka, time } = await open(() => {}, ENDS)
    await kafka.assign(0)
    await time.advance(0)
    kafka.recreate()
    await kafka.revoke(0)
    await kafka.assign(0)
    assert.deepEqual(kafka.added, ['0@99', '0@5'])
  })

  it('gives partitions of a topic that is gone up without a commit, and finds the new one when they come back (R10)', async () => {
    const { kafka, time, logger } = await open(() => {})
    await kafka.assign(0)
    kafka.deliver(new TestBatch(0, [5, 6], 105))
    kafka.recreate()
    await kafka.revoke(0)
    await kafka.assign(0)
    await time.advance(1_000)
    assert.deepEqual(kafka.added, ['0@5', '0@5'])
    assert.deepEqual(kafka.commits, ['0@5'])
    assert.ok(logger.codes().includes('MQ_TOPIC_RECREATED'))
  })

  it('hears by a refused commit that a partition nobody fetches is another one now (R10)', async () => {
    const { kafka, time, reader } = await open(() => {}, undefined, 4, { isOpen: () => false })
    await kafka.assign(0)
    kafka.recreate()
    await time.advance(3_000)
    assert.deepEqual(kafka.commits, ['0@5'])
    assert.equal(reader.isWaiting, true)
  })

  it('leaves a partition alone that was taken away while it was found out where its new topic begins (R10)', async () => {
    const { kafka, time } = await open(() => {})
    await kafka.assign(0)
    kafka.recreate()
    kafka.failPositions = new MqError('MQ_KAFKA_UNAVAILABLE', 'loading')
    kafka.fetch.onTopicRecreated!(TOPIC, 0, OTHER_ID, new MqError('MQ_TOPIC_RECREATED', 'again'))
    await time.advance(0)
    await kafka.revoke(0)
    kafka.failPositions = undefined
    await time.advance(30_000)
    assert.deepEqual(kafka.added, ['0@5'])
    assert.deepEqual(kafka.commits, [])
  })

  it('waits while a broker still knows the old topic: it does not go back to it (R10)', async () => {
    const { kafka, time } = await open(() => {})
    await kafka.assign(0)
    kafka.recreate()
    await kafka.revoke(0)
    await kafka.assign(0)
    kafka.id = ID
    kafka.fetch.onTopicRecreated!(TOPIC, 0, ID, new MqError('MQ_TOPIC_RECREATED', 'a broker that lags behind'))
    await time.advance(10_000)
    assert.equal(kafka.added.length, 2)
    kafka.id = OTHER_ID
    await time.advance(10_000)
    assert.deepEqual(kafka.addedTo, [ID, OTHER_ID, OTHER_ID])
  })
})
