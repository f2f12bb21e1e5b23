/**
 * The types that an application sees: `@mq/kafka/types`.
 *
 * Y1. Nothing here leads to the types of the Kafka library: they compile with `skipLibCheck` only, and an application may have it off.
 */

export type { Clock, Deps, TimerHandle, Timers } from '@mq/contract/timing'
export type { ClusterCredentials, TlsFiles } from './net/credentials.ts'
export type { Secret, TlsOptions, TlsSource } from './net/security-types.ts'
export type { Receipt } from './produce/send-promise.ts'
export type { Headers, HeaderValue, HeaderValues } from './records/record-headers.ts'
export type { RecordHeader } from './records/record-view.ts'
