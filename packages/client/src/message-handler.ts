import type { ReceivedMessage } from './api.ts'
import type { RecordPartition } from './delivery.ts'
import type { FailureCount } from './failing-records.ts'

/**
 * A handler as a subscription composes it, around the one of the application.
 * @param before its failures so far, undefined when it did not fail yet
 * @param partition it may be gone before the handler ends
 */
export type MessageHandler = (message: ReceivedMessage, before?: FailureCount, partition?: RecordPartition) => unknown
