/**
 * How `send` and `tail` get the SDK, which is loaded only by them, so that `mq list` starts without it.
 *
 * N1. No binding cache: a command asks the control plane each time, and says when that is away.
 */
import type { LogFields, Mq } from '@mq/client'
import type { Target } from './contexts.ts'

export const CLI_APP = 'mq-cli'

/** @param tell gets what the SDK has to say about trouble that it goes on trying to overcome */
export async function connectTo(target: Target, tell: (text: string) => void, signal: AbortSignal): Promise<Mq> {
  const { connect } = await import('@mq/client')
  const log = (message: string, fields: LogFields): void => tell(`${fields.code}: ${message}`)
  return connect({
    url: target.url,
    app: CLI_APP,
    cacheDir: null,
    signal,
    logger: { warn: log, error: log },
    ...(target.token === undefined ? {} : { token: target.token }),
  })
}
