/**
 * The types that an application sees: `@mq/kafka/types`.
 *
 * Y1. Nothing here leads to the types of the Kafka library: they compile with `skipLibCheck` only, and an application may have it off.
 */
export type { ClusterCredentials, TlsFiles } from './credentials.ts'
export type { Clock, Deps, TimerHandle, Timers } from './deps.ts'
export type { Headers, HeaderValue, HeaderValues } from './record-headers.ts'
export type { RecordHeader } from './record-view.ts'
export type { Secret, TlsOptions, TlsSource } from './security-types.ts'
export type { Receipt } from './send-promise.ts'
