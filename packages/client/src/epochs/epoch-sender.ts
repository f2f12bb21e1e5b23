/**
 * Where the records of one mQ ID go: the writer of the epoch that is open, a line to wait in while there is none, and the way from one
 * epoch to the next. Of values it knows nothing: it takes records whose bytes are made, or will be (`UnsentRecord`).
 *
 * T2. While there is no writable epoch (no binding yet, or an epoch changing hands) records wait in order, bounded in bytes and
 *     time, and leave before any later one.
 * T4. A new open epoch is written to only when it is known of everything sent to the one before whether its log has it; what it
 *     has not leaves first, in order (handover.ts).
 * T5. A topic that refuses what only a sealed one refuses fails no send: the binding is asked for until it says what is new,
 *     and as long as it says that nothing is, the topic is tried again.
 * T6. Answers that are under way when an epoch ends are waited for a moment, so that only what is lost is looked for in its log.
 * T7. An epoch that is being prepared has its writer already, connected, so that opening it costs no connecting.
 */
import { type Binding, type Epoch, MqError, openEpoch } from '@mq/contract'
import {
  backoffMs,
  type Deps,
  type MemoryBudget,
  type ProducerTopic,
  pause,
  type Receipt,
  withinOrUndefined,
} from '@mq/kafka'
import { type Handed, Handover } from './handover.ts'
import { HeldSends, type UnsentRecord } from './held-sends.ts'
import type { EpochWriter } from './writer.ts'

export interface EpochSenderOptions {
  readonly mqId: string
  readonly budget: MemoryBudget
  readonly deps: Deps
  readonly deadlineMs: number
  writerFor(binding: Binding, epoch: Epoch): EpochWriter
  /** Asks the control plane for the binding; what it says comes by `apply`. Never rejects. */
  refetch(): Promise<void>
  /** Why there is no binding yet. */
  noBinding?(): MqError
  /** A send was refused at the call, or gave up waiting: no producer was given it. */
  onRefused?(error: MqError): void
  /** Sends flow again, in a later epoch than before. */
  onSwitched?(move: EpochSwitch): void
}

export interface EpochSwitch extends Omit<Handed, 'expired'> {
  /** Records whose sends failed from the pause on. */
  readonly failed: number
  readonly fromEpoch: number
  readonly toEpoch: number
  readonly writePauseMs: number
}

export type SendPhase =
  | { readonly kind: 'waiting'; readonly why: MqError }
  | { readonly kind: 'open'; readonly binding: Binding; readonly writer: EpochWriter; readonly topic: ProducerTopic }
  | { readonly kind: 'refused'; readonly error: MqError }

/** How long the log of an epoch that was given up is tried to be read. */
const LOST_LOG_MS = 5_000
/** How long the answers of an epoch that ended are waited for. */
const LAST_ANSWERS_MS = 500
const ASK_AGAIN = { baseMs: 100, maxMs: 1_000 }
/** Answers that nothing is new before a refusing topic is tried again. */
const TRY_AGAIN_AFTER = 3

export class EpochSender {
  readonly #options: EpochSenderOptions
  readonly #held: HeldSends
  #phase: SendPhase
  #binding: Binding | undefined
  #previous: EpochWriter | undefined
  /** Of the epoch that is being prepared (T7). */
  #next: EpochWriter | undefined
  readonly #handover: Handover
  readonly #closed = new AbortController()
  #switching = false
  #breakOff: (() => void) | undefined
  #isAsking = false
  /** Since when an epoch takes nothing more: it was said so, or its topic refused. */
  #pause: { readonly writer: EpochWriter; readonly failedBefore: number; readonly sinceMs: number } | undefined

  constructor(options: EpochSenderOptions) {
    this.#options = options
    const why = new MqError('MQ_CONTROL_PLANE_AWAY', `There is no binding of ${options.mqId} yet, and none is cached`)
    this.#phase = { kind: 'waiting', why }
    const { mqId, deps } = options
    this.#handover = new Handover({ mqId, deps })
    this.#held = new HeldSends({
      mqId: options.mqId,
      budget: options.budget,
      deps: options.deps,
      deadlineMs: options.deadlineMs,
      onFailure: (error) => options.onRefused?.(error),
      reason: () => {
        const told = this.#phase.kind === 'waiting' ? this.#phase.why : why
        return told === why ? (options.noBinding?.() ?? why) : told
      },
    })
  }

  get phase(): SendPhase {
    return this.#phase
  }

  /** Until an epoch can be written to (T2). */
  hold(record: UnsentRecord): Promise<Receipt> {
    return this.#held.hold(record)
  }

  /** A newer binding: settings apply between batches, a new epoch after the old one is settled. */
  apply(binding: Binding): void {
    this.#binding = binding
    if (binding.deleted) {
      this.refuse(new MqError('MQ_ID_DELETED', `${this.#options.mqId} was deleted`))
      return
    }
    const open = openEpoch(binding)
    this.#prepare(binding)
    if (this.#switching) {
      if (open === undefined || this.#previous?.writes(open) !== true) this.#breakOff?.()
      return
    }
    const writer = this.#writer
    if (open !== undefined && writer?.writes(open) === true && this.#handover.size === 0) {
      writer.update(binding)
      if (this.#phase.kind === 'open') {
        this.#phase = { ...this.#phase, binding }
        return
      }
      writer.resume()
      this.#open(binding, writer)
      return
    }
    this.#wait(`${this.#options.mqId} is changing its epoch`)
    if (writer === undefined) {
      if (open !== undefined) this.#open(binding, this.#writerOf(binding, open))
      return
    }
    this.#previous = writer
    this.#pauses(writer)
    writer.hold()
    if (open !== undefined) void this.#switch(binding, open, writer)
  }

  /** The topic of the writer refuses what only a sealed one refuses (T5). */
  async sealed(writer: EpochWriter): Promise<void> {
    if (this.#isAsking) return
    this.#isAsking = true
    this.#pauses(writer)
    const { deps } = this.#options
    const isOn = (): boolean => this.#phase.kind === 'open' && this.#phase.writer === writer && writer.isRefused
    try {
      for (let round = 1; isOn(); round++) {
        await this.#options.refetch()
        if (!isOn()) return
        if (round > TRY_AGAIN_AFTER) writer.resume()
        await pause(deps, backoffMs(round, deps.random, ASK_AGAIN, 'none'), this.#closed.signal)
      }
    } finally {
      this.#isAsking = false
      // It was no seal: the topic takes records again.
      if (this.#phase.kind === 'open' && this.#phase.writer === writer && !writer.isRefused) this.#pause = undefined
    }
  }

  /** What waits for the next epoch now, and for how long that has been so. */
  holding(): { readonly epoch: number; readonly records: number; readonly forMs: number } | undefined {
    const pause = this.#pause
    if (pause === undefined) return undefined
    const { writer, sinceMs } = pause
    const records = this.#held.size + this.#handover.size + writer.unsettledRecords
    if (records === 0) return undefined
    return { epoch: writer.epoch, records, forMs: this.#options.deps.clock.monotonicMs() - sinceMs }
  }

  /** Nothing can be sent any more, until a newer binding says otherwise. */
  refuse(error: MqError): void {
    const writer = this.#writer
    if (writer !== undefined) this.#previous = writer
    this.#phase = { kind: 'refused', error }
    this.#held.refuse(error)
    this.#handover.refuse(error)
    this.#breakOff?.()
  }

  async flush(): Promise<void> {
    await Promise.all([this.#held.idle(), this.#handover.idle(), this.#writer?.producer.flush()])
  }

  /** Flushes within the time, then refuses everything. @returns how many sends were not settled */
  async close(
    deadlineMs: number,
    wait: (limitMs: number, promise: Promise<unknown>) => Promise<unknown>,
  ): Promise<number> {
    const { clock } = this.#options.deps
    const endMs = clock.monotonicMs() + deadlineMs
    // Between two epochs nothing can be flushed: what is held leaves when the next one opens.
    const isBetween = this.#phase.kind === 'waiting'
    await wait(deadlineMs, isBetween ? this.flush() : this.#held.idle())
    const writer = this.#writer
    const unsettled = this.#held.size + this.#handover.size
    this.#closed.abort()
    this.refuse(new MqError('MQ_CLOSED', `The connection that sends to ${this.#options.mqId} was closed`))
    void this.#next?.close().catch(() => {})
    try {
      await writer?.close(Math.max(1, endMs - clock.monotonicMs()))
      return unsettled
    } catch (error) {
      if (!(error instanceof MqError) || error.code !== 'MQ_CLOSE_INCOMPLETE') throw error
      return unsettled + Number(error.details.records ?? 1)
    }
  }

  get #writer(): EpochWriter | undefined {
    return this.#phase.kind === 'open' ? this.#phase.writer : this.#previous
  }

  #wait(what: string): void {
    const why = new MqError('MQ_SEND_TIMEOUT', `${what}, and no epoch became writable in time`)
    this.#phase = { kind: 'waiting', why }
  }

  #open(binding: Binding, writer: EpochWriter): void {
    this.#previous = undefined
    const { producer, topic } = writer
    this.#held.drain(binding, ({ key, headers, timestampMs, limits }, encoded) =>
      producer.send(topic, key, encoded, headers, timestampMs, limits),
    )
    this.#phase = { kind: 'open', binding, writer, topic }
    this.#goesOn(writer)
  }

  #pauses(writer: EpochWriter): void {
    if (this.#pause !== undefined) return
    this.#held.takeExpired()
    const sinceMs = this.#options.deps.clock.monotonicMs()
    this.#pause = { writer, failedBefore: writer.failedRecords, sinceMs }
  }

  #goesOn(writer: EpochWriter): void {
    const pause = this.#pause
    this.#pause = undefined
    const { expired, ...handed } = this.#handover.takeHanded()
    if (pause === undefined || writer.epoch <= pause.writer.epoch) return
    const writePauseMs = this.#options.deps.clock.monotonicMs() - pause.sinceMs
    const failed = pause.writer.failedRecords - pause.failedBefore + this.#held.takeExpired() + expired
    this.#options.onSwitched?.({
      fromEpoch: pause.writer.epoch,
      toEpoch: writer.epoch,
      writePauseMs,
      ...handed,
      failed,
    })
  }

  /** T7 */
  #prepare(binding: Binding): void {
    const next = this.#next
    const isWanted = ({ state }: Epoch): boolean => state === 'preparing' || state === 'open'
    if (next !== undefined && !binding.epochs.some((epoch) => isWanted(epoch) && next.writes(epoch))) {
      this.#next = undefined
      void next.close().catch(() => {})
    }
    const preparing = binding.epochs.find(({ state }) => state === 'preparing')
    if (preparing === undefined || this.#next !== undefined || this.#closed.signal.aborted) return
    try {
      this.#next = this.#options.writerFor(binding, preparing)
      this.#next.warm()
    } catch {
      // The epoch before is still good; what is wrong is said when this one opens.
    }
  }

  /** The writer of an epoch: the one prepared for it, if there is one. */
  #writerOf(binding: Binding, epoch: Epoch): EpochWriter {
    const next = this.#next
    if (next?.writes(epoch) !== true) return this.#options.writerFor(binding, epoch)
    this.#next = undefined
    next.update(binding)
    return next
  }

  /** From one epoch to the next (T4); bindings that come meanwhile are looked at afterwards. */
  async #switch(binding: Binding, open: Epoch, from: EpochWriter): Promise<void> {
    this.#switching = true
    const { promise: broken, resolve: breakOff } = Promise.withResolvers<void>()
    this.#breakOff = breakOff
    try {
      const to = from.writes(open) ? from : await this.#leave(binding, open, from)
      if (to === from) from.resume()
      if (to !== undefined) {
        await this.#handover.moveTo(to, broken)
        to.hurry()
      }
    } catch (error) {
      this.refuse(error instanceof MqError ? error : new MqError('MQ_INTERNAL', String(error), { cause: error }))
    } finally {
      this.#switching = false
      this.#breakOff = undefined
    }
    const newest = this.#binding
    if (newest === undefined || this.#closed.signal.aborted) return
    // Refused meanwhile, and perhaps declared anew since.
    const isAnew = this.#phase.kind === 'refused' && newest !== binding && !newest.deleted
    if (this.#phase.kind === 'waiting' || isAnew) this.apply(newest)
  }

  /** Takes what an epoch holds. @returns the writer of the next one; nothing when nothing may be sent meanwhile */
  async #leave(binding: Binding, open: Epoch, from: EpochWriter): Promise<EpochWriter | undefined> {
    // T6
    await withinOrUndefined(this.#options.deps, LAST_ANSWERS_MS, from.answered())
    this.#handover.putFirst(from.takeOver())
    if (this.#phase.kind === 'refused') {
      this.#handover.refuse(this.#phase.error)
      return undefined
    }
    const to = this.#writerOf(binding, open)
    this.#previous = to
    await this.#resolve(binding, from)
    void from.close().catch(() => {})
    return to
  }

  async #resolve(binding: Binding, from: EpochWriter): Promise<void> {
    const { deps, deadlineMs } = this.#options
    const ended = binding.epochs.find((epoch) => from.writes(epoch))
    const over = new AbortController()
    const signal = AbortSignal.any([over.signal, this.#closed.signal])
    const limitMs = ended?.state === 'lost' ? LOST_LOG_MS : deadlineMs
    const found = this.#handover.resolve((question) => from.find(question, ended, signal))
    await withinOrUndefined(deps, limitMs, found)
    over.abort()
    await found
  }
}
