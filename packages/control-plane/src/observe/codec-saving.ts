/**
 * A cheaper codec, or fuller batches, for the records of a topic (savings.ts, V2 and V6).
 */
import type { Codec } from '@mq/contract'
import { type ClusterModel, codecName } from '@mq/economics'
import { type Change, namesOf } from './saving.ts'
import { type TopicBill, withCpu } from './topic-bill.ts'

const LINGER_MS = 50
/** A codec that saves less is not worth anybody's afternoon. */
const LEAST_SHARE = 0.03

/** The same records as fewer bytes. */
function scaledWire(share: number, cluster: ClusterModel): Change['apply'] {
  return ({ quantities, shape }) => ({
    shape,
    quantities: withCpu(
      {
        ...quantities,
        wireBytesPerSecond: quantities.wireBytesPerSecond * share,
        localBytes: quantities.localBytes * share,
        remoteBytes: quantities.remoteBytes * share,
      },
      shape,
      cluster,
    ),
  })
}

/** V2: the best of what was tried on its own records, at the depth it has, or at one it can reach. */
export function codecChange(bill: TopicBill, cluster: ClusterModel): Change | undefined {
  const { topic, wireBytesPerRecord, state } = bill
  const { batches, rate } = topic
  if (batches === null || batches.tried.length === 0 || wireBytesPerRecord === null) return undefined
  if (rate === null || rate.recordsPerSecond === 0) return undefined
  const depth = batches.records / batches.batches
  const sampledEach = batches.wireBytes / batches.records
  const deepest = Math.max(depth, reachableDepth(topic))
  const readable = readableCodecs(bill)
  const best = (most: number) =>
    batches.tried
      .filter((sample) => sample.depth <= Math.max(1, most) && readable(sample.codec))
      .map((sample) => ({ ...sample, each: sample.compressedBytes / sample.depth }))
      .toSorted((a, b) => a.each - b.each)
      // Of those that are as good, the one that takes the least CPU.
      .filter(({ each }, _, [first]) => each <= first!.each * (1 + LEAST_SHARE))
      .toSorted((a, b) => a.compressUs / a.depth - b.compressUs / b.depth)[0]
  const here = best(depth)
  const deeper = best(deepest)
  // Batches as they are never get worse by a codec: a client sends what does not shrink as it is.
  const hereEach = Math.min(here?.each ?? sampledEach, sampledEach)
  const worthDepth = deeper !== undefined && deeper.depth > depth && deeper.each < hereEach * 0.9
  const chosen = worthDepth ? deeper : here
  if (chosen === undefined || chosen.each > sampledEach * (1 - LEAST_SHARE)) return undefined
  const used = mainCodec(batches.codecs)
  const name = codecName(chosen.codec, chosen.codecLevel)
  const sameCodec = chosen.codec === used
  const settings = sameCodec ? `keep ${used}` : `compression.type=${chosen.codec}${levelText(chosen)}`
  const batchBytes = Math.max(16_384, 2 ** Math.ceil(Math.log2(chosen.uncompressedBytes)))
  const kind = !worthDepth ? 'codec' : sameCodec ? 'batches' : 'codec-and-batches'
  const change = worthDepth
    ? `${settings}, linger.ms=${LINGER_MS}, batch.size=${batchBytes} in its producers: ${Math.round(chosen.depth)} records a batch instead of ${depthText(depth)}`
    : `${settings} in its producers (now ${used})`
  return {
    kind,
    change,
    assumption: `${name} on ${batches.records.toLocaleString('en-US')} of its own records: ${chosen.each.toFixed(0)} bytes each instead of ${sampledEach.toFixed(0)}${
      worthDepth
        ? `; ${batches.producers ?? 1} producer${(batches.producers ?? 1) === 1 ? '' : 's'}, keys spread over ${topic.partitions} partitions, up to ${LINGER_MS} ms later`
        : ', at the batch depth it has'
    }${readersText(bill, chosen.codec)}`,
    confidence: worthDepth || readersText(bill, chosen.codec) !== '' ? 'medium' : 'high',
    apply: scaledWire(Math.min(1, chosen.each / sampledEach), cluster),
  }

  function levelText({ codec, codecLevel }: { codec: Codec; codecLevel: number | null }): string {
    return codecLevel === null || codec === 'none' ? '' : `, compression.${codec}.level=${codecLevel}`
  }
  function depthText(records: number): string {
    return records < 10 ? records.toFixed(1) : String(Math.round(records))
  }
  function reachableDepth({ partitions, rate: known, batches: seen }: typeof topic): number {
    const streams = Math.max(1, seen?.producers ?? 1) * Math.max(1, partitions - (topic.quietPartitions ?? 0))
    const perMs = (known?.recordsPerSecond ?? 0) / 1_000 / streams
    const most = Math.floor(1_048_576 / (state.quantities.logicalBytesPerSecond / state.quantities.recordsPerSecond))
    return Math.min(1 + perMs * LINGER_MS, Math.max(1, most))
  }
}

/** The assignor of kafkajs, which no other client names so. It reads gzip, and the other codecs only with a package of their own. */
const KAFKAJS_ASSIGNOR = 'RoundRobinAssigner'

/** V6 */
function readableCodecs({ topic, groups }: TopicBill): (codec: Codec) => boolean {
  const used = topic.batches?.codecs ?? {}
  const isLimited = groups.some(({ assignor }) => assignor === KAFKAJS_ASSIGNOR)
  return (codec) => !isLimited || codec === 'none' || codec === 'gzip' || (used[codec] ?? 0) > 0
}

/** V6: empty where nothing has to be asked. Every client reads gzip; what is in the log already is read already. */
function readersText({ topic, groups }: TopicBill, codec: Codec): string {
  if (codec === 'none' || codec === 'gzip' || (topic.batches?.codecs[codec] ?? 0) > 0) return ''
  const limited = groups.filter(({ assignor }) => assignor === KAFKAJS_ASSIGNOR).map(({ group }) => group)
  const names = namesOf(groups.map(({ group }) => group))
  const who = names === '' ? 'whoever reads it without a group' : `its readers (${names})`
  return `; ask first: ${who} must be able to read ${codec}, which kafkajs and old clients cannot by themselves${limited.length === 0 ? '' : ` (${namesOf(limited)} uses kafkajs)`}`
}

function mainCodec(codecs: Readonly<Partial<Record<Codec, number>>>): Codec {
  const [first] = Object.entries(codecs).toSorted(([, a], [, b]) => b - a)
  return (first?.[0] ?? 'none') as Codec
}
