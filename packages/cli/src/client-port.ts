/**
 * How `send` and `tail` get the SDK, which is loaded only by them, so that `mq list` starts without it.
 *
 * N1. No binding cache: a command asks the control plane each time, and says when that is away.
 */
import type { LogFields, MqConnection } from '@mq/client'
import { catalogue } from '@mq/contract'
import type { Target } from './contexts.ts'

export const CLI_APP = 'mq-cli'

/** Trouble that ends within this time is nobody's business. */
const LASTING_MS = 5_000

/**
 * @param tell gets what the SDK has to say about trouble that lasts and that it goes on trying to overcome; what it cannot
 *   overcome reaches the caller as an error
 */
export async function connectTo(
  target: Target,
  tell: (text: string) => void,
  signal: AbortSignal,
): Promise<MqConnection> {
  const { connect } = await import('@mq/client')
  const startedMs = performance.now()
  const log = (message: string, fields: LogFields): void => {
    if (catalogue[fields.code].retryable && performance.now() - startedMs > LASTING_MS)
      tell(`${fields.code}: ${message}`)
  }
  return connect({
    url: target.url,
    app: CLI_APP,
    cacheDir: null,
    signal,
    logger: { warn: log, error: log },
    ...(target.token === undefined ? {} : { token: target.token }),
  })
}
