/**
 * OpenTelemetry's API, when the application has it.
 *
 * O1. It is looked for once, by `connect`, and never on the way of a message. Without it, or turned off, nothing of this is in the way.
 * O2. The API alone does nothing, and comes with many libraries: without an SDK that was registered it is taken for absent, unless it is asked for.
 */
import { MqError } from '@mq/contract'
import type * as OpenTelemetryApi from '@opentelemetry/api'

export type OpenTelemetry = typeof OpenTelemetryApi

let found: Promise<OpenTelemetry | undefined> | undefined

/** @param wanted the option of `connect` @throws MqError MQ_OPTION_INVALID */
export async function chosenOpenTelemetry(wanted: unknown): Promise<OpenTelemetry | undefined> {
  if (wanted !== undefined && typeof wanted !== 'boolean') {
    throw new MqError('MQ_OPTION_INVALID', `openTelemetry is of type ${typeof wanted}, not true or false`)
  }
  if (wanted === false) return undefined
  found ??= import('@opentelemetry/api').catch(() => undefined)
  const api = await found
  if (wanted === true && api === undefined) {
    throw new MqError('MQ_OPTION_INVALID', 'openTelemetry is true, and @opentelemetry/api is not installed')
  }
  return api === undefined || (wanted === undefined && !hasSdk(api)) ? undefined : api
}

/** O2 */
export function hasSdk(api: OpenTelemetry): boolean {
  const provider = api.trace.getTracerProvider() as { getDelegate?: () => object }
  const providers = [provider.getDelegate?.() ?? provider, api.metrics.getMeterProvider()]
  return providers.some((each) => !each.constructor.name.startsWith('Noop'))
}
