/**
 * What the provisioner refuses, in words, and what it says of a deletion.
 */
import { isMqErrorCode, MqError } from '@mq/contract'
import type { Pending } from '../registry/records.ts'

export function foreignTopic(topic: string, cluster: string): MqError {
  return new MqError('MQ_TOPIC_EXISTS', `cluster '${cluster}' already has a topic '${topic}' that mQ did not make`, {
    details: { topic, cluster },
  })
}

export function refusalError(id: string, refusal: { code: string; message: string }): MqError {
  return new MqError(isMqErrorCode(refusal.code) ? refusal.code : 'MQ_INTERNAL', refusal.message, {
    details: { mqId: id },
  })
}

export function unknownError(id: string): MqError {
  return new MqError('MQ_ID_UNKNOWN', `'${id}' is not declared`, { details: { mqId: id } })
}

export interface Removed {
  readonly topics: string[]
  /** Until when an undelete brings everything back; null when the records are gone. */
  readonly keptUntilMs: number | null
}

export function removedOf(pending: Pending | null, topics: readonly { readonly topic: string }[]): Removed {
  const keptUntilMs = pending?.kind === 'delete' && pending.notBeforeMs > 0 ? pending.notBeforeMs : null
  return { topics: topics.map(({ topic }) => topic), keptUntilMs }
}

export function keptError(id: string, { notBeforeMs }: Extract<Pending, { kind: 'delete' }>): MqError {
  const until = new Date(notBeforeMs).toISOString()
  return new MqError(
    'MQ_ID_DELETED',
    `'${id}' was deleted, and its records are kept until ${until}: bring it back with undelete, or delete it for good with now=true (mq delete ID --now) before it is declared anew`,
    { details: { mqId: id, keptUntilMs: notBeforeMs } },
  )
}

export function deletedError(id: string): MqError {
  return new MqError('MQ_ID_DELETED', `'${id}' was deleted`, { details: { mqId: id } })
}

export function migrationRunning(id: string, migration: number): MqError {
  return new MqError('MQ_MIGRATION_RUNNING', `'${id}' is being moved (migration ${migration})`, {
    details: { mqId: id, migration },
  })
}
