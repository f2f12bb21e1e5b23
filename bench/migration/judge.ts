/** Reads the histories of a run once, and takes from them the verdict and the times. */
import { Checker, type HistoryEvent, readPacked, type Verdict } from '@mq/testkit'
import { Silences, SlowestSends, type Window } from './gaps.ts'

export interface JudgeOptions {
  readonly paths: readonly string[]
  readonly groups: readonly string[]
  /** Members whose silences are measured. */
  readonly members: readonly string[]
  /** Producers whose times are measured; all when missing. */
  readonly producers?: readonly string[]
  readonly windows: readonly Window[]
  /** End offsets of sealed epochs, from the migrations. */
  readonly seals: readonly Extract<HistoryEvent, { type: 'seal' }>[]
}

export interface Judged {
  readonly verdict: Verdict
  /** From the first migration to the end of the last window. */
  readonly messagesPerSecond: number
  /** One value for each producer and move. */
  readonly writePausesMs: readonly number[]
  readonly slowestSendsMs: readonly number[]
  readonly usualAckGapMs: number
  /** One value for each measured member and move. */
  readonly consumerGapsMs: readonly number[]
  readonly usualDeliveryGapMs: number
}

export function judge({ paths, groups, members, producers, windows, seals }: JudgeOptions): Judged {
  const checker = new Checker(groups)
  for (const seal of seals) checker.add({ ...seal, tUs: 0 })
  const acks = new Map<string, Silences>()
  const sends = new Map<string, SlowestSends>()
  const deliveries = new Map(members.map((member) => [member, new Silences(windows)]))
  const [firstUs, lastUs] = [windows[0]!.fromUs, windows.at(-1)!.toUs]
  let sentBetween = 0
  for (const event of readPacked(paths)) {
    checker.add(event)
    switch (event.type) {
      case 'send': {
        if (event.tUs >= firstUs && event.tUs < lastUs) sentBetween++
        if (producers !== undefined && !producers.includes(event.producer)) break
        let slowest = sends.get(event.producer)
        if (slowest === undefined) {
          slowest = new SlowestSends(windows)
          sends.set(event.producer, slowest)
          acks.set(event.producer, new Silences(windows))
        }
        slowest.sent(event.n, event.tUs)
        break
      }
      case 'ack':
        acks.get(event.producer)?.add(event.tUs)
        sends.get(event.producer)?.acked(event.n, event.tUs)
        break
      case 'handle':
        deliveries.get(event.member)?.add(event.tUs)
    }
  }
  return {
    verdict: checker.verdict(),
    messagesPerSecond: (sentBetween / (lastUs - firstUs)) * 1e6,
    writePausesMs: [...acks.values()].flatMap((one) =>
      one.longestMs().map((longestMs) => Math.max(0, longestMs - one.usualMs)),
    ),
    slowestSendsMs: [...sends.values()].flatMap((one) => one.longestMs()),
    usualAckGapMs: Math.max(0, ...[...acks.values()].map((one) => one.usualMs)),
    consumerGapsMs: [...deliveries.values()].flatMap((one) => one.longestMs()),
    usualDeliveryGapMs: Math.max(0, ...[...deliveries.values()].map((one) => one.usualMs)),
  }
}
