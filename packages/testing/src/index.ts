/** The whole public surface of `@mq/testing`. */
export { ManualTime } from './manual-time.ts'
export { type DeliverOptions, TestMq, type TestMqOptions } from './test-mq.ts'
export type { HandlerFailure, SendFault, TopicOptions } from './types.ts'
