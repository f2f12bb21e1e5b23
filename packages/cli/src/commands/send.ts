/** `mq send ID`: messages from a file, from standard input or from the command line. */
import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import type { SendOptions } from '@mq/client'
import { type Binding, MqError } from '@mq/contract'
import type { Command } from 'commander'
import { CLI_APP, connectTo } from '../client-port.ts'
import { resolveTarget, type TargetFlags } from '../contexts.ts'
import { commandName, type Io } from '../io.ts'
import { messagesOf, type OutgoingMessage } from '../message-source.ts'
import { apiFor, checkMqId, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'
import { startProgress } from '../progress.ts'
import { SendWindow } from '../send-window.ts'
import { formatRate, plural } from '../units.ts'
import { unreadable } from './apply.ts'

export interface SendFlags extends OutputFlags, TargetFlags {
  readonly file?: string
  readonly value?: string
  readonly key?: string
  readonly keyField?: string
  readonly keyOptional?: boolean
  readonly envelope?: boolean
  readonly keepTimestamps?: boolean
}

const IN_FLIGHT = 10_000

export function sendCommand(program: Command, io: Io): void {
  const command = program
    .command('send')
    .summary('send messages to an mQ ID')
    .description(
      'Sends messages: one a line for the formats json and text, the whole input as one message for bytes. Ends when every message is durable under the intent. A bad line ends it: what stands before that line is sent, nothing after it is.',
    )
    .argument('<id>', 'an mQ ID')
    .option('--file <path>', 'read from a file; - is standard input, which is also the default')
    .option('--value <text>', 'send this one message')
    .option('--key <text>', 'the key of every message')
    .option('--key-field <path>', 'take the key from this field of each JSON value, such as order.id')
    .option('--key-optional', 'send a message without a key when the field is missing')
    .option('--envelope', 'each line is a whole message, with key and headers, as `mq tail -o json` prints one')
    .option('--keep-timestamps', 'with --envelope: send the times of the lines instead of now')
  withExamples(withTarget(withOutput(command)), [
    ['mq send orders.placed --file events.jsonl', 'one JSON value a line'],
    ['cat events.jsonl | mq send orders.placed --key-field order.id', 'order holds within a key'],
    ['mq tail orders.placed --from earliest --exit-at-end -o json | mq send orders.copy --envelope', 'a copy'],
    ['mq send orders.placed --key 7 --value \'{"total":12}\'', 'one message'],
  ]).action((id: string, flags: SendFlags) => send(io, checkMqId(id), flags))
}

async function send(io: Io, id: string, flags: SendFlags): Promise<void> {
  checkFlags(io, flags)
  const binding = await apiFor(io, flags).call(
    'getBinding',
    { params: { id }, query: { app: CLI_APP } },
    { signal: io.interrupt },
  )
  if (flags.keyField !== undefined && binding.format !== 'json') {
    throw new MqError(
      'MQ_OPTION_INVALID',
      `--key-field needs JSON values; the format of ${id} is ${binding.format}: use --key`,
    )
  }
  const startedMs = performance.now()
  const sent = await sendAll(io, id, flags, binding)
  const durationMs = Math.round(performance.now() - startedMs)
  const messagesPerSecond = Math.round(sent / Math.max(durationMs / 1_000, 0.001))
  await print(
    io,
    flags.output,
    { id, sent, durationMs, messagesPerSecond },
    () =>
      `Sent ${plural(sent, 'message')} to ${id} in ${(durationMs / 1_000).toFixed(2)} s${sent > 1 ? ` (${formatRate(messagesPerSecond)}/s)` : ''}.`,
  )
}

function checkFlags(io: Io, flags: SendFlags): void {
  const collide = (one: string, other: string): MqError =>
    new MqError('MQ_OPTION_INVALID', `${one} and ${other} exclude each other`)
  if (flags.value !== undefined && flags.file !== undefined) throw collide('--value', '--file')
  if (flags.key !== undefined && flags.keyField !== undefined) throw collide('--key', '--key-field')
  for (const [name, given] of [
    ['--value', flags.value],
    ['--key', flags.key],
    ['--key-field', flags.keyField],
  ] as const) {
    if (flags.envelope === true && given !== undefined) throw collide('--envelope', name)
  }
  if (flags.keepTimestamps === true && flags.envelope !== true) {
    throw new MqError('MQ_OPTION_INVALID', '--keep-timestamps says something about --envelope only')
  }
  if (flags.keyOptional === true && flags.keyField === undefined) {
    throw new MqError('MQ_OPTION_INVALID', '--key-optional says something about --key-field only')
  }
  if (
    flags.value === undefined &&
    (flags.file === undefined || flags.file === '-') &&
    io.stdin.isTTY === true &&
    flags.file !== '-'
  ) {
    throw new MqError(
      'MQ_OPTION_INVALID',
      `There is nothing to send: pass --value or --file, or pipe into it: cat events.jsonl | ${commandName(io.env)} send ID`,
    )
  }
}

async function sendAll(io: Io, id: string, flags: SendFlags, binding: Binding): Promise<number> {
  const name = flags.file === undefined || flags.file === '-' ? '<stdin>' : flags.file
  const source = openSource(io, flags)
  const tell = (text: string): void => void io.stderr.write(`${text}\n`)
  const mq = await connectTo(resolveTarget(flags, io.env), tell, io.interrupt)
  const window = new SendWindow(IN_FLIGHT)
  const progress = startProgress(io, 'sending', { quiet: flags.output !== 'table' })
  const stop = new AbortController()
  io.interrupt.addEventListener('abort', () => stop.abort(), { once: true })
  try {
    let stopped: unknown
    try {
      for await (const messages of messagesOf(source, name, flags, binding)) {
        for (const message of messages) {
          await window.room()
          if (window.failure !== undefined || stop.signal.aborted) break
          window.add(message.place, mq.send(id, message.value as never, optionsOf(message)))
        }
        if (window.failure !== undefined || stop.signal.aborted) break
        progress.update('sending', `${window.acknowledged.toLocaleString('en-US')} messages`)
      }
    } catch (error) {
      stopped = error
    }
    if (!stop.signal.aborted) await window.drained()
    const failure = window.failure === undefined ? stopped : atPlace(window.failure.place, window.failure.error)
    if (failure !== undefined) throw withCount(failure, window.acknowledged)
    if (stop.signal.aborted)
      throw new MqError('MQ_CLOSED', `Interrupted after ${plural(window.acknowledged, 'message')}`)
    return window.acknowledged
  } finally {
    progress.stop()
    await mq
      .close({ deadlineMs: window.failure === undefined && !io.interrupt.aborted ? 30_000 : 1_000 })
      .catch(() => {})
  }
}

function optionsOf({ key, headers, timestampMs }: OutgoingMessage): SendOptions {
  return {
    ...(key === undefined ? {} : { key }),
    // The SDK says itself which of them it takes.
    ...(headers === undefined ? {} : { headers: headers as NonNullable<SendOptions['headers']> }),
    ...(timestampMs === undefined ? {} : { timestampMs }),
  }
}

function openSource(io: Io, flags: SendFlags): AsyncIterable<Uint8Array | string> {
  if (flags.value !== undefined) return single(flags.value)
  if (flags.file === undefined || flags.file === '-') return io.stdin
  return readFileStream(flags.file, resolve(io.cwd, flags.file))
}

async function* single(text: string): AsyncGenerator<string> {
  yield text
}

async function* readFileStream(name: string, path: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1_024 * 1_024 })) yield chunk as Uint8Array
  } catch (error) {
    throw unreadable(name, error)
  }
}

function atPlace(place: string, error: unknown): unknown {
  return error instanceof MqError
    ? new MqError(error.code, `${place}: ${error.message}`, { cause: error, details: error.details })
    : error
}

/** Says how far it came: what was acknowledged stays sent. */
function withCount(error: unknown, acknowledged: number): unknown {
  if (!(error instanceof MqError)) return error
  return new MqError(error.code, `${error.message} (${plural(acknowledged, 'message')} sent before it ended)`, {
    cause: error,
    details: { ...error.details, sent: acknowledged },
  })
}
