/** A handler as a subscription composes it, around the one of the application. */
import type { ReceivedMessage } from '../api/types.ts'
import type { RecordPartition } from '../epochs/delivery.ts'
import type { FailureCount } from '../epochs/failing-records.ts'

/**
 * @param before its failures so far, undefined when it did not fail yet
 * @param partition it may be gone before the handler ends
 */
export type MessageHandler = (message: ReceivedMessage, before?: FailureCount, partition?: RecordPartition) => unknown
