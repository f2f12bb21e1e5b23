/**
 * Kafka's error codes and the library's errors, put into the words of the mQ catalogue.
 *
 * K1. Every code a broker can send has an answer, known or not: an unknown code is final and carries its number.
 * K2. `staleMetadata` means that the leader table may be wrong: refresh it before the next try.
 * K3. A Kafka error found anywhere inside a library error wins over the error around it.
 */
import { MqError, type MqErrorCode } from '@mq/contract'
import { protocolErrors, protocolErrorsCodesById } from '@platformatic/kafka'

/** The codes that code elsewhere has to tell apart. */
export const KafkaCode = {
  NONE: 0,
  OFFSET_OUT_OF_RANGE: 1,
  CORRUPT_MESSAGE: 2,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  LEADER_NOT_AVAILABLE: 5,
  NOT_LEADER_OR_FOLLOWER: 6,
  REQUEST_TIMED_OUT: 7,
  MESSAGE_TOO_LARGE: 10,
  OFFSET_METADATA_TOO_LARGE: 12,
  COORDINATOR_LOAD_IN_PROGRESS: 14,
  COORDINATOR_NOT_AVAILABLE: 15,
  NOT_COORDINATOR: 16,
  ILLEGAL_GENERATION: 22,
  INCONSISTENT_GROUP_PROTOCOL: 23,
  INVALID_GROUP_ID: 24,
  UNKNOWN_MEMBER_ID: 25,
  INVALID_SESSION_TIMEOUT: 26,
  REBALANCE_IN_PROGRESS: 27,
  INVALID_TIMESTAMP: 32,
  UNSUPPORTED_VERSION: 35,
  TOPIC_ALREADY_EXISTS: 36,
  NOT_CONTROLLER: 41,
  GROUP_ID_NOT_FOUND: 69,
  FENCED_LEADER_EPOCH: 74,
  UNKNOWN_LEADER_EPOCH: 75,
  MEMBER_ID_REQUIRED: 79,
  GROUP_MAX_SIZE_REACHED: 81,
  FENCED_INSTANCE_ID: 82,
  UNSTABLE_OFFSET_COMMIT: 88,
  THROTTLING_QUOTA_EXCEEDED: 89,
  UNKNOWN_TOPIC_ID: 100,
  FENCED_MEMBER_EPOCH: 110,
  UNRELEASED_INSTANCE_ID: 111,
  STALE_MEMBER_EPOCH: 113,
} as const

export interface KafkaErrorFacts {
  readonly name: string
  /** The same request may succeed later. */
  readonly retriable: boolean
  /** The leader table may be wrong. */
  readonly staleMetadata: boolean
}

/** Final for the library. ILLEGAL_SASL_STATE says that this connection is over, not that the login is wrong. */
const PASSES = new Set([34])

const STALE_METADATA = new Set([3, 5, 6, 8, 9, 13, 56, 72, 74, 80, 100, 103])

/** What a numeric Kafka error code means. */
export function protocolError(code: number): KafkaErrorFacts {
  const name = protocolErrorsCodesById[code]
  if (name === undefined) return { name: `UNKNOWN_CODE_${code}`, retriable: false, staleMetadata: false }
  const staleMetadata = STALE_METADATA.has(code)
  return {
    name,
    retriable: staleMetadata || PASSES.has(code) || protocolErrors[name]?.canRetry === true,
    staleMetadata,
  }
}

const MQ_CODES: ReadonlyMap<number, MqErrorCode> = new Map<number, MqErrorCode>([
  ...([29, 30, 31, 53, 65] as const).map((code) => [code, 'MQ_KAFKA_FORBIDDEN'] as const),
  ...([33, 58] as const).map((code) => [code, 'MQ_KAFKA_AUTH_FAILED'] as const),
  ...([3, 100, 103] as const).map((code) => [code, 'MQ_TOPIC_MISSING'] as const),
  ...([10, 18] as const).map((code) => [code, 'MQ_MESSAGE_TOO_LARGE'] as const),
  ...([47, 90] as const).map((code) => [code, 'MQ_PRODUCER_FENCED'] as const),
  ...([22, 25, 27, 82, 110, 113] as const).map((code) => [code, 'MQ_GROUP_FENCED'] as const),
  ...([23, 24, 26, 69, 81, 111, 112] as const).map((code) => [code, 'MQ_GROUP_FAILED'] as const),
  [1, 'MQ_OFFSET_LOST'],
  [2, 'MQ_BATCH_CORRUPT'],
  [7, 'MQ_KAFKA_TIMEOUT'],
  [35, 'MQ_KAFKA_VERSION'],
  [36, 'MQ_TOPIC_EXISTS'],
])

/** Reasons Node gives when a certificate or its name is not accepted. */
const CERTIFICATE_REFUSED =
  /^(CERT_|UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|ERR_TLS_CERT_|HOSTNAME_MISMATCH|ERR_SSL_(TLSV1|SSLV3|TLSV13)_ALERT)/
const TLS_MISMATCH = /^(ERR_SSL_|EPROTO)/

/** Every error inside an error: itself, its causes and the parts of an aggregate, outermost first. */
function* unfold(error: unknown, depth = 0): Generator<Error & { code?: unknown; apiCode?: unknown }> {
  if (!(error instanceof Error) || depth > 8) return
  yield error
  if (error instanceof AggregateError) for (const part of error.errors) yield* unfold(part, depth + 1)
  yield* unfold(error.cause, depth + 1)
}

/** The first Kafka error code inside a library error, if a broker sent one. */
export function kafkaCodeOf(error: unknown): number | undefined {
  for (const part of unfold(error)) {
    if (typeof part.apiCode === 'number') return part.apiCode
    if (MqError[Symbol.hasInstance](part)) {
      const code = (part as MqError).details.kafkaCode
      if (typeof code === 'number') return code
    }
  }
  return undefined
}

/** The decoded response inside a library error: it throws as soon as one part of an answer holds an error code. */
export function responseOf<T>(error: unknown): T | undefined {
  for (const part of unfold(error)) {
    if ('response' in part && part.response !== undefined && part.response !== null) return part.response as T
  }
  return undefined
}

/**
 * @param error a numeric Kafka error code, or whatever a library call threw
 * @param context what was asked of whom, such as `create topic orders on cluster main`
 */
export function toMqError(error: unknown, context: string): MqError {
  if (typeof error === 'number') return fromCode(error, context, undefined, undefined)
  for (const part of unfold(error)) if (part instanceof MqError) return part
  for (const part of unfold(error)) {
    if (typeof part.apiCode === 'number') {
      const text = (part as { serverErrorMessage?: unknown }).serverErrorMessage
      return fromCode(part.apiCode, context, typeof text === 'string' ? text : undefined, error)
    }
  }
  const { code, reason } = classify(error)
  return new MqError(code, `${context}: ${reason}`, { cause: error })
}

function fromCode(code: number, context: string, serverText: string | undefined, cause: unknown): MqError {
  const facts = protocolError(code)
  const mqCode = MQ_CODES.get(code) ?? (facts.retriable ? 'MQ_KAFKA_UNAVAILABLE' : 'MQ_KAFKA_REFUSED')
  const text = serverText === undefined || serverText === '' ? '' : `: ${serverText}`
  return new MqError(mqCode, `${context}: Kafka answered ${facts.name} (${code})${text}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { kafkaError: facts.name, kafkaCode: code },
  })
}

function classify(error: unknown): { code: MqErrorCode; reason: string } {
  const parts = [...unfold(error)]
  const innermost = parts.at(-1)
  const reason = innermost === undefined ? String(error) : innermost.message || innermost.name
  const codeOf = (part: Error & { code?: unknown }) => (typeof part.code === 'string' ? part.code : '')
  if (parts.some((part) => codeOf(part) === 'PLT_KFK_AUTHENTICATION')) return { code: 'MQ_KAFKA_AUTH_FAILED', reason }
  if (parts.some((part) => CERTIFICATE_REFUSED.test(codeOf(part)))) return { code: 'MQ_KAFKA_TLS_FAILED', reason }
  if (parts.some((part) => TLS_MISMATCH.test(codeOf(part)) || /TLS/.test(part.message)))
    return { code: 'MQ_PROTOCOL_VIOLATION', reason }
  // The library's TimeoutError carries the code of a network error: only its class tells them apart.
  if (parts.some((part) => part.constructor.name === 'TimeoutError')) return { code: 'MQ_KAFKA_TIMEOUT', reason }
  if (parts.some((part) => part.constructor.name === 'UnexpectedCorrelationIdError'))
    return { code: 'MQ_PROTOCOL_VIOLATION', reason }
  if (parts.some((part) => codeOf(part) === 'PLT_KFK_NETWORK' || /^E[A-Z]+$/.test(codeOf(part))))
    return { code: 'MQ_KAFKA_UNREACHABLE', reason }
  if (parts.some((part) => codeOf(part) === 'PLT_KFK_UNSUPPORTED_API')) return { code: 'MQ_KAFKA_VERSION', reason }
  if (innermost === undefined) return { code: 'MQ_INTERNAL', reason }
  // What is left comes out of a response parser: the bytes were not what the protocol says.
  return { code: 'MQ_PROTOCOL_VIOLATION', reason }
}
