/**
 * The routes of bindings: one by one, with conditional requests, and as a stream.
 */
import { bindingVersion } from '@mq/contract'
import { type BindingContext, useBinding } from '../app/bindings.ts'
import { parsePosition } from '../push/hub.ts'
import type { Handlers } from './exchange.ts'
import { type StreamServices, streamBindings } from './stream.ts'

export function bindingHandlers(
  context: BindingContext & StreamServices,
): Pick<Handlers, 'getBinding' | 'streamBindings'> {
  return {
    getBinding: async ({ params, query, caller }, { request, reply }) => {
      const binding = await useBinding(context, caller, { id: params.id, app: query.app })
      const version = bindingVersion(binding)
      reply.header('etag', `"${version}"`).header('cache-control', 'no-cache')
      const known = versionsIn(request.headers['if-none-match'])
      for (const tag of known) {
        const position = parsePosition(tag)
        if (position !== undefined) await context.recovery.seen([position])
      }
      if (!known.includes(version)) return binding
      reply.code(304).send()
      return undefined
    },
    streamBindings: async (_, { request, reply }) => {
      await streamBindings(context, request, reply)
      return undefined
    },
  }
}

function versionsIn(ifNoneMatch: string | undefined): string[] {
  return (ifNoneMatch ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, '').replaceAll('"', ''))
}
