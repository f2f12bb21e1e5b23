/**
 * What mQ writes beside a committed position, in the text that Kafka keeps with it (`metadata`): which topic the position
 * belongs to, what is finished beyond it, and how often records that are not finished have failed.
 *
 *   mq1 TOPIC [EPOCH RUNS [FAILURES]]
 *
 *   TOPIC     the topic id, 22 characters of base64url; `-` where the cluster has no topic ids
 *   EPOCH     the newest leader epoch, in base 36, of the batches that hold what the rest tells of
 *   RUNS      lengths in base 36, joined by dots, from the committed offset on: not finished, finished, not finished, finished ...;
 *             `-` when nothing is finished beyond it
 *   FAILURES  three numbers in base 36 for each record that failed, all joined by dots: offsets since the one before it (the first:
 *             since the committed one), how often it failed, when it failed first (milliseconds since 1970)
 *
 * N1. A text that is not exactly this says nothing: the position then counts as one that came without metadata.
 * N2. The text is at most `MAX_METADATA_BYTES` long, half of what Kafka takes by default (`offset.metadata.max.bytes`): of many runs
 *     those nearest to the position are kept.
 * N3. Ranges hold their first offset and not their end, rise, never touch, and lie above the position.
 * N4. Failures rise, and take at most `MAX_FAILURES_BYTES`: of more those nearest to the position are kept.
 */

export const MAX_METADATA_BYTES = 2_048
export const MAX_FAILURES_BYTES = 800
const MARK = 'mq1'
const NO_ID = '00000000-0000-0000-0000-000000000000'
const NUMBER = /^[0-9a-z]{1,13}$/
const ID = /^[A-Za-z0-9_-]{22}$/
const MAX_OFFSET = 9_223_372_036_854_775_807n
const MAX_COUNT = BigInt(Number.MAX_SAFE_INTEGER)

export interface FinishedRange {
  readonly first: bigint
  /** The first offset that is not part of it. */
  readonly end: bigint
}

/** A record that failed and is not finished. */
export interface FailingRecord {
  readonly offset: bigint
  /** How often it failed, 1 at least. */
  readonly attempts: number
  readonly firstFailedAtMs: number
}

export interface CommitMetadata {
  /** As text with dashes; undefined where the cluster has no topic ids. */
  readonly topicId: string | undefined
  /** Finished beyond the position. */
  readonly finished: readonly FinishedRange[]
  /** Under which leader the newest of all this was written. */
  readonly leaderEpoch: number | undefined
  /** Rising (N4). */
  readonly failing?: readonly FailingRecord[] | undefined
}

/** The topic id, or undefined where a broker has none to give. */
export const topicIdOf = (id: string | undefined): string | undefined =>
  id === undefined || id === '' || id === NO_ID ? undefined : id

export function encodeCommitMetadata(offset: bigint, metadata: CommitMetadata): string {
  const topic = topicIdOf(metadata.topicId)
  const head = `${MARK} ${topic === undefined ? '-' : Buffer.from(topic.replaceAll('-', ''), 'hex').toString('base64url')}`
  const failures = failuresText(offset, metadata.failing ?? [])
  if (metadata.leaderEpoch === undefined || (metadata.finished.length === 0 && failures === '')) return head
  const most = MAX_METADATA_BYTES - failures.length
  let text = `${head} ${metadata.leaderEpoch.toString(36)} `
  let at = offset
  for (const { first, end } of metadata.finished) {
    const run = `${at === offset ? '' : '.'}${(first - at).toString(36)}.${(end - first).toString(36)}`
    if (text.length + run.length > most) break
    text += run
    at = end
  }
  if (at !== offset) return text + failures
  return failures === '' ? head : `${text}-${failures}`
}

/** With the space before it; empty when nothing failed. */
function failuresText(offset: bigint, failing: readonly FailingRecord[]): string {
  let text = ''
  let at = offset
  for (const one of failing) {
    const part = [one.offset - at, one.attempts, one.firstFailedAtMs].map((number) => number.toString(36)).join('.')
    if (text.length + part.length + 1 > MAX_FAILURES_BYTES) break
    text += `${text === '' ? ' ' : '.'}${part}`
    at = one.offset
  }
  return text
}

/** @param offset the position it was committed with */
export function decodeCommitMetadata(offset: bigint, text: string | null | undefined): CommitMetadata | undefined {
  if (text === null || text === undefined || text.length > MAX_METADATA_BYTES) return undefined
  const [mark, id, epoch, runs, failures, ...rest] = text.split(' ')
  if (mark !== MARK || id === undefined || rest.length > 0) return undefined
  const topicId = id === '-' ? undefined : ID.test(id) ? uuidOf(Buffer.from(id, 'base64url').toString('hex')) : null
  if (topicId === null) return undefined
  if (epoch === undefined) return { topicId, finished: [], leaderEpoch: undefined }
  const leaderEpoch = NUMBER.test(epoch) ? Number.parseInt(epoch, 36) : Number.NaN
  if (runs === undefined || !(leaderEpoch <= 0x7fff_ffff)) return undefined
  if (failures === undefined) {
    const finished = rangesOf(offset, runs)
    return finished === undefined ? undefined : { topicId, finished, leaderEpoch }
  }
  const finished = runs === '-' ? [] : rangesOf(offset, runs)
  const failing = failingOf(offset, failures)
  return finished === undefined || failing === undefined ? undefined : { topicId, finished, leaderEpoch, failing }
}

function failingOf(offset: bigint, text: string): FailingRecord[] | undefined {
  const numbers = text.split('.')
  if (numbers.length % 3 !== 0 || text.length > MAX_FAILURES_BYTES) return undefined
  const failing: FailingRecord[] = []
  let at = offset
  for (let index = 0; index < numbers.length; index += 3) {
    const gap = numbers[index] === '0' && index === 0 ? 0n : lengthOf(numbers[index]!)
    const attempts = lengthOf(numbers[index + 1]!)
    const firstFailedAtMs = lengthOf(numbers[index + 2]!)
    if (gap === undefined || attempts === undefined || firstFailedAtMs === undefined) return undefined
    at += gap
    if (at > MAX_OFFSET || attempts > MAX_COUNT || firstFailedAtMs > MAX_COUNT) return undefined
    failing.push({ offset: at, attempts: Number(attempts), firstFailedAtMs: Number(firstFailedAtMs) })
  }
  return failing
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
