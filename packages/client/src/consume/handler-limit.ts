/**
 * What a handler is given beside its message: a signal that says when it should give up.
 *
 * X1. The signal fires when the subscription is closed and the time it gives to running handlers is over, and, with a limit, when the
 *     handler runs longer than that.
 * X2. The signal is all there is: nobody can stop a handler, and to hand its message out again while it still runs would break the
 *     order of its key. When it then rejects, the message counts as failed; when it resolves, as handled.
 * X3. Without a limit a handler costs no signal of its own; a handler that returns no promise never costs one timer.
 */
import { MqError } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { HandlerContext, ReceivedMessage } from '../api/types.ts'
import { isThenable } from '../epochs/key-scheduler.ts'

export type ContextHandler = (message: ReceivedMessage, context: HandlerContext) => unknown

/** @param closing fires when the subscription has waited long enough */
export function limited(
  handler: ContextHandler,
  closing: AbortSignal,
  limitMs: number | undefined,
  deps: Deps,
): (message: ReceivedMessage) => unknown {
  if (limitMs === undefined) {
    const context: HandlerContext = { signal: closing }
    return (message) => handler(message, context)
  }
  return (message) => {
    const over = new AbortController()
    const result = handler(message, { signal: over.signal })
    if (!isThenable(result)) return result
    const onClosing = (): void => over.abort(closing.reason)
    if (closing.aborted) onClosing()
    else closing.addEventListener('abort', onClosing, { once: true })
    const timer = deps.timers.setTimeout(() => {
      const where = `partition ${message.partition} offset ${message.offset} of ${message.id}`
      over.abort(new MqError('MQ_HANDLER_TIMEOUT', `The handler of ${where} runs for longer than ${limitMs} ms`))
    }, limitMs)
    return Promise.resolve(result).finally(() => {
      deps.timers.clearTimeout(timer)
      closing.removeEventListener('abort', onClosing)
    })
  }
}
