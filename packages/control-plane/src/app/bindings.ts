/**
 * Bindings: the one of an mQ ID, made on first use where the policy allows it.
 *
 * B1. What is unsettled after a restore has no binding, what was deleted stays deleted, and mQ's own mQ IDs are never made by a first use.
 */
import { type Binding, Intent, isSideId } from '@mq/contract'
import { deletedError, unknownError } from '../provision/provision-errors.ts'
import type { Provisioner } from '../provision/provisioner.ts'
import type { RegistryContext } from './active-id.ts'
import { actorOf, type Caller } from './caller.ts'

export interface BindingContext extends RegistryContext {
  readonly createOnFirstUse: boolean
  readonly provisioner: Provisioner
}

/** B1 @param app the application that uses the mQ ID, as it says */
export async function useBinding(
  { registry, provisioner, createOnFirstUse }: BindingContext,
  caller: Caller,
  { id, app }: { readonly id: string; readonly app: string | undefined },
): Promise<Binding> {
  const unsettled = registry.unsettled(id)
  if (unsettled !== undefined) throw unsettled
  const record = registry.get(id)
  if (record?.state === 'deleted') throw deletedError(id)
  if (record?.state !== 'active') {
    if (!createOnFirstUse || isSideId(id)) throw unknownError(id)
    await provisioner.firstUse(id, Intent.parse({}), actorOf(caller, `application ${app ?? 'without a name'}`))
  }
  const binding = registry.binding(id)
  if (binding === undefined) throw unknownError(id)
  return binding
}
