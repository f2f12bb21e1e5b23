/**
 * A typed handle on one mQ ID, with or without a schema.
 *
 * X1. With a schema nothing that does not match it is sent, and no handler sees a value that does not match it.
 * X2. Sends of a handle whose schema answers asynchronously keep their order.
 */
import { MqError, mqIdProblem } from '@mq/contract'
import type { Receipt } from '@mq/kafka'
import { leftAlone, refused } from '../base/refused.ts'
import { RecordMessage } from '../formats/message.ts'
import { type Schema, validate } from '../formats/schema.ts'
import { sendMany } from '../send/send-many.ts'
import type {
  ConsumeOptions,
  Handler,
  HandlerContext,
  Mq,
  OutgoingMessage,
  Queue,
  ReceivedMessage,
  SendOptions,
  Subscription,
} from './types.ts'

export function idProblem(id: unknown): MqError | undefined {
  const problem = mqIdProblem(id)
  if (problem === undefined) return undefined
  return new MqError('MQ_ID_INVALID', `'${String(id).slice(0, 130)}' is not an mQ ID: ${problem}`)
}

/** @throws MqError for what is no mQ ID or no schema */
export function queueOf<Input, Output>(
  mq: Mq,
  id: string,
  schema: Schema<Input, Output> | undefined,
): Queue<Input, Output> {
  const problem = idProblem(id)
  if (problem !== undefined) throw problem
  if (schema !== undefined && typeof schema?.['~standard']?.validate !== 'function') {
    const what = `The schema of ${id} is no Standard Schema, such as those of zod, valibot and arktype`
    throw new MqError('MQ_OPTION_INVALID', what)
  }
  return new MqQueue(mq, id, schema)
}

export class MqQueue<Input, Output = Input> implements Queue<Input, Output> {
  readonly id: string
  readonly #mq: Mq
  readonly #schema: Schema<Input, Output> | undefined
  /** The last send whose schema answers later. */
  #tail: Promise<unknown> | undefined

  constructor(mq: Mq, id: string, schema?: Schema<Input, Output>) {
    this.#mq = mq
    this.id = id
    this.#schema = schema
  }

  send(value: Input, options?: SendOptions): Promise<Receipt> {
    if (this.#schema === undefined) return this.#mq.send(this.id, value, options)
    let checked: unknown
    try {
      checked = validate(this.id, this.#schema as Schema<unknown, Output>, value)
    } catch (error) {
      return refused(error)
    }
    if (!(checked instanceof Promise) && this.#tail === undefined) return this.#mq.send(this.id, value, options)
    const before = this.#tail
    const turn = checked instanceof Promise ? checked : Promise.resolve()
    const sent = (before ?? Promise.resolve()).then(() => turn)
    // The place in the line is given on when this one was handed over, not when it is durable.
    const handed = sent.then(() => ({ receipt: this.#mq.send(this.id, value, options) }))
    const tail = handed.then(
      () => {},
      () => {},
    )
    this.#tail = tail
    void tail.then(() => {
      if (this.#tail === tail) this.#tail = undefined
    })
    return leftAlone(handed.then(({ receipt }) => receipt))
  }

  sendMany(messages: Iterable<OutgoingMessage<Input>>): Promise<readonly Receipt[]> {
    return sendMany(this.id, messages, (value, options) => this.send(value, options))
  }

  consume(group: string, handler: Handler<Output>, options: ConsumeOptions<Output> = {}): Promise<Subscription> {
    const schema = this.#schema as Schema<unknown, Output> | undefined
    if (schema === undefined || typeof handler !== 'function') {
      return this.#mq.consume<Output>(this.id, group, handler, options)
    }
    const checked = (message: ReceivedMessage<Output>, context: HandlerContext): unknown => {
      const fail = (error: unknown): never => {
        if (error instanceof MqError) RecordMessage.setPoison(message, error)
        throw error
      }
      const pass = (value: Output): unknown => {
        RecordMessage.setValue(message, value)
        return handler(message, context)
      }
      const raw = message.value
      let output: Output | Promise<Output>
      try {
        output = validate(this.id, schema, raw)
      } catch (error) {
        return fail(error)
      }
      return output instanceof Promise ? output.then(pass, fail) : pass(output)
    }
    return this.#mq.consume<Output>(this.id, group, checked, options)
  }
}
