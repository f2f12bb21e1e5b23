/**
 * `mq tail --group G --take`: reads as a member of the group and confirms what was printed.
 *
 * K1. A group that has members is refused unless forced: they would get less, and not know why.
 * K2. The end (--exit-at-end) is set when the command begins, and reached when the group has confirmed everything before it.
 * K3. A group that comes no further for STALLED_MS fails with where it stands.
 */
import type { MqConnection, PlannedPartition } from '@mq/client'
import { MqError } from '@mq/contract'
import { CLOSE_MS, readOptions, type TailFlags, tellOfTransactions } from './tail-options.ts'
import type { TailPrinter } from './tail-printer.ts'
import { plural } from './units.ts'

const POLL_MS = 250
const STALLED_MS = 30_000

export async function takeMessages(
  mq: MqConnection,
  id: string,
  flags: TailFlags,
  printer: TailPrinter,
  tell: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const group = flags.group!
  const { members } = await mq.groupState(id, group)
  if (members > 0 && flags.force !== true) {
    throw new MqError(
      'MQ_GROUP_IN_USE',
      `Group ${group} of ${id} has ${plural(members, 'member')} now: what is taken here would not reach them`,
    )
  }
  let ends: readonly PlannedPartition[] | undefined
  if (flags.exitAtEnd === true) {
    const reading = await mq.read(id, readOptions(flags, signal))
    ends = reading.partitions
    reading.close()
    tellOfTransactions(ends, tell)
  }
  const subscription = await mq.consume(id, group, (message) => printer.print(message), {
    concurrency: 1,
    from: flags.from,
  })
  const ended = new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  const stop = new AbortController()
  const failure = await Promise.race([
    ended,
    subscription.done.catch((error: unknown) => error),
    ...(ends === undefined ? [] : [atEnd(mq, id, group, ends, stop.signal).catch((error: unknown) => error)]),
  ])
  stop.abort()
  const closed = subscription.close({ deadlineMs: CLOSE_MS })
  printer.stop()
  await closed
  if (failure instanceof Error) throw failure
}

/** Resolves when the group has confirmed everything before the ends (K2). */
async function atEnd(
  mq: MqConnection,
  id: string,
  group: string,
  ends: readonly PlannedPartition[],
  signal: AbortSignal,
): Promise<void> {
  const open = ends.filter(({ start, end }) => end !== undefined && start < end)
  let seen = ''
  let sinceMs = performance.now()
  while (!signal.aborted) {
    const { places } = await mq.groupState(id, group)
    const left = open.filter(({ epoch, partition, end }) => {
      const place = places.find((one) => one.epoch === epoch && one.partition === partition)
      return place === undefined || place.position < end!
    })
    if (left.length === 0) return
    const now = JSON.stringify(places.map(({ epoch, partition, position }) => [epoch, partition, String(position)]))
    if (now !== seen) {
      seen = now
      sinceMs = performance.now()
    } else if (performance.now() - sinceMs > STALLED_MS) {
      const [{ partition, end }] = left as [PlannedPartition]
      throw new MqError(
        'MQ_KAFKA_TIMEOUT',
        `Group ${group} of ${id} came no further for ${STALLED_MS / 1_000} s; partition ${partition} is not read to ${end}`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
