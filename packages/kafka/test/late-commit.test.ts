/** When a late commit is tried again, and when it is forgotten (LC1, LC2). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MqError } from '@mq/contract'
import { LateCommit } from '../src/group/late-commit.ts'
import { KafkaCode, toMqError } from '../src/protocol/kafka-errors.ts'

const ME = { memberId: 'me', epoch: 3 }

function lateCommit(fails: () => Error | undefined) {
  const sent: string[] = []
  const late = new LateCommit(async ({ memberId, epoch }) => {
    sent.push(`${memberId} ${epoch}`)
    const error = fails()
    if (error !== undefined) throw error
  })
  return { late, sent }
}

test('sends nothing for a member that was not out, and once for one that was', async () => {
  const { late, sent } = lateCommit(() => undefined)
  await late.send()
  late.sessionEnded(undefined)
  await late.send()
  assert.deepEqual(sent, [])
  late.sessionEnded(ME)
  await late.send()
  await late.send()
  assert.deepEqual(sent, ['me 3'])
})

test('is forgotten where the broker knows another epoch, or no such member', async () => {
  for (const code of [KafkaCode.STALE_MEMBER_EPOCH, KafkaCode.UNKNOWN_MEMBER_ID, KafkaCode.ILLEGAL_GENERATION]) {
    const { late, sent } = lateCommit(() => toMqError(code, 'commit'))
    late.sessionEnded(ME)
    await late.send()
    await late.send()
    assert.equal(sent.length, 1)
  }
})

test('waits for a coordinator that cannot be reached, and ten times for one that answers and cannot commit', async () => {
  let error: Error | undefined = new MqError('MQ_KAFKA_UNREACHABLE', 'away')
  const { late, sent } = lateCommit(() => error)
  late.sessionEnded(ME)
  for (let n = 0; n < 30; n++) await assert.rejects(late.send(), { code: 'MQ_KAFKA_UNREACHABLE' })
  error = toMqError(KafkaCode.COORDINATOR_LOAD_IN_PROGRESS, 'commit')
  for (let n = 0; n < 9; n++) await assert.rejects(late.send())
  await late.send()
  await late.send()
  assert.equal(sent.length, 40)
})
