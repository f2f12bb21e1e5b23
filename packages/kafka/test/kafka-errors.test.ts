/**
 * Kafka's and the library's errors in the words of the catalogue (K1 to K3).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MqError } from '@mq/contract'
import {
  AuthenticationError,
  NetworkError,
  protocolErrorsCodesById,
  ResponseError,
  TimeoutError,
  UnexpectedCorrelationIdError,
} from '@platformatic/kafka'
import { KafkaCode, kafkaCodeOf, protocolError, responseOf, toMqError } from '../src/protocol/kafka-errors.ts'

const METADATA = 3
const withCode = (code: string, message = 'x'): Error => Object.assign(new Error(message), { code })

describe('errors of Kafka', () => {
  test('every code has a name and an MqError that carries both, also one nobody knows yet (K1)', () => {
    for (const code of [...Object.keys(protocolErrorsCodesById).map(Number), 128, 9_999, -7]) {
      if (code === 0) continue
      const { name } = protocolError(code)
      const error = toMqError(code, 'ask something')
      assert.ok(error instanceof MqError)
      assert.deepEqual(error.details, { kafkaError: name, kafkaCode: code })
      assert.match(error.message, /^ask something: /)
      assert.equal(kafkaCodeOf(error), code)
    }
    assert.deepEqual(protocolError(9_999), { name: 'UNKNOWN_CODE_9999', retriable: false, staleMetadata: false })
  })

  test('names in KafkaCode are those of the protocol', () => {
    for (const [name, code] of Object.entries(KafkaCode)) assert.equal(protocolErrorsCodesById[code], name)
  })

  test('a wrong leader asks for fresh metadata and a try again; a bad request for neither (K2)', () => {
    for (const code of [3, 5, 6, 13, 56, 74, 100]) {
      assert.equal(protocolError(code).staleMetadata, true, String(code))
      assert.equal(protocolError(code).retriable, true, String(code))
    }
    for (const code of [7, 14, 19]) {
      assert.equal(protocolError(code).staleMetadata, false, String(code))
      assert.equal(protocolError(code).retriable, true, String(code))
    }
    for (const code of [29, 35, 42, 58]) assert.equal(protocolError(code).retriable, false, String(code))
  })

  test('what stands inside a library error is found, with the answer it came in (K3)', () => {
    const answer = { topics: ['t'] }
    const refused = new ResponseError(METADATA, 12, { '/topics/0': [36, 'it is there'] }, answer)
    const wrapped = new Error('around', { cause: new NetworkError('gone', { cause: refused }) })
    for (const error of [refused, wrapped]) {
      assert.equal(kafkaCodeOf(error), KafkaCode.TOPIC_ALREADY_EXISTS)
      assert.equal(responseOf(error), answer)
      const problem = toMqError(error, 'create topic t')
      assert.equal(problem.code, 'MQ_TOPIC_EXISTS')
      assert.match(problem.message, /TOPIC_ALREADY_EXISTS \(36\): it is there/)
    }
  })

  test('an MqError stays itself, also as the reason of another error', () => {
    const own = new MqError('MQ_PROTOCOL_VIOLATION', 'a frame of -1 bytes')
    assert.equal(toMqError(own, 'x'), own)
    assert.equal(toMqError(new NetworkError('lost', { cause: own }), 'x'), own)
  })

  for (const [what, error, code] of [
    ['a refused connection', new NetworkError('no', { cause: withCode('ECONNREFUSED') }), 'MQ_KAFKA_UNREACHABLE'],
    ['an unknown host', withCode('ENOTFOUND'), 'MQ_KAFKA_UNREACHABLE'],
    ['a request without an answer', new TimeoutError('late'), 'MQ_KAFKA_TIMEOUT'],
    ['refused credentials', new NetworkError('no', { cause: new AuthenticationError('SASL') }), 'MQ_KAFKA_AUTH_FAILED'],
    ['an unknown CA', new NetworkError('no', { cause: withCode('SELF_SIGNED_CERT_IN_CHAIN') }), 'MQ_KAFKA_TLS_FAILED'],
    ['a foreign host name', withCode('ERR_TLS_CERT_ALTNAME_INVALID'), 'MQ_KAFKA_TLS_FAILED'],
    ['a peer without TLS', withCode('ERR_SSL_WRONG_VERSION_NUMBER'), 'MQ_PROTOCOL_VIOLATION'],
    ['an answer to nothing', new UnexpectedCorrelationIdError('7'), 'MQ_PROTOCOL_VIOLATION'],
    ['a parser that ran off the end', new RangeError('out of range'), 'MQ_PROTOCOL_VIOLATION'],
    ['something that is no error', 'oops', 'MQ_INTERNAL'],
  ] as const) {
    test(`${what} is ${code}`, () => {
      assert.equal(toMqError(error, 'ask').code, code)
    })
  }

  test('an error that is its own cause ends the search', () => {
    const loop = new Error('round and round')
    loop.cause = loop
    assert.equal(kafkaCodeOf(loop), undefined)
    assert.equal(toMqError(loop, 'ask').code, 'MQ_PROTOCOL_VIOLATION')
  })
})
