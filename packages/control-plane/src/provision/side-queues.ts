/**
 * mQ IDs of mQ's own: where the dead letters of a group are kept, and the way they come back to it.
 *
 * SQ1. They are mQ IDs like any other: provisioned, watched for drift, moved, restored, billed. They follow the owner, the durability and
 *      the largest message that may stand in the mQ ID they belong to, and are kept at least as long.
 * SQ2. They have one partition: little goes through them, and partitions are what many clusters charge for or limit.
 * SQ3. They are deleted and brought back with the mQ ID they belong to.
 * SQ4. The way back is made with the first redrive, and then stands in the binding of the mQ ID: only groups that use it pay for it.
 * SQ5. Dead letters are read by no group, so that a migration keeps their old epochs until their retention is over (migration/drain.ts, D2).
 */
import { type DeadLetterQueue, MqError, type SideRole, sideIdOf } from '@mq/contract'
import type { ActiveId, IdRecord } from '../registry/records.ts'
import { type Registry, withoutStamp } from '../registry/registry.ts'
import type { Removed } from './provision-errors.ts'
import type { Provisioner } from './provisioner.ts'
import { sideIntent } from './side-intent.ts'

/** What is known of the dead letters of a group. */
export type LetterCounts = Pick<DeadLetterQueue, 'written' | 'kept' | 'oldestAtMs'>

export class SideQueues {
  readonly #registry: Registry
  readonly #provisioner: Provisioner

  constructor(registry: Registry, provisioner: Provisioner) {
    this.#registry = registry
    this.#provisioner = provisioner
  }

  /** @returns the mQ ID that is there now for this group */
  async ensure(source: ActiveId, group: string, role: SideRole, actor: string): Promise<string> {
    if (source.spec.side !== undefined) {
      throw new MqError('MQ_REQUEST_INVALID', `'${source.id}' is mQ's own: it has no dead letters of its own`)
    }
    const side = { mqId: source.id, group, role }
    const id = sideIdOf(side)
    await this.#provisioner.ensureSide(id, side, sideIntent(source.spec), actor)
    if (role === 'redrive') await this.#tell(source.id, group, id, actor)
    return id
  }

  /** Those that belong to an mQ ID, whatever state they are in. */
  of(mqId: string): IdRecord[] {
    return this.#registry.all().filter(({ spec }) => spec?.side?.mqId === mqId)
  }

  /** The intent of the mQ ID has changed: what follows it changes, too (SQ1). */
  async follow(mqId: string, actor: string): Promise<void> {
    const source = this.#registry.get(mqId)
    if (source?.state !== 'active' || source.spec.side !== undefined) return
    for (const { id, state, spec } of this.of(mqId)) {
      if (state !== 'active') continue
      await this.#provisioner.ensureSide(id, spec.side!, sideIntent(source.spec), actor)
    }
  }

  /** SQ3 */
  async remove(mqId: string, actor: string, request: { graceMs: number }): Promise<Removed['topics']> {
    const topics: string[] = []
    for (const { id, state, pending } of this.of(mqId)) {
      if (state !== 'active' && !(request.graceMs === 0 && pending?.kind === 'delete')) continue
      topics.push(...(await this.#provisioner.remove(id, actor, { ...request, force: true })).topics)
    }
    return topics
  }

  /** SQ3 */
  async undelete(mqId: string, actor: string): Promise<void> {
    for (const { id, state, pending } of this.of(mqId)) {
      if (state === 'deleted' && pending?.kind === 'delete' && pending.notBeforeMs > 0) {
        await this.#provisioner.undelete(id, actor)
      }
    }
  }

  list(counts: (mqId: string, group: string) => LetterCounts, mqId?: string): DeadLetterQueue[] {
    const queues = new Map<string, DeadLetterQueue>()
    for (const { id, state, spec } of this.#registry.all()) {
      const side = spec?.side
      if (state !== 'active' || side === undefined || (mqId !== undefined && side.mqId !== mqId)) continue
      const { retention } = spec.intent
      const retentionMs = retention.policy === 'time' ? retention.durationMs : null
      const name = `${side.mqId} ${side.group}`
      const known = queues.get(name) ?? { ...side, deadLetters: null, redrive: null, retentionMs }
      queues.set(name, {
        mqId: side.mqId,
        group: side.group,
        deadLetters: side.role === 'dead-letters' ? id : known.deadLetters,
        redrive: side.role === 'redrive' ? id : known.redrive,
        retentionMs: known.retentionMs,
        ...counts(side.mqId, side.group),
      })
    }
    return [...queues.values()].toSorted((a, b) => (`${a.mqId} ${a.group}` < `${b.mqId} ${b.group}` ? -1 : 1))
  }

  /** SQ4 */
  async #tell(mqId: string, group: string, id: string, actor: string): Promise<void> {
    await this.#provisioner.exclusively(mqId, async () => {
      const source = this.#registry.get(mqId)
      if (source?.state !== 'active' || source.spec.redrive?.[group] === id) return
      const spec = { ...source.spec, redrive: { ...source.spec.redrive, [group]: id } }
      await this.#registry.publish(
        { ...withoutStamp(source), spec },
        {
          kind: 'redrive-way',
          subject: mqId,
          actor,
          why: `dead letters come back to group ${group} through ${id}`,
          before: null,
          after: { group, id },
        },
      )
    })
  }
}
