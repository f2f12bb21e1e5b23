/**
 * From `sealing` to `open`: the only stretch in which producers hold.
 *
 * S1. A leader counts as sealed by its own refusal under a leader epoch; when the leader changes, the proof is void.
 * S2. An end offset is taken under the epoch of the proof and stands once the high watermark has reached it.
 * S3. The first refusal is written down before anything else is changed: from then on the migration only goes forward. Only then
 *     clients are told to hold: until a leader refuses they may send, as that is what the seal is proven against.
 * S5. Sealed is what is there: the partitions of the topic are counted when all that were known are proven, and those that
 *     somebody added are proven with them. One that is added after that is born sealed (source-topic.ts).
 * S4. The new epoch opens in the same transaction that gives clients the end of the old one.
 */
import { MqError, type SealProof } from '@mq/contract'
import { settingsOf, withSettings } from '../provision/decide.ts'
import { type MigrationRecord, stepOf, tenths, withDone, withStep } from './record.ts'
import { checkSource, coveredPartitions, lookAtSource, noteChange, type SourceLook } from './source-topic.ts'
import { isMissing, range, type Work } from './work.ts'

/** A seal request whose effect does not show is repeated. */
const REPEAT_REQUEST_MS = 1_000
const LONGEST_PAUSE_MS = 100

interface Proof {
  readonly partition: number
  readonly leader: number
  readonly leaderEpoch: number
  readonly provenAtMs: number
}

/**
 * Asks the leaders what they will be asked when they are sealed: a cluster that does not answer probes is found out before
 * any producer holds, and the connections stand when time counts.
 */
export async function rehearse(work: Work, number: number): Promise<{ readonly partitions: number }> {
  const row = work.writer.row(number)
  const { from } = row
  return work.clusters.use(from.cluster, `rehearsing the seal of ${from.topic}`, async (admin) => {
    const { partitions } = checkSource(await lookAtSource(admin, row))
    const probes = await admin.probeSeal(from.topic, range(partitions), true)
    const odd = probes.find((probe) => probe.verdict !== 'open')
    if (odd?.verdict === 'sealed') {
      throw new MqError(
        'MQ_MIGRATION_REFUSED',
        `partition ${odd.partition} of topic ${from.topic} refuses data already`,
      )
    }
    if (odd !== undefined) {
      throw new MqError(
        odd.reason.includes('AUTHORIZATION') ? 'MQ_SEAL_FORBIDDEN' : 'MQ_KAFKA_UNAVAILABLE',
        `partition ${odd.partition} of topic ${from.topic} cannot be probed: ${odd.reason}`,
      )
    }
    await admin.sealedEnds(from.topic, probes)
    return { partitions }
  })
}

export async function seal(work: Work, number: number): Promise<void> {
  const request = new SealRequest(work, number)
  try {
    await prove(work, number, request)
  } finally {
    // A request under way could otherwise take effect after the undoing took the seal back.
    await request.settled
  }
}

/** The request for the seal; leaders may follow it before it is answered. */
class SealRequest {
  readonly #work: Work
  readonly #number: number
  #sentMs = Number.NEGATIVE_INFINITY
  #failure: unknown
  #isUnderWay = false
  settled: Promise<void> = Promise.resolve()

  constructor(work: Work, number: number) {
    this.#work = work
    this.#number = number
  }

  /** @throws what the last request failed with */
  ask(): void {
    const { clusters, deps, writer } = this.#work
    if (this.#failure !== undefined) throw this.#failure
    if (this.#isUnderWay || deps.clock.monotonicMs() - this.#sentMs < REPEAT_REQUEST_MS) return
    const { cluster, topic } = writer.row(this.#number).from
    this.#isUnderWay = true
    this.#sentMs = deps.clock.monotonicMs()
    this.settled = clusters
      .use(cluster, `sealing topic ${topic}`, (admin) => admin.requestSeal(topic))
      .catch((error: unknown) => {
        this.#failure = error
      })
      .finally(() => {
        this.#isUnderWay = false
      })
  }
}

async function prove(work: Work, number: number, request: SealRequest): Promise<void> {
  const { writer, clusters, deps, times } = work
  const { from } = writer.row(number)
  const beganMs = deps.clock.monotonicMs()
  const proofs = new Map<number, Proof>()
  let count = coveredPartitions(writer.row(number))
  let provenMs: number | undefined
  /** Whether the leaders have to be asked for: the rehearsal has just done so. */
  let isStale = false
  for (let round = 0; ; round++) {
    const isUndoable = writer.row(number).state === 'sealing'
    if (isUndoable) work.checkpoint(number)
    else work.checkClosed()
    if (proofs.size < count) request.ask()
    const unproven = range(count).filter((partition) => !proofs.has(partition))
    if (unproven.length > 0) {
      const probes = await clusters
        .use(from.cluster, `probing topic ${from.topic}`, (admin) => admin.probeSeal(from.topic, unproven, isStale))
        .catch((error: unknown) => {
          if (isUndoable || !isMissing(error)) throw error
          return undefined
        })
      if (probes === undefined) {
        if (await gone(work, number)) return
        await work.pause(number, LONGEST_PAUSE_MS)
        continue
      }
      isStale = probes.some((probe) => probe.verdict === 'unknown')
      for (const { partition, leader, leaderEpoch, verdict } of probes) {
        if (verdict === 'sealed') proofs.set(partition, { partition, leader, leaderEpoch, provenAtMs: writer.nowMs })
      }
    }
    // Asking for ends changes nothing: it need not wait until the refusal is written (S3).
    const writing = isUndoable && proofs.size > 0 ? refused(work, number) : undefined
    if (proofs.size < count) await writing
    else {
      provenMs ??= deps.clock.monotonicMs() - beganMs
      const [final] = await Promise.all([finalEnds(work, number, proofs, count), writing])
      // After the ends were taken: they are those of the topic that is seen now.
      const look = await lookNow(work, number)
      isStale ||= proofs.size < count
      if (look.kind === 'recreated') {
        await recreated(work, number, look)
        // What was proven of the one before says nothing of this one.
        proofs.clear()
        count = look.partitions
      } else if (look.kind === 'there' && look.partitions > count) count = look.partitions
      else if (look.kind === 'there' && final !== undefined) {
        const endsMs = deps.clock.monotonicMs() - beganMs
        await writer.transition(number, 'all-sealed', (row) => ({
          ...withDone(row, 'seal', writer.nowMs, {
            ...stepOf(row, 'seal')?.result,
            provenMs: tenths(provenMs ?? endsMs),
            endsMs: tenths(endsMs),
            partitions: count,
            rounds: round + 1,
          }),
          data: { ...row.data, proofs: final, endOffsets: endsOf(row, final) },
        }))
        return
      }
    }
    const spentMs = writer.nowMs - (stepOf(writer.row(number), 'seal')?.startedAtMs ?? writer.nowMs)
    if (isUndoable && proofs.size === 0 && spentMs > times.sealMs) {
      throw new MqError('MQ_KAFKA_TIMEOUT', `no leader of topic ${from.topic} took the seal within ${times.sealMs} ms`)
    }
    await work.pause(number, Math.min(LONGEST_PAUSE_MS, times.probePauseMs * (1 + Math.floor(round / 20))))
  }
}

/** A leader refused data: from here the migration only goes forward, and clients hear that they have to wait (S3). */
export async function refused(
  work: Work,
  number: number,
  change: (row: MigrationRecord) => MigrationRecord = (row) => row,
  why = 'a leader refuses data',
): Promise<void> {
  const { writer } = work
  const { from } = writer.row(number)
  const { nowMs } = writer
  await writer.publish(
    number,
    'leader-refused',
    {
      kind: 'migration-sealing',
      why: `epoch ${from.epoch}: ${why}`,
      after: { migration: number, epoch: from.epoch },
      apply: ({ epochs }) => ({
        epochs: epochs.map((epoch) => (epoch.epoch === from.epoch ? { ...epoch, state: 'sealing' } : epoch)),
      }),
    },
    (row) => withStep(change(row), 'seal', nowMs, { result: { refusedAtMs: nowMs } }),
  )
}

/** The proofs with their end offsets, or undefined while one is not final; void proofs are taken out of `proofs`. */
async function finalEnds(
  work: Work,
  number: number,
  proofs: Map<number, Proof>,
  count: number,
): Promise<SealProof[] | undefined> {
  const { from } = work.writer.row(number)
  const ends = await work.clusters.use(from.cluster, `finding the end of topic ${from.topic}`, (admin) =>
    admin.sealedEnds(from.topic, [...proofs.values()]),
  )
  const final: SealProof[] = []
  for (const end of ends) {
    const proof = proofs.get(end.partition)
    if (proof === undefined) continue
    if (end.kind === 'moved') proofs.delete(end.partition)
    else if (end.highWatermark >= end.endOffset) final.push({ ...proof, endOffset: String(end.endOffset) })
  }
  return final.length === count ? final.sort((a, b) => a.partition - b.partition) : undefined
}

/** One for each partition of the epoch at least: a topic that was created anew may have fewer. */
function endsOf({ from }: MigrationRecord, proofs: readonly SealProof[]): string[] {
  const missing = Math.max(0, from.partitions - proofs.length)
  return [...proofs.map(({ endOffset }) => endOffset), ...range(missing).map(() => '0')]
}

function lookNow(work: Work, number: number): Promise<SourceLook> {
  const row = work.writer.row(number)
  return work.clusters.use(row.from.cluster, `looking at topic ${row.from.topic}`, (admin) => lookAtSource(admin, row))
}

/** Another topic of the name took the seal: it is the one to read from here on, and what was in the old one is gone (T2). */
async function recreated(work: Work, number: number, look: SourceLook & { kind: 'recreated' }): Promise<void> {
  const { writer } = work
  if (writer.row(number).state === 'sealing') throw new MqError('MQ_TOPIC_CHANGED', look.what)
  await noteChange(work, writer.row(number), look.what)
  await writer.update(number, (row) => ({
    ...row,
    data: {
      ...row.data,
      topicId: look.topicId,
      partitions: look.partitions,
      replaced: look.what,
    },
  }))
}

/** The topic went away between the first refusal and the last proof: nothing of it can be read, and producers go on. */
async function gone(work: Work, number: number): Promise<boolean> {
  const { writer, times } = work
  const what = `topic ${writer.row(number).from.topic} was deleted by somebody else while it was sealed`
  const row = await noteChange(work, writer.row(number), what)
  const sinceMs = row.data.changes.find((change) => change.what === what)?.atMs ?? writer.nowMs
  if (writer.nowMs - sinceMs < times.sealMs) return false
  await writer.transition(number, 'all-sealed', (before) => ({
    ...withDone(before, 'seal', writer.nowMs, { ...stepOf(before, 'seal')?.result, gone: true }),
    data: {
      ...before.data,
      proofs: [],
      endOffsets: range(before.from.partitions).map(() => '0'),
      replaced: what,
    },
  }))
  return true
}

export async function open(work: Work, number: number): Promise<void> {
  const { writer } = work
  const { from, to, data } = writer.row(number)
  const { endOffsets } = data
  if (endOffsets === null || endOffsets.length < from.partitions) {
    throw new MqError(
      'MQ_INTERNAL',
      `migration ${number} would open epoch ${to.epoch} without the end of ${from.epoch}`,
    )
  }
  const records = endOffsets.reduce((sum, end) => sum + BigInt(end), 0n)
  await writer.publish(
    number,
    'opened',
    {
      kind: 'migration-open',
      why: `every leader of epoch ${from.epoch} is proven sealed, at ${records} records`,
      after: { migration: number, endOffsets, to },
      apply: ({ epochs, spec }) => ({
        // What was tuned since the migration was planned goes with it.
        spec: withSettings(data.spec, settingsOf(spec)),
        epochs: epochs.map((epoch) => {
          if (epoch.epoch === from.epoch) {
            const added = endOffsets.slice(epoch.partitions)
            const own = endOffsets.slice(0, epoch.partitions)
            const ends = added.length === 0 ? {} : { addedEndOffsets: added }
            return { ...epoch, state: 'sealed', endOffsets: own, ...ends }
          }
          return epoch.epoch === to.epoch ? { ...epoch, state: 'open' } : epoch
        }),
      }),
    },
    (row, revision) => withDone(row, 'open', writer.nowMs, { records: String(records), revision }),
  )
}
