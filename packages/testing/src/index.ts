/** The whole public surface of `@mq/testing`. */
export { ManualTime } from './manual-time.ts'
export type { SendFault } from './memory-broker.ts'
export type { HandlerFailure } from './memory-subscription.ts'
export type { TopicOptions } from './memory-topic.ts'
export { type DeliverOptions, TestMq, type TestMqOptions } from './test-mq.ts'
