/** `mq tail ID`: messages as they come, one line each. */
import { randomBytes } from 'node:crypto'
import { MqError } from '@mq/contract'
import { type Command, Option } from 'commander'
import { CLI_APP, connectTo } from '../client-port.ts'
import { checkName, resolveTarget, type TargetFlags } from '../contexts.ts'
import { compileFormat, type LineFormat, type PrintableMessage, toJsonLine, valueText } from '../format-directives.ts'
import { type Colors, colorsFor, type Io, write } from '../io.ts'
import { apiFor, checkMqId, wholeNumber, withExamples, withTarget } from '../options.ts'
import { plural } from '../units.ts'

interface TailFlags extends TargetFlags {
  readonly output: 'text' | 'table' | 'json'
  readonly group?: string
  readonly from: 'earliest' | 'latest'
  readonly format?: string
  readonly limit?: number
  readonly exitAtEnd?: boolean
}

const END_POLL_MS = 100
const CLOSE_MS = 5_000

export function tailCommand(program: Command, io: Io): void {
  const command = program
    .command('tail')
    .summary('print messages as they come')
    .description(
      'Prints the messages of an mQ ID, one line each, until Ctrl-C. With --group the place is kept: the next run of the group goes on where this one ended. Without, a group of its own is used once.',
    )
    .argument('<id>', 'an mQ ID')
    .option('--group <name>', 'read as this consumer group')
    .addOption(
      new Option('--from <where>', 'where a group without a place begins')
        .choices(['earliest', 'latest'])
        .default('latest'),
    )
    .option(
      '--format <text>',
      'a line: %t mQ ID, %k key, %v value, %h headers, %o offset, %p partition, %T time in ms, %%; \\n, \\t',
    )
    .option('--limit <n>', 'end after so many messages', wholeNumber(1))
    .option('--exit-at-end', 'end when everything there is has been printed')
    .addOption(
      new Option('-o, --output <format>', 'table for people, json: one object a line')
        .choices(['table', 'json'])
        .default('table'),
    )
  withExamples(withTarget(command), [
    ['mq tail orders.placed', 'new messages, until Ctrl-C'],
    ["mq tail orders.placed --group me --from earliest --format '%t %k %v\\n'", 'all of them, in your format'],
    ['mq tail orders.placed --from earliest --exit-at-end -o json | jq .value', 'what is there, for programs'],
  ]).action((id: string, flags: TailFlags) => tail(io, checkMqId(id), flags))
}

async function tail(io: Io, id: string, flags: TailFlags): Promise<void> {
  const line = lineFormat(io, flags)
  const group =
    flags.group === undefined ? `mq-tail-${randomBytes(6).toString('hex')}` : checkName('group', flags.group)
  await apiFor(io, flags).call('getBinding', { params: { id }, query: { app: CLI_APP } }, { signal: io.interrupt })
  const ending = new AbortController()
  io.interrupt.addEventListener('abort', () => ending.abort(), { once: true })
  const printer = new Printer(io, line, flags.limit, () => ending.abort())
  const tell = (text: string): void => {
    if (!printer.stopped) io.stderr.write(`${text}\n`)
  }
  const mq = await connectTo(resolveTarget(flags, io.env), tell, io.interrupt)
  try {
    const subscription = await mq.consume(id, group, (message) => printer.print(message), {
      concurrency: 1,
      from: flags.from,
      onPoison: ({ partition, offset }, error) =>
        tell(`${error.code}: partition ${partition} offset ${offset}: ${error.message}`),
    })
    const broken = subscription.done.catch((error: unknown) => error)
    const failure = await Promise.race([
      ended(ending.signal, () => flags.exitAtEnd === true && subscription.lag() === 0),
      broken,
    ])
    const closed = subscription.close({ deadlineMs: CLOSE_MS })
    printer.stop()
    await closed
    if (failure instanceof Error) throw failure
  } finally {
    printer.stop()
    await mq.close({ deadlineMs: CLOSE_MS }).catch(() => {})
  }
  if (io.stderr.isTTY === true && io.stdout.isTTY === true)
    await write(io.stderr, `${plural(printer.count, 'message')}\n`)
}

function lineFormat(io: Io, flags: TailFlags): LineFormat {
  if (flags.output === 'json') {
    if (flags.format === undefined) return jsonLine
    throw new MqError('MQ_OPTION_INVALID', '--format and --output json exclude each other')
  }
  return flags.format === undefined ? plainLine(colorsFor(io.stdout, io.env)) : compileFormat(flags.format)
}

/** Resolves when the signal fires or `atEnd` holds twice in a row, so that a hand-over between fetches is not the end. */
async function ended(signal: AbortSignal, atEnd: () => boolean): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => {
    let held = 0
    const timer = setInterval(() => {
      held = atEnd() ? held + 1 : 0
      if (held >= 2) finish()
    }, END_POLL_MS)
    const finish = (): void => {
      clearInterval(timer)
      resolve()
    }
    signal.addEventListener('abort', finish, { once: true })
  })
}

/**
 * Prints one message after the other. What was not printed is not confirmed: its handler waits for the end and then
 * fails, so that a later run of the group gets the message.
 */
class Printer {
  readonly #io: Io
  readonly #line: LineFormat
  readonly #limit: number
  readonly #onLimit: () => void
  readonly #end = Promise.withResolvers<void>()
  #count = 0
  #stopped = false

  constructor(io: Io, line: LineFormat, limit: number | undefined, onLimit: () => void) {
    this.#io = io
    this.#line = line
    this.#limit = limit ?? Number.POSITIVE_INFINITY
    this.#onLimit = onLimit
  }

  get count(): number {
    return this.#count
  }

  get stopped(): boolean {
    return this.#stopped
  }

  stop(): void {
    this.#stopped = true
    this.#end.resolve()
  }

  async print(message: PrintableMessage): Promise<void> {
    if (this.#stopped || this.#count >= this.#limit || this.#io.interrupt.aborted) {
      await this.#end.promise
      throw new MqError('MQ_CLOSED', 'tail has ended')
    }
    const text = this.#line(message)
    this.#count += 1
    if (this.#count >= this.#limit) this.#onLimit()
    await write(this.#io.stdout, text, this.#io.interrupt)
  }
}

const jsonLine: LineFormat = (message) => `${JSON.stringify(toJsonLine(message))}\n`

function plainLine(colors: Colors): LineFormat {
  return (message) => {
    const value = valueText(message.value)
    const text = typeof value === 'string' ? value : `<${value.length} bytes>`
    const time = colors.dim(new Date(message.timestampMs).toISOString())
    return `${time} ${message.key === null ? colors.dim('-') : colors.cyan(message.key)} ${text}\n`
  }
}
