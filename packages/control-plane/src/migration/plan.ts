/**
 * From what a person asks for to a migration that can be made, or the reason why it cannot.
 *
 * N1. Planning touches nothing of the mQ ID: the rights and the room on both clusters are asked for with requests that change
 *     nothing, and that the old cluster keeps to that is tried on a canary topic first (seal-checks.ts).
 * N3. The old topic is compared with what mQ made. Added partitions are moved with the rest; a topic that is gone or was
 *     created anew is refused, because nothing is known of what groups had read of it.
 * N2. Every refusal names what stands against it. What may pass by itself (a cluster that is away) is an error, not a
 *     refusal.
 */
import {
  type Choice,
  type Difference,
  type MigrationPlace,
  type MigrationPlan,
  MqError,
  type MqErrorCode,
  type OnLostSource,
} from '@mq/contract'
import type { Clusters } from '../provision/clusters.ts'
import { decide, lastingOf, settingsOf } from '../provision/decide.ts'
import type { Refusal } from '../provision/intent-changes.ts'
import { type ClusterFacts, copiesOn, topicName } from '../provision/placement-rules.ts'
import { deletedError, foreignTopic, unknownError } from '../provision/provision-errors.ts'
import { lacking, lackingText, requiredCopies } from '../provision/requirements.ts'
import { validateTopic } from '../provision/topic.ts'
import { differences } from '../provision/topic-drift.ts'
import type { ActiveId, IdSpec } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import { type Foreign, findForeign, foreignText } from './foreign.ts'
import type { MigrationTelemetry } from './migration-telemetry.ts'
import type { Migrations } from './migrations.ts'
import { findConsumers } from './plan-consumers.ts'
import { checkQuotas, checkRoom } from './room.ts'
import type { SealChecks } from './seal-checks.ts'

export interface MigrationTarget {
  readonly to?: string | undefined
  readonly partitions?: number | undefined
  readonly replication?: number | undefined
  /** A person said that fewer copies than now are meant. */
  readonly allowFewerCopies?: boolean | undefined
  readonly onLostSource?: OnLostSource | undefined
}

export interface PlannerOptions {
  readonly sealChecks: SealChecks
  readonly heard: MigrationTelemetry
  readonly nowMs: () => number
  readonly registry: Registry
  readonly clusters: Clusters
  readonly migrations: Migrations
  readonly nameClash: (id: string, epoch: number) => Refusal | undefined
}

export interface Planned {
  readonly plan: MigrationPlan & { readonly from: MigrationPlace; readonly to: MigrationPlace }
  readonly spec: IdSpec
  readonly sizeLimit: string
  readonly topicId: string | null
  /** Partitions the old topic has now. */
  readonly partitions: number
  readonly foreign: Foreign
}

/** What stands against the migration becomes part of the plan; anything else is thrown (N2). */
export async function planOrRefuse(
  options: PlannerOptions,
  id: string,
  request: MigrationTarget,
): Promise<MigrationPlan> {
  try {
    return (await planMigration(options, id, request)).plan
  } catch (error) {
    if (!(error instanceof MqError) || !REFUSALS.has(error.code)) throw error
    const { code, message } = error
    return { mqId: id, from: null, to: null, warnings: [], checks: [], refusal: { code, message } }
  }
}

const REFUSALS: ReadonlySet<MqErrorCode> = new Set<MqErrorCode>([
  'MQ_MIGRATION_REFUSED',
  'MQ_MIGRATION_RUNNING',
  'MQ_MIGRATION_FORBIDDEN',
  'MQ_MIGRATION_NO_ROOM',
  'MQ_PLACEMENT_WAITS',
  'MQ_KAFKA_FORBIDDEN',
  'MQ_SEAL_FORBIDDEN',
  'MQ_SEAL_UNSAFE',
  'MQ_TOPIC_EXISTS',
  'MQ_CLUSTER_UNKNOWN',
])

/** @throws MqError the reason why it cannot be made */
export async function planMigration(options: PlannerOptions, id: string, request: MigrationTarget): Promise<Planned> {
  const { registry, clusters, migrations } = options
  const record = registry.get(id)
  if (record?.state === 'deleted') throw deletedError(id)
  if (record?.state !== 'active') throw unknownError(id)
  const running = migrations.handingOver(id)
  if (running !== undefined) {
    throw new MqError(
      'MQ_MIGRATION_RUNNING',
      `'${id}' is being moved (migration ${running.number}, ${running.state})`,
      {
        details: { mqId: id, migration: running.number },
      },
    )
  }
  if (!record.spec.intent.movable) {
    throw new MqError('MQ_MIGRATION_FORBIDDEN', `the intent of '${id}' says movable: false`, {
      details: { mqId: id },
    })
  }
  if (record.spec.intent.retention.policy === 'latest-per-key') {
    throw refused(
      `'${id}' keeps the latest record per key: a new epoch would start without the older keys, and copying them is not built yet`,
    )
  }
  const from = placeOf(record)
  const to = request.to ?? from.cluster
  if (registry.cluster(to) === undefined) {
    throw new MqError('MQ_CLUSTER_UNKNOWN', `no cluster '${to}' is registered`, { details: { cluster: to } })
  }
  await clusters.reach(from.cluster)
  const target = await clusters.reach(to)
  const partitions = request.partitions ?? from.partitions
  const { intent } = record.spec
  const lacks = lacking(intent, target)
  if (to !== from.cluster && lacks.length > 0) {
    throw refused(`cluster '${to}' does not meet the intent of '${id}': ${lackingText(lacks)}`)
  }
  const copiesFor = (brokers: number): number => {
    const kept = Math.max(from.replication, Math.min(requiredCopies(intent), brokers))
    return request.replication ?? (to === from.cluster ? kept : copiesOn(intent, brokers))
  }
  const replication = copiesFor(target.brokers)
  checkWhole(target, replication, copiesFor(target.wholeBrokers ?? target.brokers))
  const source = await lookAtOld(clusters, record, from)
  // A topic to which somebody added partitions is left for one of the same count.
  const isAsMade = source.partitions === from.partitions
  if (to === from.cluster && partitions === from.partitions && replication === from.replication && isAsMade) {
    throw refused(
      `'${id}' is already on cluster '${to}' with ${partitions} partitions and ${replication} cop${replication === 1 ? 'y' : 'ies'}`,
    )
  }
  if (replication > target.brokers) {
    throw refused(`cluster '${to}' has ${target.brokers} brokers, too few for ${replication} copies`)
  }
  // Who names a number of copies means it.
  checkCopies(
    record,
    from.replication,
    replication,
    request.allowFewerCopies === true || request.replication !== undefined,
  )
  const epoch = record.lastEpoch + 1
  const clash = options.nameClash(id, epoch)
  if (clash !== undefined) throw refused(clash.message)
  const topic = topicName(id, epoch)
  const place: MigrationPlace = { epoch, cluster: to, topic, partitions, replication }
  const spec = specAt(record, place, target.brokers)
  await options.sealChecks.check(from.cluster)
  await options.sealChecks.check(to)
  const sizeLimit = await clusters.use(from.cluster, `checking topic ${from.topic}`, async (admin) => {
    await admin.validateSeal(from.topic)
    return admin.sizeLimit(from.topic)
  })
  const warnings = await clusters.use(to, `checking room for topic ${topic}`, async (admin) => {
    if ((await admin.findTopics([topic])).has(topic)) throw foreignTopic(topic, to)
    const asked = { name: topic, partitions, replication, configs: spec.topicConfigs }
    await validateTopic(admin, asked).catch(noRoom(to))
    return [...spec.warnings]
  })
  if (replication < from.replication) warnings.push(`${copies(from.replication)} of each record become ${replication}`)
  const asItIs = { ...from, partitions: source.partitions }
  warnings.push(...source.differences.map(({ what }) => what))
  const room = await checkRoom(clusters, asItIs, place)
  const quotas = to === from.cluster ? undefined : await checkQuotas(clusters, to)
  warnings.push(...(quotas?.warnings ?? []))
  const foreign = await findForeign(options, id, asItIs)
  if (foreign.producers.length > 0) {
    warnings.push(`${foreignText(foreign.producers)} write to ${from.topic}: the seal refuses them from then on`)
  }
  const readers = await findConsumers(clusters, id, asItIs)
  warnings.push(...readers.warnings)
  const checks = [
    { check: 'groups', found: readers.found },
    {
      check: 'old topic',
      found:
        source.differences.length === 0
          ? `${from.topic} is as mQ made it: ${source.partitions} partitions, same topic id, same settings`
          : source.differences.map(({ what }) => what).join('; '),
    },
    {
      check: 'seal',
      found: `${to === from.cluster ? `cluster '${to}' keeps` : `clusters '${from.cluster}' and '${to}' keep`} what a seal rests on, as tried on a canary topic; ${from.topic} may be sealed, and its size limit is ${sizeLimit} bytes as before the question`,
    },
    { check: 'topic', found: `cluster '${to}' would make ${topic}` },
    { check: 'room', found: room },
    ...(quotas === undefined ? [] : [{ check: 'quotas', found: quotas.found }]),
    {
      check: 'other producers',
      found:
        foreign.unknown === null
          ? `${foreign.producers.length} that no client of mQ reports`
          : `not known: ${foreign.unknown}`,
    },
  ]
  const plan = { mqId: id, from, to: place, warnings, checks, refusal: null }
  return { plan, spec, sizeLimit, foreign, topicId: source.topicId, partitions: source.partitions }
}

/** @throws MqError MQ_PLACEMENT_WAITS when a broker that is down now would decide how many copies there are */
function checkWhole({ name, brokers, wholeBrokers = brokers }: ClusterFacts, now: number, whole: number): void {
  if ((now >= whole && now <= brokers) || whole > wholeBrokers) return
  throw new MqError(
    'MQ_PLACEMENT_WAITS',
    `of ${wholeBrokers} brokers of cluster '${name}' ${brokers} answer${brokers === 1 ? 's' : ''}, and ${copies(whole)} of each record are to be there; to move with fewer now, say --replication ${brokers}`,
  )
}

/** @throws MqError MQ_MIGRATION_REFUSED when the target would hold fewer copies than the intent asks for, or than now without a word */
function checkCopies({ id, spec }: ActiveId, now: number, then: number, isMeant: boolean): void {
  const required = requiredCopies(spec.intent)
  if (then < required) {
    throw refused(`the intent of '${id}' asks for ${copies(required)} at least, and the new topic would have ${then}`)
  }
  if (then < now && !isMeant) {
    throw refused(
      `'${id}' has ${copies(now)} of each record now and would have ${then}; if that is meant, say so with --allow-fewer-copies`,
    )
  }
}

const copies = (count: number): string => `${count} cop${count === 1 ? 'y' : 'ies'}`

interface OldTopic {
  readonly topicId: string | null
  readonly partitions: number
  readonly differences: readonly Difference[]
}

/** Nothing is known of what groups had read there. */
const NOT_THE_EPOCH: ReadonlySet<Difference['kind']> = new Set([
  'topic-missing',
  'topic-recreated',
  'partitions-missing',
])

/** N3. @throws MqError MQ_MIGRATION_REFUSED when it is not the topic that holds the epoch */
async function lookAtOld(
  clusters: Clusters,
  record: ActiveId,
  { cluster, topic, partitions }: MigrationPlace,
): Promise<OldTopic> {
  const made = record.epochs.find((epoch) => epoch.topic === topic && epoch.cluster === cluster)
  const found = await clusters.use(cluster, `looking at topic ${topic}`, async (admin) => ({
    facts: (await admin.findTopics([topic])).get(topic),
    settings: (await admin.topicSettings([topic], Object.keys(record.spec.topicConfigs))).get(topic) ?? null,
  }))
  const { facts, settings } = found
  const topicId = made?.topicId ?? facts?.topicId ?? null
  const all = differences(
    { topic, topicId, partitions, replication: record.spec.replication, settings: record.spec.topicConfigs },
    facts === undefined ? undefined : { ...facts, settings },
  )
  const against = all.find(({ kind }) => NOT_THE_EPOCH.has(kind))
  if (against !== undefined || facts === undefined) {
    throw refused(`${against?.what ?? `topic ${topic} is gone`}`)
  }
  return { topicId, partitions: facts.partitions, differences: all }
}

function placeOf(record: ActiveId): MigrationPlace {
  const open = record.epochs.find((epoch) => epoch.state === 'open')
  if (open === undefined) throw refused(`'${record.id}' has no open epoch to move`)
  const { epoch, cluster, topic, partitions } = open
  return { epoch, cluster, topic, partitions, replication: record.spec.replication }
}

/** What the mQ ID has on its new place; every changed choice says that it was moved. */
function specAt(record: ActiveId, place: MigrationPlace, brokers: number): IdSpec {
  const reason = `moved to epoch ${place.epoch}, as asked for`
  const where: Choice = { setting: 'cluster', value: place.cluster, reason }
  const standing = {
    partitions: place.partitions,
    replication: place.replication,
    minInsyncReplicas: Math.min(2, place.replication),
    maxMessageBytes: Number(record.spec.topicConfigs['max.message.bytes'] ?? 0),
  }
  // Settings that were found on its traffic go with it; a trial of others ends with the old place.
  const settings = { ...settingsOf(record.spec), trial: null }
  const { spec } = decide(record.spec.intent, { name: place.cluster, brokers }, where, standing, settings)
  const choices = spec.choices.map((choice) =>
    choice.setting === 'partitions' || choice.setting === 'replication' ? { ...choice, reason } : choice,
  )
  return { ...spec, ...lastingOf(record.spec), choices }
}

function noRoom(cluster: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof MqError) || error.retryable || error.code === 'MQ_KAFKA_FORBIDDEN') throw error
    throw new MqError('MQ_MIGRATION_REFUSED', `cluster '${cluster}' would not make the topic: ${error.message}`, {
      cause: error,
    })
  }
}

function refused(message: string): MqError {
  return new MqError('MQ_MIGRATION_REFUSED', message)
}
