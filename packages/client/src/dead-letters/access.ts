/**
 * How a connection comes to the dead letters of a group: writing one, reading them, the way back.
 */
import { MqError, type SideRole, sideIdOf } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { LogReading, ReadOptions, SendOptions } from '../api/types.ts'
import type { ControlPlaneClient } from '../bindings/control-plane-client.ts'
import type { BindingSource } from '../bindings/source.ts'
import type { BindingStore } from '../bindings/store.ts'
import { type MessageRecord, RecordMessage } from '../formats/message.ts'
import { GroupDeadLetters } from './box.ts'
import type { DeadLetterBox } from './types.ts'
import { DeadLetterWriter } from './writer.ts'

export interface DeadLetterAccessParts {
  readonly app: string
  readonly deps: Deps
  readonly store: Pick<BindingStore, 'get'>
  readonly source: Pick<BindingSource, 'resolve'>
  readonly controlPlane: Pick<ControlPlaneClient, 'ensureSide' | 'noteDeadLetters'>
  send(id: string, value: Uint8Array | null, options: SendOptions): Promise<unknown>
  read(id: string, options: ReadOptions): Promise<LogReading>
}

export class DeadLetterAccess {
  readonly #parts: DeadLetterAccessParts

  constructor(parts: DeadLetterAccessParts) {
    this.#parts = parts
  }

  writer(mqId: string, group: string): DeadLetterWriter {
    const { store, source, controlPlane, send } = this.#parts
    return new DeadLetterWriter({
      mqId,
      group,
      ensure: () => controlPlane.ensureSide(mqId, group, 'dead-letters'),
      isBound: (id) => store.get(id) !== undefined,
      resolve: (id) => source.resolve(id),
      send,
    })
  }

  box(mqId: string, group: string): DeadLetterBox {
    const { app, deps, controlPlane, send } = this.#parts
    const idOf = (role: SideRole): string => sideIdOf({ mqId, group, role })
    return new GroupDeadLetters({
      app,
      deps,
      letters: (signal) => this.#records(idOf('dead-letters'), signal),
      redriven: (signal) => this.#records(idOf('redrive'), signal),
      ensureRedrive: () => controlPlane.ensureSide(mqId, group, 'redrive'),
      send: (to, value, options) => send(idOf(to), value, options),
      note: (action) => controlPlane.noteDeadLetters(mqId, group, action),
    })
  }

  /** All records of an mQ ID of mQ's own, to the end of now; none where it was not made yet. */
  async *#records(id: string, signal: AbortSignal | undefined): AsyncGenerator<MessageRecord> {
    let reading: LogReading
    try {
      const options = { from: 'earliest', untilEnd: true } as const
      reading = await this.#parts.read(id, signal === undefined ? options : { ...options, signal })
    } catch (error) {
      if (error instanceof MqError && error.code === 'MQ_ID_UNKNOWN') return
      throw error
    }
    for await (const message of reading) yield RecordMessage.recordOf(message)
  }
}
