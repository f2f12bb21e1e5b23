/**
 * What `@mq/testing` is built from, so that it behaves as the SDK does: `@mq/client/parts`. Nothing here is promised to anybody else.
 */

export { CONSUME_OPTIONS, closedError, consumeProblem, guarded, type PoisonHandler } from './api/mq.ts'
export { idProblem, queueOf } from './api/queue.ts'
export { checkOptions } from './base/options.ts'
export { leftAlone, refused } from './base/refused.ts'
export { type ContextHandler, limited } from './consume/handler-limit.ts'
export { checkRule, policyOf, type RetryPolicy, ruleOf } from './consume/retry-policy.ts'
export { FREE, KeyScheduler, type RecordPlace, type WorkBatch } from './epochs/key-scheduler.ts'
export { encodeValue } from './formats/codecs.ts'
export { RecordMessage } from './formats/message.ts'
export { type CheckedSend, checkSend, keyMissing } from './send/checks.ts'
export { sendMany } from './send/send-many.ts'
