/**
 * Writes of a decision: every change of its state goes through here, with the binding it belongs to and its line in the journal.
 *
 * W1. A state and the binding that shows it are one transaction: a crash leaves both or neither.
 * W2. Only transitions of the table are written.
 * W3. The mQ ID is read again inside its lock, so no other change is overwritten.
 * W4. Once closed, nothing is written any more: what a dying process still believes must not reach the store.
 */

import { type DecisionRecord, WORLD_FORMAT } from '@mq/autopilot'
import { type DecisionEvent, type DecisionState, decisionTransition, isDecided, MqError } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { Provisioner } from '../provision/provisioner.ts'
import type { ActiveId, IdSpec } from '../registry/records.ts'
import { type Registry, withoutStamp } from '../registry/registry.ts'
import type { RecordedWorld } from '../store/ports/decision-worlds.ts'
import type { EntryKind } from '../store/ports/journal.ts'
import type { WriteTransaction } from '../store/ports/repositories.ts'
import type { Store } from '../store/store.ts'
import { readVersion } from '../version.ts'
import type { Decisions } from './decisions.ts'

/** The latest steps are kept; turns of a trial are none. */
const MAX_STEPS = 60

export interface DecisionWriterOptions {
  readonly store: Store
  readonly registry: Registry
  readonly provisioner: Provisioner
  readonly decisions: Decisions
  readonly deps: Deps
}

export interface Step {
  readonly event: DecisionEvent
  readonly note: string
  readonly actor: string
}

export type ChangeRecord = (record: DecisionRecord, revision?: number) => DecisionRecord
const same: ChangeRecord = (record) => record

export class DecisionWriter {
  readonly #options: DecisionWriterOptions
  readonly #version = readVersion()
  #closed = false

  constructor(options: DecisionWriterOptions) {
    this.#options = options
  }

  /** W4 */
  close(): void {
    this.#closed = true
  }

  get nowMs(): number {
    return this.#options.deps.clock.nowMs()
  }

  row(number: number): DecisionRecord {
    const record = this.#options.decisions.current(number)
    if (record === undefined) throw new MqError('MQ_DECISION_OVER', `decision ${number} is over`)
    return record
  }

  /** Shows a newer status without a write: the next one carries it. */
  setStatus(number: number, change: ChangeRecord): void {
    this.#options.decisions.commitToMemory({ ...change(this.row(number)), updatedAtMs: this.nowMs })
  }

  /** @param recorded what it was proposed from */
  async insert(
    record: Omit<DecisionRecord, 'number'>,
    recorded: Pick<RecordedWorld, 'world' | 'proposal'>,
  ): Promise<DecisionRecord> {
    const { store } = this.#options
    const inserted = await store.write(`a decision about ${record.mqId}`, async (tx) => {
      this.#checkOpen()
      const numbered = await tx.decisions.add(record)
      const { number, createdAtMs: atMs } = numbered
      await tx.decisionWorlds.add({ number, atMs, version: this.#version, format: WORLD_FORMAT, ...recorded })
      const after = { decision: numbered.number, state: numbered.state, change: numbered.change }
      const entry = {
        kind: 'decision',
        subject: record.mqId,
        actor: 'mq',
        why: record.title,
        before: null,
        after,
      } as const
      await tx.journal.append(entry, this.nowMs, store.revision)
      return numbered
    })
    return inserted
  }

  /** Writes what was found, the state staying as it is. */
  async update(number: number, change: ChangeRecord): Promise<DecisionRecord> {
    const { store } = this.#options
    const after = { ...change(this.row(number)), updatedAtMs: this.nowMs }
    await store.write(`keeping decision ${number}`, (tx) => this.#save(tx, after))
    return after
  }

  /** Writes the state an event leads to, the binding staying as it is (W2). */
  async transition(number: number, step: Step, change: ChangeRecord = same): Promise<DecisionRecord> {
    const { store } = this.#options
    const before = this.row(number)
    const after = this.#arrive(change(before), next(before, step.event), step)
    await store.write(`decision ${number}`, async (tx) => {
      await this.#save(tx, after)
      if (after.state === before.state) return
      const entry = {
        kind: 'decision',
        subject: before.mqId,
        actor: step.actor,
        why: step.note,
        before: { decision: number, state: before.state },
        after: { decision: number, state: after.state },
      } as const
      await tx.journal.append(entry, this.nowMs, store.revision)
    })
    return after
  }

  /**
   * Writes a new binding together with the state it belongs to (W1). Without a step the state stays, as in the turns of a trial.
   * @param spec what the mQ ID is to have; undefined when there is nothing to change
   */
  async publish(
    number: number,
    kind: EntryKind,
    why: string,
    spec: (active: ActiveId) => IdSpec | undefined,
    step: Step | undefined,
    change: ChangeRecord = same,
  ): Promise<DecisionRecord> {
    const { registry, provisioner } = this.#options
    const { mqId } = this.row(number)
    return provisioner.exclusively(mqId, async () => {
      const row = this.row(number)
      const state = step === undefined ? row.state : next(row, step.event)
      const record = registry.get(mqId)
      const changed = record?.state === 'active' ? spec(record) : undefined
      if (record?.state !== 'active' || changed === undefined) {
        return step === undefined ? row : this.transition(number, step, (before) => change(before))
      }
      let after = row
      await registry.publish(
        { ...withoutStamp(record), spec: changed },
        {
          kind,
          subject: mqId,
          actor: step?.actor ?? 'mq',
          why,
          before: {
            decision: number,
            producer: record.spec.producer,
            consumer: record.spec.consumer,
            trial: record.spec.trial,
          },
          after: { decision: number, producer: changed.producer, consumer: changed.consumer, trial: changed.trial },
        },
        async (tx, revision) => {
          const moved = change(row, revision)
          after = step === undefined ? { ...moved, updatedAtMs: this.nowMs } : this.#arrive(moved, state, step)
          await this.#save(tx, after)
        },
      )
      return after
    })
  }

  async #save(tx: WriteTransaction, record: DecisionRecord): Promise<void> {
    this.#checkOpen()
    await tx.decisions.save(record)
  }

  /** W4 */
  #checkOpen(): void {
    if (this.#closed) throw new MqError('MQ_CLOSED', 'the control plane is closing')
  }

  #arrive(record: DecisionRecord, state: DecisionState, { event, note, actor }: Step): DecisionRecord {
    const nowMs = this.nowMs
    const steps = [...record.steps, { atMs: nowMs, state, event, actor, note }].slice(-MAX_STEPS)
    const isOver = isDecided(state)
    // Nothing is compared any more, and the windows are most of the row.
    const work = isOver ? { ...record.work, baseline: [], past: [] } : record.work
    return { ...record, work, state, status: note, steps, updatedAtMs: nowMs, endedAtMs: isOver ? nowMs : null }
  }
}

function next(record: DecisionRecord, event: DecisionEvent): DecisionState {
  const answer = decisionTransition(record.state, event)
  switch (answer.kind) {
    case 'go':
      return answer.to
    case 'stay':
      return record.state
    case 'refuse':
      throw new MqError(answer.code, `decision ${record.number} about '${record.mqId}' is ${record.state}`, {
        details: { number: record.number, state: record.state },
      })
    case 'impossible':
      throw new MqError('MQ_INTERNAL', `decision ${record.number} met '${event}' while it was ${record.state}`)
  }
}
