/**
 * What an answer to a produce request says about the log, which is more than what it says about the request.
 *
 * O1. `stored`: the batch is in the log, once.
 * O2. `notStored`: the leader did not append it in answer to this request. An older attempt may still have been stored.
 * O3. `maybeStored`: the leader may have appended it before it answered. NOT_LEADER_OR_FOLLOWER is one of these: the answer
 *     is given late, after the append, when leadership moves while replicas are awaited. So is every code we do not know.
 * O4. `refused`: the leader looked at the records and did not append the batch, because of those it names; some name none.
 * O5. `sequenceRefused`, `stateUnknown`, `epochRefused`: the leader's view of this producer differs from ours.
 */
import { protocolError } from '../protocol/kafka-errors.ts'
import type { ProduceResult, RecordError } from '../protocol/produce-request.ts'

type Answered = Pick<ProduceResult, 'code' | 'baseOffset' | 'message' | 'recordErrors'>

export type Outcome =
  | { readonly kind: 'stored'; readonly baseOffset: bigint }
  | { readonly kind: 'tooLarge' }
  | {
      readonly kind: 'refused'
      readonly code: number
      readonly reason: string | null
      readonly records: readonly RecordError[]
    }
  | { readonly kind: 'sequenceRefused' }
  | { readonly kind: 'stateUnknown' }
  | { readonly kind: 'epochRefused' }
  | {
      readonly kind: 'again'
      readonly stored: 'no' | 'maybe'
      readonly staleMetadata: boolean
      readonly trouble: string
    }
  | { readonly kind: 'final'; readonly stored: 'no' | 'maybe'; readonly code: number }

/** Codes that are decided before anything is appended. */
const DECIDED_BEFORE_APPEND = new Set([
  2, // CORRUPT_MESSAGE
  10, // MESSAGE_TOO_LARGE
  17, // INVALID_TOPIC_EXCEPTION
  18, // RECORD_LIST_TOO_LARGE
  19, // NOT_ENOUGH_REPLICAS
  21, // INVALID_REQUIRED_ACKS
  29, // TOPIC_AUTHORIZATION_FAILED
  31, // CLUSTER_AUTHORIZATION_FAILED
  32, // INVALID_TIMESTAMP
  43, // UNSUPPORTED_FOR_MESSAGE_FORMAT
  44, // POLICY_VIOLATION
  76, // UNSUPPORTED_COMPRESSION_TYPE
  87, // INVALID_RECORD
])

/** Tried again although the table calls them final: the broker did not say what happened, or the topic may be coming up. */
const UNEXPLAINED = new Set([-1, 2, 3])

/** Codes by which a broker says that it does not want some of the records. */
const ABOUT_RECORDS = new Set([
  32, // INVALID_TIMESTAMP
  87, // INVALID_RECORD
])

export function outcomeOf({ code, baseOffset, message, recordErrors }: Answered): Outcome {
  if (ABOUT_RECORDS.has(code) || (recordErrors.length > 0 && DECIDED_BEFORE_APPEND.has(code))) {
    return { kind: 'refused', code, reason: message, records: recordErrors }
  }
  switch (code) {
    case 0:
      return { kind: 'stored', baseOffset }
    case 46: // DUPLICATE_SEQUENCE_NUMBER: stored by an earlier attempt, and too long ago for its offset to be known
      return { kind: 'stored', baseOffset: -1n }
    case 10:
    case 18:
      return { kind: 'tooLarge' }
    case 45:
      return { kind: 'sequenceRefused' }
    case 59:
      return { kind: 'stateUnknown' }
    case 47:
      return { kind: 'epochRefused' }
  }
  const facts = protocolError(code)
  const stored = DECIDED_BEFORE_APPEND.has(code) ? 'no' : 'maybe'
  return facts.retriable || UNEXPLAINED.has(code)
    ? { kind: 'again', stored, staleMetadata: facts.staleMetadata, trouble: `${facts.name} (${code})` }
    : { kind: 'final', stored, code }
}
