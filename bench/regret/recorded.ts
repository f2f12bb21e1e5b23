/**
 * Recorded messages from a file of JSON lines: `{"t": ms, "key": base64|null, "value": base64}`.
 *
 * J1. A line that is not such an object is refused with its number; nothing is left out.
 * J2. Times are relative to the first message and may not go back.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import type { TwinMessage } from '../../packages/control-plane/src/twin/messages.ts'

export interface Recording {
  readonly messages: readonly TwinMessage[]
  /** When each was sent, from the first. */
  readonly atMs: readonly number[]
  /** After which it may be played again. */
  readonly lengthMs: number
}

export const MAX_RECORDED_BYTES = 512 * 1_048_576
const base64 = z.string().regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, 'not base64')
const Line = z.strictObject({ t: z.number().min(0), key: base64.nullable(), value: base64 })

export async function readRecording(path: string): Promise<Recording> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })
  return await parseRecording(lines, path)
}

/** @param name for messages */
export async function parseRecording(
  lines: AsyncIterable<string> | Iterable<string>,
  name: string,
): Promise<Recording> {
  const messages: TwinMessage[] = []
  const times: number[] = []
  let bytes = 0
  let number = 0
  for await (const line of lines) {
    number++
    const refuse = (why: string): Error => new Error(`${name}, line ${number}: ${why}`)
    if (line.trim() === '') throw refuse('empty; each line is {"t": ms, "key": base64 or null, "value": base64}')
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch (error) {
      throw refuse(`no JSON (${(error as Error).message})`)
    }
    const parsed = Line.safeParse(value)
    if (!parsed.success) {
      const issue = parsed.error.issues[0]
      throw refuse(`${issue?.path.join('.') || 'the line'}: ${issue?.message}`)
    }
    const { t, key, value: encoded } = parsed.data
    const before = times.at(-1)
    if (before !== undefined && t < before) throw refuse(`t goes back from ${before} to ${t}`)
    const message = { key: key === null ? null : Buffer.from(key, 'base64'), value: Buffer.from(encoded, 'base64') }
    bytes += (message.key?.length ?? 0) + message.value.length
    if (bytes > MAX_RECORDED_BYTES) throw refuse(`more than ${MAX_RECORDED_BYTES / 1_048_576} MiB of messages`)
    times.push(t)
    messages.push(message)
  }
  if (messages.length < 2)
    throw new Error(`${name}: ${messages.length} messages are no workload; at least 2 are needed`)
  const first = times[0]!
  const spanMs = times.at(-1)! - first
  if (spanMs <= 0)
    throw new Error(`${name}: all ${messages.length} messages have the same t, so there is no rate to replay`)
  // The gap between the last message and the first of the next round is an average one.
  return { messages, atMs: times.map((t) => t - first), lengthMs: spanMs + spanMs / (messages.length - 1) }
}
