/** The mQ ID that a request is about. */
import { deletedError, unknownError } from '../provision/provision-errors.ts'
import type { ActiveId } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'

/** @throws MqError MQ_ID_UNKNOWN, MQ_ID_DELETED */
export function activeOf({ registry }: { readonly registry: Registry }, id: string): ActiveId {
  const record = registry.get(id)
  if (record?.state === 'deleted') throw deletedError(id)
  if (record?.state !== 'active') throw unknownError(id)
  return record
}
