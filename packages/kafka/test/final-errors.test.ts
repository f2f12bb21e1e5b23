import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { catalogue, MqError, type MqErrorCode } from '@mq/contract'
import { protocolErrorsCodesById } from '@platformatic/kafka'
import { FATE_BY_CODE, FATE_BY_KAFKA_CODE, fateOf, isFinal } from '../src/protocol/final-errors.ts'
import { KafkaCode, toMqError } from '../src/protocol/kafka-errors.ts'

const codes = Object.keys(protocolErrorsCodesById).map(Number)

describe('which errors are final', () => {
  it('of everything a broker can answer only a refused name and a place that was taken are (Z1)', () => {
    const finals = [...codes, 9_999].filter((code) => code !== 0 && isFinal(toMqError(code, 'x')))
    assert.deepEqual(
      finals.toSorted((a, b) => a - b),
      [KafkaCode.INVALID_GROUP_ID, KafkaCode.FENCED_INSTANCE_ID],
    )
  })

  it('of the catalogue only a wrong call, a defect and an end of our own are (Z1)', () => {
    const finals = (Object.keys(catalogue) as MqErrorCode[]).filter((code) => isFinal(new MqError(code, 'x')))
    assert.deepEqual(finals.toSorted(), ['MQ_CLOSED', 'MQ_INTERNAL', 'MQ_OPTION_INVALID'])
  })

  it('rights, credentials and certificates are waited for, and it is a person who is waited for (Z1, Z3)', () => {
    for (const code of [29, 30, 31, 58, 33, 81, 23]) {
      const { isFinal: final, by, reason } = fateOf(toMqError(code, 'x'))
      assert.deepEqual([code, final, by], [code, false, 'person'])
      assert.ok(reason.length > 0)
    }
    assert.equal(fateOf(new MqError('MQ_KAFKA_TLS_FAILED', 'x')).by, 'person')
    for (const code of [3, 14, 15, 16, 25, 27]) assert.equal(fateOf(toMqError(code, 'x')).isFinal, false)
    assert.equal(fateOf(toMqError(KafkaCode.COORDINATOR_LOAD_IN_PROGRESS, 'x')).by, 'time')
  })

  it("a code of Kafka's goes before the code it has in the catalogue, and each has a reason (Z2)", () => {
    assert.equal(
      fateOf(toMqError(KafkaCode.FENCED_INSTANCE_ID, 'x')),
      FATE_BY_KAFKA_CODE.get(KafkaCode.FENCED_INSTANCE_ID),
    )
    const again = new MqError('MQ_GROUP_FAILED', 'x', { cause: toMqError(KafkaCode.FENCED_INSTANCE_ID, 'x') })
    assert.equal(isFinal(again), true)
    for (const fate of [...FATE_BY_CODE.values(), ...FATE_BY_KAFKA_CODE.values()]) assert.ok(fate.reason.length > 10)
  })
})
