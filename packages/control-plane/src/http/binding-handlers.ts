/**
 * The routes of bindings: one by one, with conditional requests, and as a stream.
 */
import { bindingVersion, Intent, isSideId } from '@mq/contract'
import { actorOf } from '../app/caller.ts'
import { deletedError, unknownError } from '../provision/provision-errors.ts'
import type { Provisioner } from '../provision/provisioner.ts'
import { parsePosition } from '../push/hub.ts'
import type { Handlers } from './exchange.ts'
import { type StreamServices, streamBindings } from './stream.ts'

export interface BindingServices extends StreamServices {
  readonly createOnFirstUse: boolean
  readonly provisioner: Provisioner
}

export function bindingHandlers(services: BindingServices): Pick<Handlers, 'getBinding' | 'streamBindings'> {
  const { registry, provisioner, recovery, createOnFirstUse } = services
  return {
    getBinding: async ({ params, query, caller }, { request, reply }) => {
      const { id } = params
      const unsettled = registry.unsettled(id)
      if (unsettled !== undefined) throw unsettled
      const record = registry.get(id)
      if (record?.state === 'deleted') throw deletedError(id)
      if (record?.state !== 'active') {
        if (!createOnFirstUse || isSideId(id)) throw unknownError(id)
        await provisioner.firstUse(
          id,
          Intent.parse({}),
          actorOf(caller, `application ${query.app ?? 'without a name'}`),
        )
      }
      const binding = registry.binding(id)
      if (binding === undefined) throw unknownError(id)
      const version = bindingVersion(binding)
      reply.header('etag', `"${version}"`).header('cache-control', 'no-cache')
      const known = versionsIn(request.headers['if-none-match'])
      for (const tag of known) {
        const position = parsePosition(tag)
        if (position !== undefined) await recovery.seen([position])
      }
      if (!known.includes(version)) return binding
      reply.code(304).send()
      return undefined
    },
    streamBindings: async (_, { request, reply }) => {
      await streamBindings(services, request, reply)
      return undefined
    },
  }
}

function versionsIn(ifNoneMatch: string | undefined): string[] {
  return (ifNoneMatch ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, '').replaceAll('"', ''))
}
