/**
 * What a test may do to a request before and after it is handled.
 *
 * C1. Controls are asked in the order they were set; the first that does not pass decides. They stay until they are taken away.
 * C2. `error` answers as the handler would, with that code in every place where the answer has one. It is not handled.
 * C3. `drop` cuts the connection, `silence` never answers and keeps it: before the request is handled, or after it was.
 */
import type { Api, Read, Written } from '@mq/kafka/protocol'
import type { RequestContext } from './context.ts'
import type { Apis } from './handlers/all-handlers.ts'

export type ApiName = keyof Apis
export type RequestOf<N extends ApiName> = Apis[N] extends Api<infer Q, infer _A> ? Read<Q> : never
export type ResponseOf<N extends ApiName> = Apis[N] extends Api<infer _Q, infer A> ? Written<A> : never

export type Instruction<Response> =
  | 'pass'
  /** Instead of handling it. */
  | { readonly kind: 'answer'; readonly response: Response }
  | { readonly kind: 'error'; readonly code: number }
  | { readonly kind: 'drop'; readonly when: 'before' | 'after' }
  | { readonly kind: 'silence'; readonly when: 'before' | 'after' }
  /** Handles it at once and answers late, or waits first. */
  | { readonly kind: 'delay'; readonly when: 'before' | 'after'; readonly delayMs: number }

export interface ControlContext extends RequestContext {
  /** Requests of this kind that this control saw before. */
  readonly index: number
}

export type Control<N extends ApiName> = (
  request: RequestOf<N>,
  context: ControlContext,
) => Instruction<ResponseOf<N>> | undefined | Promise<Instruction<ResponseOf<N>> | undefined>

interface Entry {
  readonly name: ApiName
  readonly control: (request: unknown, context: ControlContext) => unknown
  seen: number
}

export class Controls {
  #entries: Entry[] = []

  /** @returns what takes it away again */
  add<N extends ApiName>(name: N, control: Control<N>): () => void {
    const entry: Entry = { name, control: control as Entry['control'], seen: 0 }
    this.#entries.push(entry)
    return () => {
      this.#entries = this.#entries.filter((one) => one !== entry)
    }
  }

  async instructionFor(name: string, request: unknown, context: RequestContext): Promise<Instruction<unknown>> {
    for (const entry of this.#entries) {
      if (entry.name !== name) continue
      const told = (await entry.control(request, { ...context, index: entry.seen++ })) as
        | Instruction<unknown>
        | undefined
      if (told !== undefined && told !== 'pass') return told
    }
    return 'pass'
  }
}
