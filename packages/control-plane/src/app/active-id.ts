/** The mQ ID that a request is about. */
import { deletedError, unknownError } from '../provision/provision-errors.ts'
import type { ActiveId } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'

export interface RegistryContext {
  readonly registry: Registry
}

/** @throws MqError MQ_ID_UNKNOWN, MQ_ID_DELETED */
export function activeOf({ registry }: RegistryContext, id: string): ActiveId {
  const record = registry.get(id)
  if (record?.state === 'deleted') throw deletedError(id)
  if (record?.state !== 'active') throw unknownError(id)
  return record
}

/** All of them, or the one that is named. */
export function activeIds(context: RegistryContext, id?: string): ActiveId[] {
  if (id !== undefined) return [activeOf(context, id)]
  return context.registry.all().flatMap((record) => (record.state === 'active' ? [record] : []))
}
