import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import { bindingOf } from './support/bindings.ts'
import { ENDS, open, TestBatch, TOPIC } from './support/reader-rig.ts'
import { turn } from './support/time.ts'

describe('EpochReader', () => {
  it('fetches nothing of a partition whose gate is closed, and begins at its position when it opens (R6)', async () => {
    const openGates = new Set([0])
    const { kafka, reader } = await open(() => {}, undefined, 4, { isOpen: (partition) => openGates.has(partition) })
    kafka.committed.set(`${TOPIC}:1`, 42n)
    await kafka.assign(0, 1, 2)
    assert.deepEqual(kafka.added, ['0@5'])
    assert.equal(reader.isWaiting, true)
    reader.recheck()
    assert.deepEqual(kafka.added, ['0@5'])
    await kafka.revoke(2)
    openGates.add(1).add(2)
    reader.recheck()
    assert.deepEqual(kafka.added, ['0@5', '1@42'])
    assert.equal(reader.isWaiting, false)
    reader.recheck()
    assert.equal(kafka.added.length, 2)
  })

  it('commits the end of a sealed epoch at once, also over records that are none, and says its positions (R7)', async () => {
    const positions: string[] = []
    const onPosition = (partition: number, position: bigint): void => void positions.push(`${partition}@${position}`)
    const { kafka, time, reader } = await open(() => {}, undefined, 4, { onPosition })
    kafka.committed.set(`${TOPIC}:0`, 5n)
    kafka.committed.set(`${TOPIC}:1`, 5n)
    await kafka.assign(0, 1)
    const { epochs, consumer } = bindingOf()
    reader.update(consumer, { ...epochs[0]!, state: 'sealed', endOffsets: ['9', '99', '0', '0'] })
    kafka.deliver(new TestBatch(0, [5, 6], 7))
    kafka.deliver(new TestBatch(1, [5, 6], 7))
    kafka.deliver(new TestBatch(0, [], 9))
    await time.advance(60)
    assert.deepEqual(kafka.commits, ['0@9'])
    await time.advance(1_000)
    assert.deepEqual(kafka.commits, ['0@9', '1@7'])
    assert.deepEqual(positions, ['0@5', '1@5', '0@9', '1@7'])
  })

  it('commits the end of a sealed epoch with its last record, partitions that end together at once (R7)', async () => {
    const { kafka, time, reader } = await open(() => {})
    for (const partition of [0, 1, 2]) kafka.committed.set(`${TOPIC}:${partition}`, 5n)
    await kafka.assign(0, 1, 2)
    kafka.deliver(new TestBatch(2, [5], 6))
    const { epochs, consumer } = bindingOf()
    reader.update(consumer, { ...epochs[0]!, state: 'sealed', endOffsets: ['7', '7', '6', '0'] })
    await time.advance(3)
    assert.deepEqual(kafka.commits, ['2@6'])
    kafka.deliver(new TestBatch(0, [5, 6], 7))
    kafka.deliver(new TestBatch(1, [5, 6], 7))
    await time.advance(3)
    assert.deepEqual(kafka.commits, ['2@6', '0@7', '1@7'])
  })

  it('has one clock for its commits, also when its epoch ends during one, and none once it is closed (R7)', async () => {
    const { kafka, time, reader } = await open(() => {})
    await kafka.assign(0)
    kafka.deliver(new TestBatch(0, [5], 6))
    const slow = Promise.withResolvers<void>()
    kafka.onCommit = () => slow.promise
    await time.advance(1_000)
    const epoch = { ...bindingOf().epochs[0]!, state: 'sealed' as const, endOffsets: ['9', '9', '9'] }
    reader.update(bindingOf().consumer, epoch)
    await time.advance(10)
    slow.resolve()
    await time.advance(10)
    assert.equal(time.timers, 1)
    await reader.close(1_000)
    assert.equal(time.timers, 0)
  })

  it('says more often what it holds while its epoch is being prepared, but not for ever (R8)', async () => {
    const { epochs, consumer } = bindingOf()
    const preparing = { ...epochs[0]!, state: 'preparing' as const }
    const { kafka, reader } = await open(() => {}, undefined, 4, { epoch: preparing })
    assert.equal(kafka.group.heartbeatMs?.(), 250)
    reader.update(consumer, { ...preparing, state: 'open' })
    assert.equal(kafka.group.heartbeatMs?.(), undefined)
    const waiting = await open(() => {}, undefined, 4, { epoch: preparing })
    await waiting.time.advance(21_000)
    assert.equal(waiting.kafka.group.heartbeatMs?.(), undefined)
    const usual = await open(() => {})
    assert.equal(usual.kafka.group.heartbeatMs?.(), undefined)
  })

  it('begins at the committed position, else where it was asked to, and commits that place (R1)', async () => {
    const { kafka, time } = await open(() => {})
    kafka.committed.set(`${TOPIC}:0`, 42n)
    await kafka.assign(0, 1)
    assert.deepEqual(kafka.added, ['0@42', '1@5'])
    await time.advance(1_000)
    assert.deepEqual(kafka.commits, ['1@5'])
    const late = await open(() => {}, ENDS)
    late.kafka.committed.set(`${TOPIC}:1`, 42n)
    await late.kafka.assign(0, 1)
    assert.deepEqual(late.kafka.added, ['0@99', '1@42'])
  })

  it('begins a partition that was added later at its first record, though it was asked to begin at the end (R1)', async () => {
    const { kafka, time } = await open(() => {}, ENDS)
    await kafka.assign(0)
    await kafka.assign(2)
    await time.advance(1_000)
    assert.deepEqual(kafka.added, ['0@99', '2@5'])
    assert.deepEqual(kafka.commits, ['0@99', '2@5'])
  })

  it('waits for its positions while Kafka is away, and never guesses them (R1)', async () => {
    const { kafka, time } = await open(() => {})
    kafka.failListing = new MqError('MQ_KAFKA_UNREACHABLE', 'away')
    const assigned = kafka.assign(0)
    await time.advance(20_000)
    assert.deepEqual(kafka.added, [])
    kafka.failListing = undefined
    await time.advance(10_000)
    await assigned
    assert.deepEqual(kafka.added, ['0@5'])
  })

  it('commits only what is handled, once a second and only when it moved (R2)', async () => {
    const open_: (() => void)[] = []
    const { kafka, time } = await open(() => new Promise<void>((resolve) => open_.push(resolve)))
    kafka.committed.set(`${TOPIC}:0`, 10n)
    await kafka.assign(0)
    const batch = new TestBatch(0, [10, 11, 12], 20)
    kafka.deliver(batch)
    open_[1]!()
    open_[2]!()
    await time.advance(3_000)
    assert.deepEqual(kafka.commits, ['0@10'])
    assert.deepEqual(kafka.notes.get(0), { finished: [{ first: 11n, end: 20n }], leaderEpoch: 0 })
    open_[0]!()
    await time.advance(3_000)
    assert.deepEqual(kafka.commits, ['0@10', '0@20'])
    assert.deepEqual(kafka.notes.get(0), { finished: [], leaderEpoch: undefined })
    assert.equal(batch.released, 1)
  })

  it('moves over stretches without a record (R2)', async () => {
    const { kafka, time } = await open(() => {})
    await kafka.assign(0)
    const batch = new TestBatch(0, [], 77)
    kafka.deliver(batch)
    await time.advance(1_000)
    assert.deepEqual(kafka.commits, ['0@77'])
    assert.equal(batch.released, 1)
  })

  it('tries a failed commit again with the next', async () => {
    const { kafka, time, logger } = await open(() => {})
    await kafka.assign(0)
    kafka.failCommits = new MqError('MQ_KAFKA_UNAVAILABLE', 'coordinator is moving')
    await time.advance(2_000)
    kafka.failCommits = undefined
    await time.advance(1_000)
    assert.deepEqual(kafka.commits, ['0@5'])
    assert.ok(logger.codes().every((code) => code === 'MQ_KAFKA_UNAVAILABLE'))
  })

  it('gives partitions up only when their handlers ended and their positions are committed (R3)', async () => {
    const open_: (() => void)[] = []
    const started: string[] = []
    const { kafka } = await open((message) => {
      started.push(message.offset)
      return new Promise<void>((resolve) => open_.push(resolve))
    })
    await kafka.assign(0, 1)
    const batch = new TestBatch(0, [5, 6, 8, 9], 10)
    kafka.deliver(batch)
    assert.deepEqual(started, ['5', '6'])
    let revoked = false
    const done = kafka.revoke(0).then(() => {
      revoked = true
    })
    assert.deepEqual(kafka.removed, [0])
    open_[0]!()
    await turn()
    assert.equal(revoked, false)
    assert.deepEqual(kafka.commits, [])
    open_[1]!()
    await done
    assert.deepEqual(kafka.commits, ['0@8'])
    assert.deepEqual(started, ['5', '6'])
    assert.equal(batch.released, 1)
    const late = new TestBatch(0, [10], 11)
    kafka.deliver(late)
    assert.equal(late.released, 1)
    assert.deepEqual(started, ['5', '6'])
  })

  it('gives partitions up at the limit when a handler never ends, says so, and does not count it (R3)', async () => {
    const { kafka, time, logger } = await open((message) =>
      message.offset === '5' ? new Promise(() => {}) : undefined,
    )
    await kafka.assign(0)
    kafka.deliver(new TestBatch(0, [5, 6, 7], 8))
    const done = kafka.revoke(0)
    await time.advance(45_000)
    await done
    assert.ok(!kafka.commits.some((commit) => commit > '0@5'))
    assert.match(logger.lines.at(-1)!.message, /1 handlers still ran after 45000 ms/)
  })

  it('drops lost partitions at once and commits nothing of them (R4)', async () => {
    const open_: (() => void)[] = []
    const { kafka, time } = await open(() => new Promise<void>((resolve) => open_.push(resolve)))
    kafka.committed.set(`${TOPIC}:0`, 5n)
    await kafka.assign(0)
    const batch = new TestBatch(0, [5, 6], 7)
    kafka.deliver(batch)
    kafka.group.onLost([{ topic: TOPIC, partition: 0 }])
    for (const finish of open_) finish()
    await time.advance(5_000)
    assert.deepEqual(kafka.commits, [])
    assert.equal(batch.released, 1)
  })

  it('hands out nothing again of a lost partition that comes back, also what ended meanwhile, but what still runs (R4)', async () => {
    const open_ = new Map<string, () => void>()
    const started: string[] = []
    const { kafka, time } = await open((message) => {
      started.push(message.offset)
      return new Promise<void>((resolve) => open_.set(message.offset, resolve))
    })
    kafka.committed.set(`${TOPIC}:0`, 5n)
    await kafka.assign(0)
    kafka.deliver(new TestBatch(0, [5, 6, 7, 8, 9, 10], 11))
    open_.get('5')!()
    await turn()
    kafka.failCommits = new MqError('MQ_KAFKA_UNREACHABLE', 'all brokers are away')
    await time.advance(3_000)
    kafka.group.onLost([{ topic: TOPIC, partition: 0 }])
    open_.get('6')!()
    await turn()
    assert.deepEqual(started, ['5', '6', '7', '8'])
    kafka.failCommits = undefined
    // It is asked for the end of the epoch in which they were written: the log still holds them.
    await kafka.assign(0)
    assert.deepEqual(kafka.askedEpochs, ['0:0'])
    started.length = 0
    kafka.deliver(new TestBatch(0, [5, 6, 7, 8, 9, 10], 11))
    await turn()
    // Those that still run hold their keys: what is handed out again of them, and what comes behind, waits.
    assert.deepEqual(started, ['9'])
    for (const offset of ['7', '8', '9', '7', '8', '10']) {
      open_.get(offset)!()
      await turn()
    }
    await time.advance(3_000)
    assert.deepEqual(started, ['9', '7', '8', '10'])
    assert.equal(kafka.commits.at(-1), '0@11')
  })

  it('hands everything out again of a lost partition whose group was set back, whose topic is another, or whose log was cut (R4)', async () => {
    const started: string[] = []
    const lost = async () => {
      const { kafka, time } = await open((message) => void started.push(message.offset))
      kafka.committed.set(`${TOPIC}:0`, 7n)
      await kafka.assign(0)
      kafka.failCommits = new MqError('MQ_KAFKA_UNREACHABLE', 'all brokers are away')
      kafka.deliver(new TestBatch(0, [7, 8], 9))
      await time.advance(1_000)
      kafka.group.onLost([{ topic: TOPIC, partition: 0 }])
      kafka.failCommits = undefined
      started.length = 0
      return kafka
    }
    const setBack = await lost()
    setBack.committed.set(`${TOPIC}:0`, 6n)
    await setBack.assign(0)
    setBack.deliver(new TestBatch(0, [6, 7, 8], 9))
    assert.deepEqual(started, ['6', '7', '8'])

    const recreated = await lost()
    recreated.recreate()
    await recreated.assign(0)
    recreated.deliver(new TestBatch(0, [5, 6, 7, 8], 9))
    assert.deepEqual(started, ['5', '6', '7', '8'])

    const cut = await lost()
    cut.epochEnd = { leaderEpoch: 0, endOffset: 8n }
    await cut.assign(0)
    cut.deliver(new TestBatch(0, [7, 8], 9))
    assert.deepEqual(started, ['7', '8'])

    const same = await lost()
    await same.assign(0)
    same.deliver(new TestBatch(0, [7, 8, 9], 10))
    assert.deepEqual(started, ['9'])
  })

  it('keeps what it finished of a partition that it gave up without getting a commit through (R3, R4)', async () => {
    const started: string[] = []
    const { kafka } = await open((message) => void started.push(message.offset))
    kafka.committed.set(`${TOPIC}:0`, 7n)
    await kafka.assign(0)
    kafka.deliver(new TestBatch(0, [7, 8], 9))
    kafka.failCommits = new MqError('MQ_KAFKA_UNREACHABLE', 'away')
    await kafka.revoke(0)
    kafka.failCommits = undefined
    await kafka.assign(0)
    kafka.deliver(new TestBatch(0, [7, 8, 9], 10))
    assert.deepEqual(started, ['7', '8', '9'])
  })

  it('says what retention removed and goes on at what is left', async () => {
    const { kafka, time, logger } = await open(() => {})
    kafka.committed.set(`${TOPIC}:0`, 3n)
    await kafka.assign(0)
    const range = { topic: TOPIC, partition: 0, requested: 3n, earliest: 10n, latest: 20n, lostRecords: 7n }
    kafka.fetch.onOffsetOutOfRange!(range)
    assert.deepEqual(kafka.added, ['0@3', '0@10'])
    assert.equal(logger.lines[0]!.level, 'error')
    assert.match(logger.lines[0]!.message, /7 records were removed before the group read them/)
    await time.advance(1_000)
    assert.deepEqual(kafka.commits, ['0@10'])
  })

  it('stands still at damage, loudly, and tries again (R5)', async () => {
    const { kafka, time, logger, fatal } = await open(() => {})
    await kafka.assign(0)
    kafka.fetch.onError(TOPIC, 0, new MqError('MQ_BATCH_CORRUPT', 'checksum'), true)
    assert.deepEqual(logger.codes(), ['MQ_BATCH_CORRUPT'])
    assert.equal(logger.lines[0]!.level, 'error')
    await time.advance(30_000)
    assert.deepEqual(kafka.added, ['0@5', '0@50'])
    assert.deepEqual(fatal, [])
  })

  it('waits for rights that are missing, and says so at once, with what to do, and not for every partition and try', async () => {
    const { kafka, time, logger, fatal } = await open(() => {})
    kafka.failPositions = new MqError('MQ_KAFKA_FORBIDDEN', 'no right to the group')
    const assigned = kafka.assign(0, 1)
    await time.advance(20_000)
    assert.deepEqual(kafka.added, [])
    assert.deepEqual(logger.codes(), ['MQ_KAFKA_FORBIDDEN'])
    assert.equal(logger.lines[0]!.level, 'error')
    assert.match(
      logger.lines[0]!.message,
      /no right to the group. Grant the right that the message names; it is tried again/,
    )
    kafka.failPositions = undefined
    await time.advance(10_000)
    await assigned
    assert.deepEqual(kafka.added, ['0@5', '1@5'])
    for (const partition of [0, 1, 0, 1]) {
      kafka.fetch.onError(TOPIC, partition, new MqError('MQ_KAFKA_FORBIDDEN', 'no right to read'), false)
    }
    for (let tries = 0; tries < 5; tries++) {
      kafka.group.onError(new MqError('MQ_KAFKA_FORBIDDEN', 'no right to the group'), false)
    }
    assert.equal(logger.lines.length, 3)
    await time.advance(60_000)
    assert.deepEqual(kafka.added, ['0@5', '1@5'])
    assert.deepEqual(fatal, [])
  })

  it('looks for a topic that is gone every few seconds, and says that it is gone once for all partitions', async () => {
    const { kafka, time, logger } = await open(() => {})
    await kafka.assign(0, 1)
    for (const partition of [0, 1]) kafka.fetch.onError(TOPIC, partition, new MqError('MQ_TOPIC_MISSING', 'gone'), true)
    assert.deepEqual(logger.codes(), ['MQ_TOPIC_MISSING'])
    await time.advance(5_000)
    assert.deepEqual(kafka.added, ['0@5', '1@5', '0@50', '1@50'])
  })

  it('ends when the group refuses it for good, and goes on when it does not', async () => {
    const { kafka, fatal } = await open(() => {})
    kafka.group.onError(new MqError('MQ_GROUP_FENCED', 'rejoining'), false)
    kafka.group.onError(new MqError('MQ_KAFKA_FORBIDDEN', 'no right to read'), false)
    assert.equal(fatal.length, 0)
    kafka.group.onError(new MqError('MQ_GROUP_FAILED', 'its name was taken'), true)
    assert.deepEqual(
      fatal.map((error) => error.code),
      ['MQ_GROUP_FAILED'],
    )
  })

  it('tells lag behind the committed positions, and apart from it what is not finished; unknown is null', async () => {
    const running: (() => void)[] = []
    const { kafka, time, reader } = await open(() => new Promise<void>((resolve) => running.push(resolve)))
    assert.deepEqual([reader.lagRecords(), reader.unfinishedRecords(), reader.isAssigned], [null, 0, false])
    kafka.committed.set(`${TOPIC}:0`, 10n)
    await kafka.assign(0, 1)
    kafka.ends.set(0, 30n)
    assert.equal(reader.lagRecords(), null, 'nothing is known of partition 1')
    kafka.ends.set(1, 5n)
    await time.advance(1_000)
    assert.equal(reader.lagRecords(), 20)
    kafka.deliver(new TestBatch(0, [10, 11, 12], 13))
    assert.equal(reader.unfinishedRecords(), 3)
    running[1]!()
    await time.advance(1_000)
    assert.deepEqual([reader.lagRecords(), reader.unfinishedRecords()], [20, 2])
    running[0]!()
    await time.advance(1_000)
    assert.deepEqual([reader.lagRecords(), reader.unfinishedRecords()], [18, 1])
    kafka.group.onLost([0, 1].map((partition) => ({ topic: TOPIC, partition })))
    assert.deepEqual([reader.lagRecords(), reader.unfinishedRecords()], [null, 0])
  })

  it('closes in order: handlers end, positions are committed, the group is left', async () => {
    const { kafka, reader } = await open(() => {})
    await kafka.assign(0)
    kafka.deliver(new TestBatch(0, [5, 6], 20))
    await reader.close(1_000)
    await reader.close(1_000)
    assert.deepEqual(kafka.commits, ['0@20'])
    assert.deepEqual(kafka.steps, ['fetcher closed', 'left'])
  })

  it('commits where it began at once when it began at the end: a crash a moment later skips nothing (R1)', async () => {
    const { kafka, time } = await open(() => {}, ENDS)
    await kafka.assign(0)
    await time.advance(0)
    assert.deepEqual(kafka.commits, ['0@99'])
  })

  it('has its first places at the end on record before it says that it reads (R1)', async () => {
    const steps: string[] = []
    const opened = await open(
      () => {},
      ENDS,
      4,
      {},
      async (kafka) => {
        await kafka.assign(0, 1)
        steps.push('assigned')
      },
    )
    assert.deepEqual(steps, ['assigned'])
    assert.deepEqual(opened.kafka.commits, ['0@99', '1@99'])
  })

  it('has started when it is closed while it joins, and fails nobody who waits for it (R9)', async () => {
    const joining = Promise.withResolvers<void>()
    const { kafka, reader, fatal } = await open(() => {})
    kafka.onJoin = () => joining.promise
    const started = reader.start()
    const closed = reader.close(1_000)
    joining.reject(new MqError('MQ_CLOSED', 'The membership was closed'))
    await Promise.all([started, closed])
    assert.deepEqual(fatal, [])
    kafka.onJoin = () => Promise.reject(new MqError('MQ_CLOSED', 'again'))
    await reader.start()
  })

  it('closes as soon as the last handler ends, also when its partition is taken meanwhile, and so does the rebalance', async () => {
    const open_: (() => void)[] = []
    const { kafka, reader } = await open(() => new Promise<void>((resolve) => open_.push(resolve)))
    await kafka.assign(0)
    kafka.deliver(new TestBatch(0, [5], 6))
    const ends: string[] = []
    const closed = reader.close(30_000).then(() => ends.push('closed'))
    const revoked = kafka.revoke(0).then(() => ends.push('revoked'))
    open_[0]!()
    for (let turns = 0; turns < 5; turns++) await turn()
    assert.deepEqual(ends.toSorted(), ['closed', 'revoked'])
    await Promise.all([closed, revoked])
    assert.deepEqual(kafka.commits, ['0@6'])
  })
})
