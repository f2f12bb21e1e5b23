/**
 * What questions about many topics, groups or brokers have in common: requests of a bounded size, and answers in part.
 *
 * V1. Nothing a survey asks changes a cluster: no topic is made, no offset committed, no group joined.
 * V2. What cannot be had of one topic, group or broker is told for it alone, with the reason; the rest is answered.
 * V3. A request never grows with the cluster: long lists go in parts, and one broker has one part under way.
 */
import type { MqError } from '@mq/contract'
import { kafkaCodeOf, protocolError, responseOf, toMqError } from '../protocol/kafka-errors.ts'

/** V2 */
export interface Surveyed<T> {
  readonly found: ReadonlyMap<string, T>
  /** By the same names: why there is no answer, or only a part of one. */
  readonly problems: ReadonlyMap<string, MqError>
}

export class SurveyAnswers<T> implements Surveyed<T> {
  readonly found = new Map<string, T>()
  readonly problems = new Map<string, MqError>()

  fail(names: Iterable<string>, error: unknown, context: string): void {
    const problem = toMqError(error, context)
    for (const name of names) this.problems.set(name, problem)
  }
}

export function partsOf<T>(items: readonly T[], size: number): T[][] {
  const parts: T[][] = []
  for (let start = 0; start < items.length; start += size) parts.push(items.slice(start, start + size))
  return parts
}

/** The answer, also where the library throws because a part of it holds an error code. */
export async function answerInPart<T>(ask: Promise<T>): Promise<T> {
  try {
    return await ask
  } catch (error) {
    const response = responseOf<T>(error)
    if (response === undefined) throw error
    return response
  }
}

/** Whether the same question may be answered at another broker or a moment later. */
export function isPassing(code: number): boolean {
  return code !== 0 && protocolError(code).retriable
}

/** Whether Kafka said no for good: asking again brings the same. */
export function isRefusal(error: unknown): boolean {
  const code = kafkaCodeOf(error)
  return code !== undefined && !protocolError(code).retriable
}
