/**
 * Takes a new epoch back that clients know of. A client that has proven the old epoch sealed opens the new one without asking
 * (`opensWhenSealed` in the binding), so that the control plane alone cannot know whether that has happened: the brokers of the new epoch
 * decide it.
 *
 * N1. The new topic is closed first: its own leaders refuse data, each is proven, and its ends are final. Then it is empty for good, or
 *     a client was faster.
 * N2. Where a client was faster the old epoch is sealed, its records are in the new one, and the migration goes on.
 * N3. Whether mQ asked for the seal or somebody else may have set it: after the closing the leaders of the old epoch are asked whether they take records. A client proves the old epoch first and looks at the
 *     new one then; so a client that this look comes too early for finds the new one closed. One leader that takes records is enough:
 *     a client needs the refusal of every one.
 * N4. That it is closed is written down before anything of the old topic is changed. From then on nothing leads forward any more, and
 *     before that nothing was changed there, so that a successor may do all of this again.
 * N5. What was closed is opened again before the migration goes on. A request to close it that takes effect after that is taken back while
 *     the opening is watched, but not where another migration may seal the topic itself.
 * N6. No seal of the old topic is asked for while an epoch that was announced as its successor before is not closed, unless its cluster was
 *     forgotten (`mq cluster remove`): a person's word that nobody reaches it any more.
 */
import { MqError } from '@mq/contract'
import { SEALED_TOPIC_BYTES, type SealedEnd, type SealProbe } from '@mq/kafka'
import { isEnd, isHandingOver } from './machine.ts'
import { type MigrationRecord, stepOf } from './record.ts'
import { coveredPartitions } from './source-topic.ts'
import { isAway, isMissing, range, type Work } from './work.ts'

const PROBE_AGAIN_MS = 20
const CLOSED_WITHIN_MS = 5_000

/** Whether a binding with the new epoch was published. */
export function isAnnounced(row: MigrationRecord): boolean {
  return stepOf(row, 'warm') !== undefined
}

export type Withdrawal =
  /** Nobody has written to the new epoch, and nobody ever will. */
  | { readonly kind: 'closed' }
  /** Its cluster is away, and a person said not to wait (undo.ts, U4). */
  | { readonly kind: 'left-open' }
  /** A client opened it, or may have: the migration goes on. */
  | { readonly kind: 'forward'; readonly why: string }

/** What has been found out so far; what is undefined was not asked yet. */
export interface WithdrawalFacts {
  /** Written down before (N4). */
  readonly isClosed: boolean
  /** Whether the seal of the old topic may have been asked for. */
  readonly isAsked: boolean
  readonly leadersBefore?: OldLeaders
  /** Of the new topic, once it is closed. */
  readonly isEmpty?: boolean
  readonly leadersAfter?: OldLeaders
  /** The new cluster does not answer, and a person said not to wait for it. */
  readonly isLeft?: boolean
}

/** One that takes records is enough for `open`, and one that refuses them for `refusing`: a client needs the refusal of all. */
export type OldLeaders = 'open' | 'refusing' | 'silent'

export type WithdrawalStep =
  | 'ask-before'
  | 'close'
  | 'ask-after'
  | 'write'
  | 'done'
  | 'leave'
  | 'wait'
  | 'refused'
  | 'in-use'

/** What is to be done next: the order is what N1 to N4 rest on. */
export function withdrawalStep(facts: WithdrawalFacts): WithdrawalStep {
  const { isClosed, isAsked, leadersBefore, isEmpty, leadersAfter, isLeft } = facts
  if (isClosed) return 'done'
  // Known without touching the new topic.
  if (isAsked && leadersBefore === undefined) return 'ask-before'
  if (leadersBefore === 'refusing') return 'refused'
  if (isLeft === true) return 'leave'
  if (isEmpty === undefined) return 'close'
  if (!isEmpty) return 'in-use'
  if (leadersAfter === undefined) return 'ask-after'
  if (leadersAfter === 'refusing') return 'refused'
  return leadersAfter === 'silent' ? 'wait' : 'write'
}

/** @throws MqError what may pass; then nothing is decided */
export async function withdraw(work: Work, number: number): Promise<Withdrawal> {
  const { writer } = work
  const { data, from, to } = writer.row(number)
  const isAsked = stepOf(writer.row(number), 'seal') !== undefined
  let facts: WithdrawalFacts = { isClosed: data.withdrawal?.isClosed === true, isAsked }
  for (;;) {
    switch (withdrawalStep(facts)) {
      case 'ask-before':
        facts = { ...facts, leadersBefore: await oldLeaders(work, number) }
        break
      case 'close':
        try {
          facts = { ...facts, isEmpty: await closeNew(work, number) }
        } catch (error) {
          if (!isAway(error)) throw error
          if (!writer.row(number).data.isForced) throw waitsForNew(writer.row(number), error)
          facts = { ...facts, isLeft: true }
        }
        break
      case 'ask-after':
        facts = { ...facts, leadersAfter: await oldLeaders(work, number) }
        break
      case 'write':
        await noteClosed(work, number)
        facts = { ...facts, isClosed: true }
        break
      case 'done':
        return { kind: 'closed' }
      case 'leave': {
        const row = writer.row(number)
        await writer.journal(number, 'migration-left-open', leftOpenText(row), { migration: number, to })
        return { kind: 'left-open' }
      }
      case 'refused':
        return forward(work, number, 'a leader refuses data')
      case 'in-use':
        return forward(work, number, `a client wrote to epoch ${to.epoch} already`)
      case 'wait':
        throw new MqError(
          'MQ_KAFKA_UNAVAILABLE',
          `no leader of topic ${from.topic} answers, and without one it is not known whether clients use epoch ${to.epoch} already`,
        )
    }
  }
}

function waitsForNew({ number, from, to }: MigrationRecord, error: MqError): MqError {
  return new MqError(
    error.code,
    `${error.message}. Whether a client went on in epoch ${to.epoch} by itself is known on cluster '${to.cluster}' alone: bring it back, and the cancel ends by itself. Until then clients go on in epoch ${from.epoch} where its topic takes records, and no other migration or change of the mQ ID begins. If it does not come back soon, end the cancel without it: mq migrate cancel ${number} --force`,
    { cause: error },
  )
}

/** Whether an epoch was given up without closing its topic, and is not closed yet (U4). */
export function isLeftOpen(row: MigrationRecord): boolean {
  return isEnd(row.state) && row.data.isForced && isAnnounced(row) && row.data.withdrawal?.isClosed !== true
}

export function leftOpenText({ number, from, to }: MigrationRecord): string {
  return `epoch ${to.epoch} was given up while cluster '${to.cluster}' was away, as asked for: its topic ${to.topic} is closed and deleted when that is back, and no migration seals epoch ${from.epoch} before. If somebody else seals topic ${from.topic} before, a client that hears nothing of mQ may write there, and no group reads that. If the cluster never comes back: mq cluster remove ${to.cluster}. Then migration ${number} needs it no more`
}

/** N4 */
export async function noteClosed(work: Work, number: number): Promise<void> {
  await work.writer.update(number, (row) => ({
    ...row,
    data: {
      ...row.data,
      withdrawal: { sizeLimit: row.data.withdrawal?.sizeLimit ?? row.data.sizeLimit, isClosed: true },
    },
  }))
}

/** N5 */
async function forward(work: Work, number: number, why: string): Promise<Withdrawal> {
  const { writer, clusters } = work
  const { data, to } = writer.row(number)
  if (data.withdrawal !== null) {
    const { sizeLimit } = data.withdrawal
    await clusters.use(to.cluster, `opening topic ${to.topic} again`, (admin) => admin.releaseSeal(to.topic, sizeLimit))
    await writer.update(number, (row) => ({ ...row, data: { ...row.data, withdrawal: null, reopened: { sizeLimit } } }))
  }
  return { kind: 'forward', why }
}

/** N5, once the new epoch is open. */
export async function keepOpen(work: Work, row: MigrationRecord): Promise<void> {
  const { reopened } = row.data
  if (reopened === null) return
  const { clusters, writer, provisioner, registry, migrations } = work
  const { mqId, number, to } = row
  await provisioner.exclusively(mqId, async () => {
    const record = registry.get(mqId)
    const isOpen =
      record?.state === 'active' && record.epochs.some(({ epoch, state }) => epoch === to.epoch && state === 'open')
    const isMigratedAgain = migrations
      .active()
      .some((other) => other.mqId === mqId && other.number > number && isHandingOver(other.state))
    if (!isOpen || isMigratedAgain) return
    const limit = await clusters.use(to.cluster, `checking topic ${to.topic}`, (admin) => admin.sizeLimit(to.topic))
    if (limit !== String(SEALED_TOPIC_BYTES)) return
    await clusters.use(to.cluster, `opening topic ${to.topic} again`, (admin) =>
      admin.releaseSeal(to.topic, reopened.sizeLimit),
    )
    const why = `a request to close ${to.topic} took effect after epoch ${to.epoch} was opened, and was taken back`
    work.logger.warn({ migration: number, mqId }, why)
    await writer.journal(number, 'migration-late-seal', why, { migration: number, topic: to.topic })
  })
}

async function oldLeaders(work: Work, number: number): Promise<OldLeaders> {
  const row = work.writer.row(number)
  const { topic, cluster } = row.from
  try {
    const probes = await work.clusters.use(cluster, `probing topic ${topic}`, (admin) =>
      admin.probeSeal(topic, range(coveredPartitions(row)), true),
    )
    if (probes.some(({ verdict }) => verdict === 'sealed')) return 'refusing'
    return probes.some(({ verdict }) => verdict === 'open') ? 'open' : 'silent'
  } catch (error) {
    // A client cannot prove what is not there.
    if (isMissing(error)) return 'open'
    throw error
  }
}

/** Closes the new topic for good (N1). @returns false when it holds a record */
export async function closeNew(work: Work, number: number): Promise<boolean> {
  const { writer, clusters } = work
  const { to, data } = writer.row(number)
  const count = await clusters.use(to.cluster, `looking at topic ${to.topic}`, async (admin) => {
    const facts = (await admin.findTopics([to.topic])).get(to.topic)
    return facts === undefined ? undefined : Math.max(to.partitions, facts.partitions)
  })
  if (count === undefined) {
    await note(work, number, data.withdrawal?.sizeLimit ?? data.sizeLimit)
    return true
  }
  if (data.withdrawal === null) {
    const limit = await clusters.use(to.cluster, `checking topic ${to.topic}`, (admin) => admin.sizeLimit(to.topic))
    await note(work, number, limit)
  }
  await clusters.use(to.cluster, `closing topic ${to.topic}`, (admin) => admin.requestSeal(to.topic))
  const untilMs = work.deps.clock.monotonicMs() + CLOSED_WITHIN_MS
  for (let isFresh = true; ; isFresh = false) {
    const probes: SealProbe[] = await clusters.use(to.cluster, `probing topic ${to.topic}`, (admin) =>
      admin.probeSeal(to.topic, range(count), true),
    )
    if (probes.every(({ verdict }) => verdict === 'sealed')) {
      const ends: SealedEnd[] = await clusters.use(to.cluster, `finding the end of topic ${to.topic}`, (admin) =>
        admin.sealedEnds(to.topic, probes),
      )
      const isFinal = ends.every((end) => end.kind === 'end' && end.highWatermark >= end.endOffset)
      if (isFinal && ends.length === count) return ends.every((end) => end.kind === 'end' && end.endOffset === 0n)
    }
    const open = probes.find(({ verdict }) => verdict !== 'sealed')
    if (work.deps.clock.monotonicMs() >= untilMs) {
      const why =
        open === undefined ? 'its end is not final yet' : `partition ${open.partition} does not refuse data yet`
      throw new MqError('MQ_KAFKA_UNAVAILABLE', `topic ${to.topic} on cluster '${to.cluster}' is not closed: ${why}`)
    }
    work.checkClosed()
    await work.pause(number, isFresh ? 1 : PROBE_AGAIN_MS)
  }
}

function note(work: Work, number: number, sizeLimit: string): Promise<MigrationRecord> {
  return work.writer.update(number, (row) => ({
    ...row,
    data: { ...row.data, withdrawal: row.data.withdrawal ?? { sizeLimit, isClosed: false } },
  }))
}

/** N6. @throws MqError while a successor that was given up before may still be opened by a client */
export function checkFormerSuccessors(work: Work, { number, mqId, from }: MigrationRecord): void {
  const former = work.migrations
    .active()
    .find(
      (other) =>
        other.mqId === mqId &&
        other.number < number &&
        other.from.epoch === from.epoch &&
        (other.state === 'cancelled' || other.state === 'failed') &&
        isAnnounced(other) &&
        work.registry.cluster(other.to.cluster) !== undefined &&
        other.data.withdrawal?.isClosed !== true &&
        stepOf(other, 'delete-topic')?.endedAtMs == null,
    )
  if (former === undefined) return
  throw new MqError(
    'MQ_KAFKA_UNAVAILABLE',
    `epoch ${former.to.epoch} of '${mqId}', which migration ${former.number} gave up, is not closed yet on cluster '${former.to.cluster}': a client that hears nothing of the control plane could still take it for the next one. Bring that cluster back, or, if it never comes back: mq cluster remove ${former.to.cluster}`,
  )
}
