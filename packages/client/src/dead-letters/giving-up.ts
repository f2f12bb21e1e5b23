/**
 * Puts a message aside that its handler failed on too often: it becomes a dead letter, and its key goes on.
 *
 * GU1. A message counts as finished only once its dead letter is stored; while that fails nothing passes it, which is said.
 * GU2. That a dead letter cannot be written is no attempt: the handler is not called again for it, and the letter keeps its reason.
 * GU3. A message whose attempts were used up by another process is tried once more here: the letter has a reason of its own.
 * GU4. What cannot be decoded is given up at the first attempt where that was asked for, and else like any other.
 * GU5. A handler that fails after its partition was taken away, or after it was told to stop because the subscription ends, makes no dead
 *      letter: its message is handed out again, by whoever has the partition then.
 */
import type { Deps } from '@mq/kafka'
import type { ReceivedMessage } from '../api/types.ts'
import type { MessageHandler } from '../consume/message-handler.ts'
import type { RetryPolicy } from '../consume/retry-policy.ts'
import { NotAnAttempt } from '../epochs/delivery.ts'
import { isThenable } from '../epochs/key-scheduler.ts'
import { type MessageRecord, RecordMessage } from '../formats/message.ts'
import { type DeadLetter, letterFrom } from './letter.ts'

export interface LetterPort {
  /** Resolves when it is stored. */
  write(letter: DeadLetter): Promise<void>
}

export interface GivingUpParts {
  readonly group: string
  readonly app: string
  readonly deps: Pick<Deps, 'clock'>
  readonly letters: LetterPort
  /** Asked for every message. */
  policy(): RetryPolicy
  /** Handlers that run still were told to stop (GU5). */
  isOver?(): boolean
  /** It failed for the last time; its letter is about to be written. */
  onLastFailure(message: ReceivedMessage, error: unknown): void
  /** Its letter is stored. */
  onGivenUp(message: ReceivedMessage): void
}

export function givingUp(handler: MessageHandler, parts: GivingUpParts): MessageHandler {
  /** Letters that could not be written yet (GU2). */
  const waiting = new WeakMap<MessageRecord, DeadLetter>()
  /** Whether anything was ever put in there: this runs for every message, and most applications never give one up. */
  let mayWait = false

  const write = async (message: ReceivedMessage, record: MessageRecord, letter: DeadLetter): Promise<void> => {
    try {
      await parts.letters.write(letter)
    } catch (error) {
      throw new NotAnAttempt(error instanceof Error ? error.message : String(error), { cause: error })
    }
    waiting.delete(record)
    parts.onGivenUp(message)
  }

  return (message, before, partition) => {
    const policy = parts.policy()
    if (policy.attempts === Number.POSITIVE_INFINITY && !mayWait) return handler(message, before, partition)
    const record = RecordMessage.recordOf(message)
    const unwritten = waiting.get(record)
    if (unwritten !== undefined) return write(message, record, unwritten)
    if (policy.attempts === Number.POSITIVE_INFINITY) return handler(message, before, partition)

    const failed = (error: unknown): unknown => {
      if (partition?.phase === 'gone' || parts.isOver?.() === true) throw error
      const isUndecodable = RecordMessage.poisonOf(message) !== undefined
      if (message.attempt < policy.attempts && !(isUndecodable && policy.givesUpUndecodable)) throw error
      const nowMs = parts.deps.clock.nowMs()
      const letter = letterFrom({
        id: message.id,
        group: parts.group,
        app: parts.app,
        epoch: message.epoch,
        record,
        attempts: message.attempt,
        firstFailedAtMs: before?.firstFailedAtMs ?? nowMs,
        lastFailedAtMs: nowMs,
        error,
        isUndecodable,
      })
      waiting.set(record, letter)
      mayWait = true
      parts.onLastFailure(message, error)
      return write(message, record, letter)
    }
    let result: unknown
    try {
      result = handler(message, before, partition)
    } catch (error) {
      return failed(error)
    }
    return isThenable(result) ? Promise.resolve(result).catch(failed) : result
  }
}
