/**
 * Produce: every batch is checked as a leader does it, offered to `onProduce`, and appended.
 *
 * P1. The order of a leader's checks: the size first, then the checksum.
 * P2. With acks 0 nothing is answered.
 */
import { produceApi } from '@mq/kafka/protocol'
import { hasRightCrc, readReferenceBatch, referenceCrc32c } from '../../reference-batch.ts'
import { Code } from '../codes.ts'
import { CUT, handler, NO_ANSWER, type RequestContext } from '../context.ts'
import { endpointsOf, leaderHint, locate } from './partitions.ts'

const BY_ID_VERSION = 13
const CRC_AT = 17
const CRC_FROM = 21

interface Outcome {
  readonly errorCode: number
  readonly baseOffset: bigint
  readonly errorMessage?: string | undefined
  readonly recordErrors?: readonly { readonly index: number; readonly message: string | null }[] | undefined
  readonly isCut?: boolean
  readonly isSilent?: boolean
}

async function receive(
  context: RequestContext,
  asked: { readonly name: string; readonly topicId: string },
  index: number,
  records: Buffer | null,
): Promise<Outcome> {
  const refused = (errorCode: number): Outcome => ({ errorCode, baseOffset: -1n })
  const { cluster, version } = context
  const found = locate(context, asked, version >= BY_ID_VERSION, index)
  if (typeof found === 'number') return refused(found)
  const { topic, partition } = found
  const { name } = topic
  const bytes = Buffer.from(records ?? [])
  const isTooLarge = (): boolean => bytes.length > cluster.topics.sizeLimitOf(name)
  const nth = cluster.arrived(name, index)
  if (!hasRightCrc(bytes)) {
    if (isTooLarge()) return refused(Code.MESSAGE_TOO_LARGE)
    if (cluster.options.ignoresCrc !== true) return refused(cluster.wrongCrcCode)
    bytes.writeUInt32BE(referenceCrc32c(bytes.subarray(CRC_FROM)), CRC_AT)
  }
  const batch = readReferenceBatch(bytes, { isOfAnyClient: cluster.options.takesAnyClient === true })
  const append = (): Outcome => {
    const { code, baseOffset } = partition.log.append(batch, bytes)
    if (code === Code.NONE) cluster.wake()
    return { errorCode: code, baseOffset }
  }
  const fault = cluster.onProduce?.({ ...batch, topic: name, partition: index, index: nth })
  if (fault?.kind === 'delay') await cluster.pause(fault.delayMs)
  if (fault === undefined || fault.kind === 'delay') return isTooLarge() ? refused(Code.MESSAGE_TOO_LARGE) : append()
  if (fault.append === true) {
    const appended = append()
    if (appended.errorCode !== Code.NONE) return refused(appended.errorCode)
  }
  if (fault.kind === 'answer') {
    const { code, message, recordErrors } = fault
    return { ...refused(code), errorMessage: message, recordErrors }
  }
  return { ...refused(Code.NONE), isCut: fault.kind === 'cut', isSilent: fault.kind === 'silence' }
}

export const produce = handler(produceApi, {
  answer: async ({ acks, topics }, context) => {
    const { cluster, node, version, connection } = context
    const isById = version >= BY_ID_VERSION
    const outcomes: Outcome[] = []
    let isMoved = false
    const answers = []
    for (const { name, topicId, partitions } of topics) {
      const parts = []
      for (const { partition, records } of partitions) {
        const outcome = await receive(context, { name, topicId }, partition, records)
        outcomes.push(outcome)
        const { errorCode, baseOffset, errorMessage, recordErrors } = outcome
        const isElsewhere = errorCode === Code.NOT_LEADER_OR_FOLLOWER
        isMoved ||= isElsewhere
        const currentLeader = isElsewhere ? leaderHint(context, { name, topicId }, isById, partition) : undefined
        parts.push({ partition, errorCode, baseOffset, logStartOffset: 0n, errorMessage, recordErrors, currentLeader })
      }
      answers.push({ name, topicId, partitions: parts })
    }
    if (outcomes.some(({ isCut }) => isCut)) return CUT
    if (acks === 0 || outcomes.some(({ isSilent }) => isSilent)) return NO_ANSWER
    const throttleMs = cluster.options.onThrottle?.(cluster.produced++) ?? 0
    if (throttleMs > 0) node.mute(connection, throttleMs)
    return { topics: answers, throttleMs, ...(isMoved ? { nodeEndpoints: endpointsOf(context) } : {}) }
  },
  refuse: ({ topics }, errorCode) => ({
    topics: topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partition }) => ({ partition, errorCode, baseOffset: -1n })),
    })),
  }),
})
