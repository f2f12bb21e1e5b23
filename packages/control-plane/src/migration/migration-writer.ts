/**
 * Writes of a migration: every change of its state goes through here, with the binding it belongs to.
 *
 * B1. A state and the binding that shows it are one transaction: a crash leaves both or neither.
 * B2. Only transitions of the machine are written.
 * B3. The record is read again inside the lock of its mQ ID, so no other change is overwritten.
 * B4. Writes of one migration follow one another, each upon what the one before left.
 */
import { type MigrationState, MqError } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { Provisioner } from '../provision/provisioner.ts'
import type { ActiveId, EpochRecord } from '../registry/records.ts'
import { type Registry, withoutStamp } from '../registry/registry.ts'
import type { EntryKind, NewEntry } from '../store/ports/journal.ts'
import type { Store } from '../store/store.ts'
import { isEnd, type MigrationEvent, transition } from './machine.ts'
import type { Migrations } from './migrations.ts'
import type { MigrationRecord } from './record.ts'

export interface MigrationWriterOptions {
  readonly store: Store
  readonly registry: Registry
  readonly migrations: Migrations
  readonly provisioner: Provisioner
  readonly deps: Deps
}

/** How the mQ ID changes with the state. */
export interface BindingChange {
  readonly kind: EntryKind
  readonly why: string
  readonly after: unknown
  apply(record: ActiveId): { epochs: EpochRecord[]; spec?: ActiveId['spec'] }
}

/** Why somebody's request changes it. */
export type Asked = Pick<NewEntry, 'kind' | 'actor' | 'why' | 'requestId'>

export class MigrationWriter {
  readonly #options: MigrationWriterOptions
  readonly #turns = new Map<number, Promise<unknown>>()

  constructor(options: MigrationWriterOptions) {
    this.#options = options
  }

  get nowMs(): number {
    return this.#options.deps.clock.nowMs()
  }

  /** The row as it is now. */
  row(number: number): MigrationRecord {
    const record = this.#options.migrations.current(number)
    if (record === undefined) throw new MqError('MQ_MIGRATION_UNKNOWN', `migration ${number} is over`)
    return record
  }

  /** Writes what was found, the state staying as it is. @param asked what somebody asked for, for the journal */
  async update(
    number: number,
    change: (record: MigrationRecord) => MigrationRecord,
    asked?: Asked,
  ): Promise<MigrationRecord> {
    const { store, migrations } = this.#options
    return this.#inTurn(number, async () => {
      const after = { ...change(this.row(number)), updatedAtMs: this.nowMs }
      await store.write(`keeping migration ${number}`, async (tx) => {
        await migrations.save(tx, after)
        if (asked === undefined) return
        const entry = { ...asked, subject: after.mqId, before: null, after: { migration: number } }
        await tx.journal.append(entry, this.nowMs, store.revision)
      })
      return after
    })
  }

  /** Writes into the journal what is about the mQ ID without changing it. */
  async journal(number: number, kind: EntryKind, why: string, after: unknown): Promise<void> {
    const { store } = this.#options
    const { mqId, actor } = this.row(number)
    await store.write(`journalling migration ${number}`, (tx) =>
      tx.journal.append({ kind, subject: mqId, actor, why, before: null, after }, this.nowMs, store.revision),
    )
  }

  /** Writes the state an event leads to, the binding staying as it is (B2). */
  async transition(
    number: number,
    event: MigrationEvent,
    change: (record: MigrationRecord) => MigrationRecord = (record) => record,
    asked?: Asked,
  ): Promise<MigrationRecord> {
    return this.update(
      number,
      (record) => {
        const to = next(record, event)
        return this.#arrive(change(record), to)
      },
      asked,
    )
  }

  /** Writes the state an event leads to together with the binding that shows it (B1). */
  async publish(
    number: number,
    event: MigrationEvent,
    binding: BindingChange,
    change: (record: MigrationRecord, revision: number) => MigrationRecord,
  ): Promise<MigrationRecord> {
    const { registry, migrations, provisioner } = this.#options
    const { mqId } = this.row(number)
    const write = async (): Promise<MigrationRecord> => {
      const row = this.row(number)
      const state = next(row, event)
      let after = row
      const record = registry.get(mqId)
      if (record?.state !== 'active') throw new MqError('MQ_ID_DELETED', `'${mqId}' was deleted`)
      const { epochs, spec } = binding.apply(record)
      await registry.publish(
        { ...withoutStamp(record), epochs, spec: spec ?? record.spec },
        {
          kind: binding.kind,
          subject: mqId,
          actor: row.actor,
          why: binding.why,
          before: { epochs: record.epochs },
          after: binding.after,
        },
        async (tx, revision) => {
          after = { ...this.#arrive(change(row, revision), state), updatedAtMs: this.nowMs }
          await migrations.save(tx, after)
        },
      )
      return after
    }
    return provisioner.exclusively(mqId, () => this.#inTurn(number, write))
  }

  /** B4 */
  #inTurn<T>(number: number, write: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(number) ?? Promise.resolve()
    const mine = before.then(write, write)
    this.#turns.set(number, mine)
    const done = (): void => {
      if (this.#turns.get(number) === mine) this.#turns.delete(number)
    }
    mine.then(done, done)
    return mine
  }

  #arrive(record: MigrationRecord, state: MigrationState): MigrationRecord {
    return { ...record, state, endedAtMs: isEnd(state) ? (record.endedAtMs ?? this.nowMs) : null }
  }
}

function next(record: MigrationRecord, event: MigrationEvent): MigrationState {
  const answer = transition(record.state, event)
  switch (answer.kind) {
    case 'go':
      return answer.to
    case 'stay':
      return record.state
    case 'refuse':
      throw new MqError(answer.code, `migration ${record.number} of '${record.mqId}' is ${record.state}`)
    case 'impossible':
      throw new MqError('MQ_INTERNAL', `migration ${record.number} met '${event}' while it was ${record.state}`)
  }
}
