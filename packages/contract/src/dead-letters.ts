/**
 * Dead letters: messages that a group gave up, where they are kept, and what is written beside them.
 *
 * DL1. They have an mQ ID of their own for each mQ ID and group (side-id.ts), made when the group first asks.
 * DL2. A dead letter keeps key, value and headers byte for byte; what mQ knows of it stands in one more header, the last one.
 * DL3. A letter is known by where its message stood and how often it was handed out again before. One that was written twice, because a
 *      process died before it could confirm the message, is one letter.
 * DL4. A letter is settled by a marker beside it that names it: handed out again, or discarded. Nothing is ever deleted before its time.
 * DL5. A marker settles what failed until then. A message that is read again, because somebody moved positions back, and fails again is a
 *      letter anew, under the same name.
 */
import { z } from 'zod'
import { OffsetText } from './binding.ts'
import { MqId, Name } from './mq-id.ts'

/** Where the facts of a dead letter stand. */
export const DEAD_LETTER_HEADER = 'mq-dead-letter'
/** Where the marker stands that settles one. */
export const SETTLED_HEADER = 'mq-dead-letter-settled'
/** Where the facts of a message stand that is handed out again. */
export const REDRIVEN_HEADER = 'mq-redriven'
/** What these headers take at most, beside those of the message. */
export const DEAD_LETTER_HEADER_BYTES = 4_096
/** A letter that was handed out again so often is handed out once more only by force. */
export const MAX_REDRIVES = 3
/** The shortest retention of dead letters; theirs is that of their mQ ID where that is longer. */
export const DEAD_LETTER_RETENTION_MS = 14 * 86_400_000

export const ReasonKind = z.enum(['handler', 'undecodable'])
export type ReasonKind = z.infer<typeof ReasonKind>

export const FailureReason = z.object({
  kind: ReasonKind.describe(
    'handler: it failed; undecodable: the value cannot be decoded or does not match the schema',
  ),
  name: z.string().max(100).describe('Class of the last error'),
  code: z.string().max(100).optional().describe('Code of the last error, when it has one'),
  message: z.string().max(500).describe('Of the last error, shortened, without what looks like a secret'),
  stackHash: z.string().max(20).optional().describe('The same for errors that were thrown at the same place'),
})
export type FailureReason = z.output<typeof FailureReason>

export const DeadLetterFacts = z.object({
  v: z.literal(1),
  id: z.string().max(130).describe('The mQ ID it was sent to'),
  group: z.string().max(200),
  epoch: z.number().int().min(1),
  topic: z.string().max(249),
  partition: z.number().int().min(0),
  offset: OffsetText,
  timestampMs: z.number().describe('When the message was sent, milliseconds since 1970'),
  attempts: z.number().int().min(1).describe('How often the handler failed'),
  firstFailedAtMs: z.number().int(),
  lastFailedAtMs: z.number().int(),
  reason: FailureReason,
  redrives: z.number().int().min(0).describe('How often it had been handed out again before'),
  app: z.string().max(200).describe('The application that gave it up'),
})
export type DeadLetterFacts = z.output<typeof DeadLetterFacts>

export const SettledMarker = z.object({
  v: z.literal(1),
  letter: z.string().max(100),
  as: z.enum(['redriven', 'discarded']),
  atMs: z.number().int(),
  lastFailedAtMs: z.number().int().describe('That of the letter: one that failed later is not settled by this'),
})
export type SettledMarker = z.output<typeof SettledMarker>

/** The name of a letter (DL3). */
export function letterOf({ epoch, partition, offset, redrives }: DeadLetterFacts): string {
  return `${epoch}.${partition}.${offset}.${redrives}`
}

/** Where the dead letters of one group are. */
export const DeadLetterQueue = z.object({
  mqId: MqId,
  group: Name,
  deadLetters: MqId.nullable().describe('The mQ ID that holds them'),
  redrive: MqId.nullable().describe('The mQ ID through which they come back; null before the first redrive'),
  retentionMs: z.number().int().nullable().describe('How long each is kept; null: for ever'),
  written: z
    .number()
    .int()
    .min(0)
    .describe('Dead letters that clients said they wrote since this control plane started'),
  kept: z
    .number()
    .int()
    .min(0)
    .nullable()
    .describe('How many are kept: neither handed out again nor discarded nor removed by their age; null while unknown'),
  oldestAtMs: z.number().nullable().describe('When the oldest that is kept failed last; null when there is none'),
})
export type DeadLetterQueue = z.output<typeof DeadLetterQueue>

/** What somebody did with dead letters, for the journal. */
export const DeadLetterAction = z.object({
  action: z.enum(['redrive', 'discard']),
  letters: z.number().int().min(0),
  filter: z.string().max(1_000).describe('Which were chosen, in words'),
  by: z.string().min(1).max(200).describe('Who asked'),
  state: z.enum(['begun', 'ended', 'broken-off']),
})
export type DeadLetterAction = z.output<typeof DeadLetterAction>
