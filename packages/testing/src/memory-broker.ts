/**
 * What connections in memory share: mQ IDs with their messages and groups, faults that a test ordered, and time.
 *
 * B1. Sends that cannot be stored now wait in order, each until its own deadline.
 */
import { MqError, type MqErrorCode } from '@mq/contract'
import { StoredReceipt, tooLarge } from '@mq/kafka'
import type { Receipt } from '@mq/kafka/types'
import type { ManualTime } from './manual-time.ts'
import { MemoryGroup } from './memory-group.ts'
import type { MemorySubscription } from './memory-subscription.ts'
import { type EncodedSend, MemoryTopic } from './memory-topic.ts'
import type { HandlerFailure, SendFault, TopicOptions } from './types.ts'

interface WaitingSend {
  readonly topic: MemoryTopic
  readonly send: EncodedSend
  settle(): void
}

export class MemoryBroker {
  readonly time: ManualTime
  readonly failures: HandlerFailure[] = []
  readonly deadLetters: HandlerFailure[] = []
  readonly subscriptions = new Set<MemorySubscription>()
  readonly #topics = new Map<string, MemoryTopic>()
  readonly #deleted = new Set<string>()
  readonly #groups = new Map<string, MemoryGroup>()
  readonly #faults = new Map<string, { readonly fault: SendFault; left: number }[]>()
  readonly #waiting: WaitingSend[] = []
  readonly #createOnFirstUse: boolean
  readonly #sendDeadlineMs: number
  #turn = Promise.withResolvers<void>()
  isAway = false

  constructor(time: ManualTime, createOnFirstUse: boolean, sendDeadlineMs: number) {
    this.#sendDeadlineMs = sendDeadlineMs
    this.time = time
    this.#createOnFirstUse = createOnFirstUse
  }

  declare(id: string, options: TopicOptions): void {
    if (this.#topics.has(id)) throw new Error(`${id} is there already: declare it before its first use`)
    this.#deleted.delete(id)
    this.#topics.set(id, new MemoryTopic(id, options))
  }

  delete(id: string): void {
    this.#topics.delete(id)
    this.#deleted.add(id)
    for (const key of this.#groups.keys()) if (key.endsWith(`@${id}`)) this.#groups.delete(key)
    for (const each of [...this.subscriptions]) if (each.id === id) each.fail(idDeleted(id))
  }

  /** @throws MqError MQ_ID_UNKNOWN, MQ_ID_DELETED */
  topic(id: string): MemoryTopic {
    const known = this.#topics.get(id)
    if (known !== undefined) return known
    if (this.#deleted.has(id)) throw idDeleted(id)
    if (!this.#createOnFirstUse) throw idUnknown(id)
    this.declare(id, {})
    return this.#topics.get(id)!
  }

  /** What was stored; nothing for an mQ ID that nobody used. */
  stored(id: string): MemoryTopic | undefined {
    return this.#topics.get(id)
  }

  group(topic: MemoryTopic, name: string, from: 'earliest' | 'latest'): MemoryGroup {
    const key = `${name}@${topic.id}`
    const known = this.#groups.get(key)
    if (known !== undefined) return known
    const group = new MemoryGroup(topic, from)
    this.#groups.set(key, group)
    return group
  }

  failSends(id: string, fault: SendFault): void {
    const list = this.#faults.get(id) ?? []
    list.push({ fault, left: fault.times ?? 1 })
    this.#faults.set(id, list)
  }

  /** @throws MqError for what is certain at the call */
  send(topic: MemoryTopic, send: EncodedSend): Promise<Receipt> {
    const bytes = sizeOf(send.key) + sizeOf(send.value)
    if (bytes > topic.maxMessageBytes) throw tooLarge(bytes, topic.maxMessageBytes)
    const fault = this.#nextFault(topic.id)
    if (fault !== undefined) {
      const { code = 'MQ_SEND_TIMEOUT', stored = false } = fault
      if (stored) this.store(topic, send)
      const details = code === 'MQ_SEND_UNCERTAIN' ? { records: 1, maybeStored: true } : {}
      throw new MqError(code, `A message for ${topic.id} failed because the test ordered it`, { details })
    }
    if (this.isAway || this.#waiting.length > 0) return this.#wait(topic, send)
    return Promise.resolve(this.store(topic, send))
  }

  store(topic: MemoryTopic, send: EncodedSend): Receipt {
    const { partition, offset } = topic.append(send, send.timestampMs ?? this.time.nowMs)
    for (const [key, group] of this.#groups) if (key.endsWith(`@${topic.id}`)) group.wake()
    return new StoredReceipt(`${topic.id}.e1`, partition, offset)
  }

  away(): void {
    this.isAway = true
  }

  back(): void {
    this.isAway = false
    for (const waiting of this.#waiting.splice(0)) waiting.settle()
    for (const each of this.subscriptions) each.wake()
  }

  turned(): void {
    this.#turn.resolve()
    this.#turn = Promise.withResolvers()
  }

  /** Resolves at the next turn of any subscription. */
  nextTurn(): Promise<void> {
    return this.#turn.promise
  }

  /** B1 */
  #wait(topic: MemoryTopic, send: EncodedSend): Promise<Receipt> {
    const { timers } = this.time.deps
    const { signal, deadlineMs = this.#sendDeadlineMs } = send
    return new Promise((resolve, reject) => {
      const end = (): void => {
        timers.clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        const at = this.#waiting.indexOf(waiting)
        if (at >= 0) this.#waiting.splice(at, 1)
      }
      const notStored = (code: MqErrorCode, why: string): void => {
        end()
        const what = `1 message for ${topic.id} not stored: it could not be sent ${why}`
        reject(new MqError(code, what, { details: { records: 1, maybeStored: false } }))
      }
      const onAbort = (): void => notStored('MQ_SEND_CANCELLED', 'before it was cancelled')
      const timer = timers.setTimeout(() => notStored('MQ_SEND_TIMEOUT', `within ${deadlineMs} ms`), deadlineMs)
      const waiting: WaitingSend = {
        topic,
        send,
        settle: () => {
          end()
          resolve(this.store(topic, send))
        },
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(waiting)
    })
  }

  #nextFault(id: string): SendFault | undefined {
    const list = this.#faults.get(id)
    const first = list?.[0]
    if (first === undefined) return undefined
    first.left--
    if (first.left <= 0) list!.shift()
    return first.fault
  }
}

const idDeleted = (id: string): MqError => new MqError('MQ_ID_DELETED', `${id} was deleted`)
const idUnknown = (id: string): MqError => new MqError('MQ_ID_UNKNOWN', `There is no mQ ID ${id}`)

const sizeOf = (part: string | Uint8Array | null): number =>
  part === null ? 0 : typeof part === 'string' ? Buffer.byteLength(part) : part.length
