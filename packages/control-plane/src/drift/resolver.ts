/**
 * Does what a person says about drift: takes what is there over, or puts it back.
 *
 * R1. The topic is compared anew, under the lock under which mQ changes topics; what was seen earlier decides nothing.
 * R2. All that was asked for is done, or nothing: one difference that cannot be resolved refuses the rest, with the reason.
 * R3. What was done is journalled with what was there and what is wanted, and the topic is compared again.
 */
import {
  type Difference,
  type DriftPlan,
  type DriftStep,
  didYouMean,
  differenceName,
  type Intent,
  MqError,
} from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { Migrations } from '../migration/migrations.ts'
import type { ClusterAdmin } from '../provision/cluster-admin.ts'
import type { Clusters } from '../provision/clusters.ts'
import { clusterChoice, decide, lastingOf, standingOf, tunedOf } from '../provision/decide.ts'
import { migrationRunning, unknownError } from '../provision/provision-errors.ts'
import type { Provisioner } from '../provision/provisioner.ts'
import { alterTopic, awaitLeaders, createTopic } from '../provision/topic.ts'
import type { ActiveId, EpochRecord, IdSpec } from '../registry/records.ts'
import { type Registry, withoutStamp } from '../registry/registry.ts'
import type { NewEntry } from '../store/ports/journal.ts'
import type { Store } from '../store/store.ts'
import { type Comparison, compare, openTopic } from './compare.ts'
import type { DriftWatch } from './drift-watch.ts'
import { type Acceptable, type Acceptance, accept, repair, selected } from './resolve-rules.ts'

export type Action = 'accept' | 'repair'

export interface ResolverOptions {
  readonly registry: Registry
  readonly migrations: Migrations
  readonly clusters: Clusters
  readonly provisioner: Provisioner
  readonly store: Store
  readonly watch: Pick<DriftWatch, 'recheck'>
  readonly deps: Deps
}

interface Look extends Comparison {
  readonly record: ActiveId
  readonly epoch: EpochRecord
  readonly steps: readonly Acceptable[] | readonly DriftStep[]
}

export class DriftResolver {
  readonly #options: ResolverOptions

  constructor(options: ResolverOptions) {
    this.#options = options
  }

  /** What would be done; touches nothing. */
  async plan(id: string, action: Action, only?: readonly string[]): Promise<DriftPlan> {
    const { provisioner } = this.#options
    return provisioner.exclusively(id, async () => viewOf(action, await this.#look(id, action, only), false))
  }

  /** @throws MqError MQ_DRIFT_REFUSED when one of the differences cannot be resolved so (R2) */
  async resolve(id: string, action: Action, only: readonly string[] | undefined, actor: string): Promise<DriftPlan> {
    const { provisioner, watch } = this.#options
    const look = await provisioner.exclusively(id, async () => {
      const found = await this.#look(id, action, only)
      const against = found.steps.filter(({ possible }) => !possible)
      if (against.length > 0) throw refused(id, action, against, found.steps.length)
      if (found.steps.length > 0) {
        if (action === 'accept') await this.#accept(found, found.steps as readonly Acceptable[], actor)
        else await this.#repair(found, actor)
      }
      return found
    })
    await watch.recheck(id)
    return viewOf(action, look, look.steps.length > 0)
  }

  /** R1 */
  async #look(id: string, action: Action, only: readonly string[] | undefined): Promise<Look> {
    const { registry, migrations, clusters } = this.#options
    const record = registry.get(id)
    if (record?.state !== 'active') throw unknownError(id)
    const migration = migrations.handingOver(id)
    if (migration !== undefined) throw migrationRunning(id, migration.number)
    const open = openTopic(record)
    if (open === undefined) throw new MqError('MQ_DRIFT_REFUSED', `'${id}' has no open topic`)
    const { epoch, expected } = open
    await clusters.reach(epoch.cluster)
    const [found] = await clusters.use(epoch.cluster, `comparing topic ${epoch.topic}`, (admin) =>
      compare(admin, [expected]),
    )
    const { chosen, unknown } = selected(found!.differences, only)
    if (unknown.length > 0) {
      const known = found!.differences.map(differenceName)
      throw new MqError(
        'MQ_OPTION_INVALID',
        `nothing of '${id}' differs in '${unknown[0]}'${didYouMean(unknown[0]!, known)}${known.length === 0 ? '' : `; what differs: ${known.join(', ')}`}`,
      )
    }
    const isOther = found!.differences.some(({ kind }) => kind === 'topic-recreated')
    const steps =
      action === 'repair'
        ? chosen.map((one) => repair(record, one, isOther))
        : await Promise.all(chosen.map((one) => this.#withPositions(record, epoch, accept(record, one))))
    return { ...found!, record, epoch, steps }
  }

  /** Positions of groups that are not of mQ carry no topic id: in the new topic they would skip what they never read. */
  async #withPositions(
    { id }: ActiveId,
    { cluster, topic, partitions }: EpochRecord,
    step: Acceptable,
  ): Promise<Acceptable> {
    if (step.change.isTopicId !== true) return step
    const ahead = await this.#options.clusters.use(cluster, `reading groups of ${topic}`, async (admin) => {
      const [{ groups }, ends] = [await admin.otherConsumers(id, topic), await admin.endOffsets(topic, partitions)]
      return groups.filter(({ committed }) => [...committed].some(([partition, at]) => at > (ends[partition] ?? 0n)))
    })
    if (ahead.length === 0) return step
    const names = ahead.map(({ groupId }) => groupId).join(', ')
    const effect = `positions of ${names} are from the old topic, and would skip records of the new one; mq group drop ${id} GROUP takes them away`
    return { ...step, possible: false, effect, change: {} }
  }

  async #accept(look: Look, steps: readonly Acceptable[], actor: string): Promise<void> {
    const { registry, provisioner, clusters } = this.#options
    const { record, epoch, facts, settings } = look
    const change: Acceptance = Object.assign({}, ...steps.map((step) => step.change))
    const entry = entryOf('drift-accepted', look, actor)
    if (change.isTopicId === true) {
      const epochs = record.epochs.map((one) => (one === epoch ? { ...one, topicId: facts?.topicId ?? null } : one))
      await registry.publish({ ...withoutStamp(record), epochs }, entry)
      if (steps.length === 1) return
    }
    const current = registry.get(record.id) as ActiveId
    const { name, brokers } = await clusters.reach(epoch.cluster)
    const spec = acceptedSpec(current, change, { name, brokers })
    const alter = Object.fromEntries(
      Object.entries(spec.topicConfigs).filter(
        ([key, value]) => current.spec.topicConfigs[key] !== value && settings?.get(key) !== value,
      ),
    )
    await provisioner.changeSpec(current, { spec, alter, actor, why: entry.why }, async (tx, revision) =>
      tx.journal.append(entry, this.#options.deps.clock.nowMs(), revision),
    )
  }

  async #repair(look: Look, actor: string): Promise<void> {
    const { registry, clusters, deps, store } = this.#options
    const { record, epoch, steps } = look
    const { cluster, topic, partitions } = epoch
    const { topicConfigs: configs, replication } = record.spec
    const entry = entryOf('drift-repaired', look, actor)
    const use = <T>(doing: string, work: (admin: ClusterAdmin) => Promise<T>): Promise<T> =>
      clusters.use(cluster, doing, work)
    if (steps.some(({ difference }) => difference.kind === 'topic-missing')) {
      await use(`making topic ${topic}`, (admin) =>
        createTopic(admin, { name: topic, partitions, replication, configs }),
      )
      const { topicId } = await awaitLeaders(clusters, deps, cluster, topic, partitions)
      const epochs = record.epochs.map((one) => (one === epoch ? { ...one, topicId } : one))
      await registry.publish({ ...withoutStamp(record), epochs }, entry)
      return
    }
    const wanted = Object.fromEntries(
      steps.flatMap(({ difference: { setting, expected } }) => (setting === null ? [] : [[setting, expected]])),
    )
    await use(`changing topic ${topic}`, (admin) => alterTopic(admin, topic, wanted))
    await store.write(`journalling the repair of ${record.id}`, (tx) =>
      tx.journal.append(entry, deps.clock.nowMs(), store.revision),
    )
  }
}

/** The record as it is wanted from now on. */
function acceptedSpec(record: ActiveId, change: Acceptance, cluster: { name: string; brokers: number }): IdSpec {
  const { retention, replication, minInsyncReplicas, maxMessageBytes } = change
  const standing = {
    ...standingOf(record),
    ...(replication === undefined ? {} : { replication }),
    ...(minInsyncReplicas === undefined ? {} : { minInsyncReplicas }),
    ...(maxMessageBytes === undefined ? {} : { maxMessageBytes }),
  }
  const intent: Intent = retention === undefined ? record.spec.intent : { ...record.spec.intent, retention }
  const { spec } = decide(intent, cluster, clusterChoice(record.spec), standing, tunedOf(record, intent))
  return { ...spec, ...lastingOf(record.spec) }
}

function entryOf(
  kind: 'drift-accepted' | 'drift-repaired',
  { record, steps }: Pick<Look, 'record' | 'steps'>,
  actor: string,
): NewEntry {
  const of = (pick: (one: Difference) => string): Record<string, string> =>
    Object.fromEntries(steps.map(({ difference }) => [differenceName(difference), pick(difference)]))
  const [before, after] =
    kind === 'drift-accepted'
      ? [of(({ expected }) => expected), of(({ found }) => found)]
      : [of(({ found }) => found), of(({ expected }) => expected)]
  return { kind, subject: record.id, actor, why: steps.map(({ effect }) => effect).join('; '), before, after }
}

function viewOf(action: Action, { record, epoch, steps }: Look, done: boolean): DriftPlan {
  const shown = steps.map(({ difference, possible, effect, deletes }) => ({ difference, possible, effect, deletes }))
  return { mqId: record.id, action, cluster: epoch.cluster, topic: epoch.topic, done, steps: shown }
}

function refused(id: string, action: Action, against: readonly DriftStep[], all: number): MqError {
  const reasons = against.map(({ difference, effect }) => `${differenceName(difference)}: ${effect}`)
  const others = all > against.length ? '; --kind names those that are meant' : ''
  return new MqError(
    'MQ_DRIFT_REFUSED',
    `the drift of '${id}' cannot be ${action === 'accept' ? 'accepted' : 'repaired'}, and nothing was changed: ${reasons.join('; ')}${others}`,
    { details: { mqId: id, kinds: against.map(({ difference }) => differenceName(difference)) } },
  )
}
