/**
 * What mQ writes beside a committed position, in the text that Kafka keeps with it (`metadata`): which topic the position
 * belongs to, and what is finished beyond it.
 *
 *   mq1 TOPIC [EPOCH RUNS]
 *
 *   TOPIC  the topic id, 22 characters of base64url; `-` where the cluster has no topic ids
 *   EPOCH  the leader epoch, in base 36, of the batch that holds the highest finished offset
 *   RUNS   lengths in base 36, joined by dots, from the committed offset on: not finished, finished, not finished, finished ...
 *
 * N1. A text that is not exactly this says nothing: the position then counts as one that came without a note.
 * N2. A note is at most `MAX_NOTE_BYTES` long, half of what Kafka takes by default (`offset.metadata.max.bytes`): of many runs
 *     those nearest to the position are kept.
 * N3. Ranges hold their first offset and not their end, rise, never touch, and lie above the position.
 */

export const MAX_NOTE_BYTES = 2_048
const MARK = 'mq1'
const NO_ID = '00000000-0000-0000-0000-000000000000'
const NUMBER = /^[0-9a-z]{1,13}$/
const ID = /^[A-Za-z0-9_-]{22}$/
const MAX_OFFSET = 9_223_372_036_854_775_807n

export interface FinishedRange {
  readonly first: bigint
  /** The first offset that is not part of it. */
  readonly end: bigint
}

export interface PositionNote {
  /** As text with dashes; undefined where the cluster has no topic ids. */
  readonly topicId: string | undefined
  /** Finished beyond the position. */
  readonly finished: readonly FinishedRange[]
  /** Under which leader the highest of them was written. */
  readonly leaderEpoch: number | undefined
}

/** The topic id, or undefined where a broker has none to give. */
export const topicIdOf = (id: string | undefined): string | undefined =>
  id === undefined || id === '' || id === NO_ID ? undefined : id

export function encodeNote(offset: bigint, note: PositionNote): string {
  const topic = topicIdOf(note.topicId)
  const head = `${MARK} ${topic === undefined ? '-' : Buffer.from(topic.replaceAll('-', ''), 'hex').toString('base64url')}`
  if (note.leaderEpoch === undefined || note.finished.length === 0) return head
  let text = `${head} ${note.leaderEpoch.toString(36)} `
  let at = offset
  for (const { first, end } of note.finished) {
    const run = `${at === offset ? '' : '.'}${(first - at).toString(36)}.${(end - first).toString(36)}`
    if (text.length + run.length > MAX_NOTE_BYTES) break
    text += run
    at = end
  }
  return at === offset ? head : text
}

/** @param offset the position it was committed with */
export function decodeNote(offset: bigint, text: string | null | undefined): PositionNote | undefined {
  if (text === null || text === undefined || text.length > MAX_NOTE_BYTES) return undefined
  const [mark, id, epoch, runs, ...rest] = text.split(' ')
  if (mark !== MARK || id === undefined || rest.length > 0) return undefined
  const topicId = id === '-' ? undefined : ID.test(id) ? uuidOf(Buffer.from(id, 'base64url').toString('hex')) : null
  if (topicId === null) return undefined
  if (epoch === undefined) return { topicId, finished: [], leaderEpoch: undefined }
  const leaderEpoch = NUMBER.test(epoch) ? Number.parseInt(epoch, 36) : Number.NaN
  const finished = runs === undefined ? undefined : rangesOf(offset, runs)
  if (finished === undefined || !(leaderEpoch <= 0x7fff_ffff)) return undefined
  return { topicId, finished, leaderEpoch }
}

function rangesOf(offset: bigint, runs: string): FinishedRange[] | undefined {
  const lengths = runs.split('.')
  if (lengths.length % 2 !== 0) return undefined
  const ranges: FinishedRange[] = []
  let at = offset
  for (let index = 0; index < lengths.length; index += 2) {
    const gap = lengthOf(lengths[index]!)
    const length = lengthOf(lengths[index + 1]!)
    if (gap === undefined || length === undefined) return undefined
    const first = at + gap
    at = first + length
    if (at > MAX_OFFSET) return undefined
    ranges.push({ first, end: at })
  }
  return ranges
}

/** A run is never empty (N3). */
function lengthOf(text: string): bigint | undefined {
  if (!NUMBER.test(text)) return undefined
  let value = 0n
  for (const digit of text) value = value * 36n + BigInt(Number.parseInt(digit, 36))
  return value > 0n ? value : undefined
}

const uuidOf = (hex: string): string =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
