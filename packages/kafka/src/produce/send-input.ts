/** What a send is given, looked at before anything of it is kept. */
import { MqError } from '@mq/contract'
import type { Bytes } from '../records/batch-encoder.ts'
import { kindOf } from '../records/record-headers.ts'
import type { RecordTime } from './record-time.ts'
import type { SendLimits } from './send-promise.ts'

/** Whether it can be a key or a value. */
export function isBytes(part: unknown): part is Bytes | null {
  return typeof part === 'string' || part === null || part instanceof Uint8Array
}

export function wrong(what: string, value: unknown): MqError {
  return new MqError('MQ_MESSAGE_INVALID', `The ${what} is ${kindOf(value)}, which cannot be sent`)
}

/**
 * A time that the application gave: it may be the reason why Kafka refuses this one record.
 * @throws MqError when brokers are sure to refuse it
 */
export function timed(timestampMs: number, limits: SendLimits | undefined, time: RecordTime): SendLimits {
  if (!(Number.isSafeInteger(timestampMs) && timestampMs >= 0)) {
    throw new MqError('MQ_MESSAGE_INVALID', `timestampMs is ${String(timestampMs)}, not whole milliseconds since 1970`)
  }
  const problem = time.problemOf(timestampMs)
  if (problem !== undefined) throw problem
  return { ...limits, hasOwnTime: true }
}

/** Calls `act` when the signal fires, or fired already, before the promise is settled. */
export function onAbort(signal: AbortSignal, promise: Promise<unknown>, act: () => void): void {
  if (signal.aborted) {
    act()
    return
  }
  const onSettled = (): void => signal.removeEventListener('abort', act)
  signal.addEventListener('abort', act, { once: true })
  promise.then(onSettled, onSettled)
}
