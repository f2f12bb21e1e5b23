/**
 * What is true of an mQ ID after a restore: decided from the restored row, the copies on the clusters and the topics themselves.
 * Pure.
 *
 * E1. The newest of the stored record and the copies wins, by stamp.
 * E2. What a topic shows stands above every record: an epoch is published as open only when its topic exists, is the same topic,
 *     and takes data, or when a migration that is under way explains why it does not.
 * E3. A sealed topic is never opened again. A topic that is gone was followed by the next epoch, if exactly one is there.
 * E4. What cannot be seen is not guessed: an mQ ID whose cluster does not answer, or whose topic contradicts every record, is
 *     unsettled, with the reason.
 */
import { isHandingOver } from '../migration/machine.ts'
import type { MigrationRecord } from '../migration/record.ts'
import type { ActiveId, EpochRecord, IdRecord } from '../registry/records.ts'
import { compareStamps, type RegistryCopy, type Stamp } from './registry-copy.ts'

export type KnownRecord = Extract<IdRecord, { state: 'active' | 'deleted' }>

/** What a cluster says of one topic. */
export type TopicState =
  | { readonly kind: 'unreachable'; readonly why: string }
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'present'
      readonly topicId: string | null
      readonly partitions: number
      /** Leaders refuse data by the size limit of the topic. */
      readonly sealed: boolean
    }

/** A topic of a later epoch than any record names. */
export interface LaterTopic {
  readonly cluster: string
  readonly topic: string
  readonly epoch: number
  readonly state: Extract<TopicState, { kind: 'present' }>
}

export interface Evidence {
  readonly stored:
    | { readonly stamp: Stamp; readonly record: IdRecord; readonly migrations: readonly MigrationRecord[] }
    | undefined
  readonly copies: readonly RegistryCopy[]
  topic(cluster: string, topic: string): TopicState
  later(record: KnownRecord): readonly LaterTopic[]
}

export type Settlement =
  | {
      readonly kind: 'settled'
      readonly from: 'store' | 'copy' | 'topics'
      readonly record: KnownRecord
      readonly migrations: readonly MigrationRecord[]
    }
  /** Nothing was ever published: the row may be worked on as any other. */
  | { readonly kind: 'never-active' }
  | {
      readonly kind: 'unsettled'
      readonly code: UnsettledCode
      readonly facts: Readonly<Record<string, string | number>>
    }

export type UnsettledCode = 'cluster-away' | 'topic-missing' | 'topic-replaced' | 'topic-sealed' | 'no-open-epoch'

/** E1: the newest record of the mQ ID, whoever has it. */
export function newest(evidence: Pick<Evidence, 'stored' | 'copies'>):
  | {
      readonly from: 'store' | 'copy'
      readonly record: IdRecord
      readonly migrations: readonly MigrationRecord[]
    }
  | undefined {
  const { stored, copies } = evidence
  const copy = copies.toSorted((a, b) => compareStamps(b.stamp, a.stamp))[0]
  if (
    copy !== undefined &&
    (stored === undefined || stored.record.state === 'absent' || compareStamps(copy.stamp, stored.stamp) > 0)
  ) {
    const lastEpoch = Math.max(copy.record.lastEpoch, stored?.record.lastEpoch ?? 0)
    return { from: 'copy', record: { ...copy.record, lastEpoch }, migrations: copy.migrations }
  }
  return stored === undefined ? undefined : { from: 'store', ...stored }
}

export function settle(evidence: Evidence): Settlement {
  const best = newest(evidence)
  if (best === undefined || best.record.state === 'absent') return { kind: 'never-active' }
  const { record, from, migrations } = best
  if (record.state === 'deleted') return { kind: 'settled', from, record, migrations }
  const handover = migrations.find((one) => isHandingOver(one.state))
  const live = record.epochs.filter(({ state }) => state === 'open' || state === 'sealing' || state === 'preparing')
  const writable = live.find(({ state }) => state === 'open')
  if (writable === undefined && handover === undefined) {
    return { kind: 'unsettled', code: 'no-open-epoch', facts: { epoch: record.epochs.at(-1)?.epoch ?? 0 } }
  }
  for (const epoch of live) {
    const problem = problemOf(epoch, evidence.topic(epoch.cluster, epoch.topic), handover)
    if (problem === undefined) continue
    if (problem.code !== 'topic-missing' || epoch.state !== 'open' || handover !== undefined) return problem
    return followed(record, epoch, evidence) ?? problem
  }
  return { kind: 'settled', from, record: withoutReadEpochs(record, migrations, evidence), migrations }
}

/** A sealed epoch whose topic is gone and that no migration waits for was read to its end and deleted by mQ. */
function withoutReadEpochs(record: ActiveId, migrations: readonly MigrationRecord[], evidence: Evidence): ActiveId {
  const epochs = record.epochs.filter(
    ({ epoch, state, cluster, topic }) =>
      state !== 'sealed' ||
      migrations.some(({ from }) => from.epoch === epoch) ||
      evidence.topic(cluster, topic).kind !== 'absent',
  )
  return { ...record, epochs }
}

/** E2 */
function problemOf(
  epoch: EpochRecord,
  topic: TopicState,
  handover: MigrationRecord | undefined,
): Extract<Settlement, { kind: 'unsettled' }> | undefined {
  const place = { cluster: epoch.cluster, topic: epoch.topic, epoch: epoch.epoch }
  switch (topic.kind) {
    case 'unreachable':
      return { kind: 'unsettled', code: 'cluster-away', facts: { ...place, why: topic.why } }
    case 'absent':
      // A migration makes the topic of its new epoch itself.
      if (epoch.state === 'preparing' && handover !== undefined) return undefined
      return { kind: 'unsettled', code: 'topic-missing', facts: place }
    case 'present': {
      if (epoch.topicId !== null && topic.topicId !== null && epoch.topicId !== topic.topicId) {
        return { kind: 'unsettled', code: 'topic-replaced', facts: { ...place, was: epoch.topicId, is: topic.topicId } }
      }
      if (topic.sealed && handover?.from.epoch !== epoch.epoch) {
        return { kind: 'unsettled', code: 'topic-sealed', facts: place }
      }
      return undefined
    }
  }
}

/** E3 */
function followed(record: ActiveId, gone: EpochRecord, evidence: Evidence): Settlement | undefined {
  const later = evidence.later(record)
  const [next] = later
  if (later.length !== 1 || next === undefined || next.state.sealed) return undefined
  const { topicId, partitions } = next.state
  const epoch: EpochRecord = {
    ...{
      epoch: next.epoch,
      state: 'open',
      cluster: next.cluster,
      topic: next.topic,
      partitions,
      endOffsets: null,
      topicId,
    },
    createdAtMs: gone.createdAtMs,
  }
  return {
    kind: 'settled',
    from: 'topics',
    record: { ...record, epochs: [epoch], lastEpoch: Math.max(record.lastEpoch, next.epoch) },
    migrations: [],
  }
}

/** The one place where the reason becomes words. */
export function unsettledText(id: string, settlement: Extract<Settlement, { kind: 'unsettled' }>): string {
  const { code, facts } = settlement
  const place = `topic ${facts.topic} (epoch ${facts.epoch}) on cluster '${facts.cluster}'`
  const texts: Record<UnsettledCode, string> = {
    'cluster-away': `cluster '${facts.cluster}' does not answer (${facts.why}), and only it can tell where '${id}' stands`,
    'topic-missing': `${place} does not exist any more, and no cluster knows what came after it`,
    'topic-replaced': `${place} was deleted and made again by somebody else (topic id ${facts.is} instead of ${facts.was})`,
    'topic-sealed': `${place} is sealed, so a later epoch of '${id}' is in use somewhere, and no cluster that answers knows it`,
    'no-open-epoch': `the newest record of '${id}' has no open epoch and no migration that would open one`,
  }
  return texts[code]
}
