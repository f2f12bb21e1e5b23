/**
 * What `@mq/testing` is built from, so that it behaves as the SDK does: `@mq/client/parts`. Nothing here is promised to anybody else.
 */
export { encodeValue } from './codecs.ts'
export { type ContextHandler, limited } from './handler-limit.ts'
export { FREE, KeyScheduler, type RecordPlace, type WorkBatch } from './key-scheduler.ts'
export { RecordMessage } from './message.ts'
export { CONSUME_OPTIONS, closedError, consumeProblem, guarded, type PoisonHandler } from './mq.ts'
export { checkOptions } from './options.ts'
export { halfJitterMs, within } from './pause.ts'
export { idProblem, queueOf } from './queue.ts'
export { leftAlone, refused } from './refused.ts'
export { checkRule, policyOf, type RetryPolicy, ruleOf } from './retry-policy.ts'
export { type CheckedSend, checkSend, keyMissing } from './send-checks.ts'
export { sendMany } from './send-many.ts'
