/**
 * `mq tail ID`: messages as they come, one line each.
 *
 * T1. Looking is not taking: without --take nothing is joined, confirmed or left behind, also with --group.
 * T2. With --exit-at-end the end is what could be read when the command began; it comes to it or fails with the reason.
 * T3. A message is confirmed (--take) only after it was printed.
 */
import type { MqConnection } from '@mq/client'
import { MqError } from '@mq/contract'
import { type Command, Option } from 'commander'
import { CLI_APP, connectTo } from '../client-port.ts'
import { checkName, resolveTarget } from '../contexts.ts'
import { compileFormat, type LineFormat, storedValue, textOrBase64 } from '../format-directives.ts'
import { type Colors, colorsFor, type Io, write } from '../io.ts'
import { apiFor, checkMqId, wholeNumber, withExamples, withTarget } from '../options.ts'
import { textOf, toJsonLine } from '../printed-message.ts'
import { CLOSE_MS, readOptions, type TailFlags, tellOfTransactions } from '../tail-options.ts'
import { TailPrinter } from '../tail-printer.ts'
import { takeMessages } from '../take-messages.ts'
import { timeArgument } from '../time-argument.ts'
import { plural } from '../units.ts'

export function tailCommand(program: Command, io: Io): void {
  const command = program
    .command('tail')
    .summary('print messages as they come')
    .description(
      'Prints the messages of an mQ ID, one line each, until Ctrl-C. Looking takes nothing away: no group is joined and none is left behind. With --group it begins where that group stands; only --take confirms what was printed, so that the group does not get it again.',
    )
    .argument('<id>', 'an mQ ID')
    .option('--group <name>', 'begin where this consumer group stands; the group keeps its place')
    .option('--take', 'with --group: confirm what is printed, as a member of the group')
    .option('--force', 'with --take: also when the group has members, which then get less')
    .addOption(
      new Option('--from <where>', 'where to begin, for a group without a place, too')
        .choices(['earliest', 'latest'])
        .default('latest'),
    )
    .option(
      '--since <time>',
      'begin with records of this age or newer: 15m, 2h, or a time such as 2026-01-31T09:00Z',
      timeArgument,
    )
    .option('--partition <n>', 'only this partition (of the epoch that is open)', wholeNumber(0))
    .option('--offset <n>', 'with --partition: begin at this offset', wholeNumber(0))
    .option('--epoch <n>', 'only this epoch', wholeNumber(1))
    .option(
      '--format <text>',
      'a line: %t mQ ID, %k key, %v value, %h headers, %o offset, %p partition, %T time in ms, %%; \\n, \\t',
    )
    .option('--limit <n>', 'end after so many messages', wholeNumber(1))
    .option('--exit-at-end', 'end when everything that can be read now has been printed')
    .addOption(new Option('--until-end', 'the same as --exit-at-end').implies({ exitAtEnd: true }))
    .addOption(
      new Option('-o, --output <format>', 'table for people, json: one object a line')
        .choices(['table', 'json'])
        .default('table'),
    )
  withExamples(withTarget(command), [
    ['mq tail orders.placed', 'new messages, until Ctrl-C'],
    ["mq tail orders.placed --since 15m --format '%t %k %v\\n'", 'the last quarter of an hour, in your format'],
    ['mq tail orders.placed --from earliest --exit-at-end -o json | jq .value', 'what is there, for programs'],
    ['mq tail orders.placed --group billing --limit 1', 'what billing gets next; it still gets it'],
  ]).action((id: string, flags: TailFlags) => tail(io, checkMqId(id), flags))
}

async function tail(io: Io, id: string, flags: TailFlags): Promise<void> {
  checkFlags(flags)
  const line = lineFormat(io, flags)
  const { format } = await apiFor(io, flags).call(
    'getBinding',
    { params: { id }, query: { app: CLI_APP } },
    { signal: io.interrupt },
  )
  const ending = new AbortController()
  io.interrupt.addEventListener('abort', () => ending.abort(), { once: true })
  const printer = new TailPrinter(io, { id, format, line, limit: flags.limit, onLimit: () => ending.abort() })
  const tell = (text: string): void => {
    if (!printer.stopped) io.stderr.write(`${text}\n`)
  }
  const mq = await connectTo(resolveTarget(flags, io.env), tell, io.interrupt)
  try {
    if (flags.take === true) await takeMessages(mq, id, flags, printer, tell, ending.signal)
    else await look(mq, id, flags, printer, tell, ending.signal)
  } finally {
    printer.stop()
    await mq.close({ deadlineMs: CLOSE_MS }).catch(() => {})
  }
  if (io.stderr.isTTY === true && io.stdout.isTTY === true)
    await write(io.stderr, `${plural(printer.count, 'message')}\n`)
}

/** T1 */
async function look(
  mq: MqConnection,
  id: string,
  flags: TailFlags,
  printer: TailPrinter,
  tell: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const reading = await mq.read(id, readOptions(flags, signal))
  if (flags.exitAtEnd === true) tellOfTransactions(reading.partitions, tell)
  for await (const message of reading) {
    await printer.print(message)
    if (signal.aborted) break
  }
}

function checkFlags(flags: TailFlags): void {
  const fail = (text: string): MqError => new MqError('MQ_OPTION_INVALID', text)
  if (flags.group !== undefined) checkName('group', flags.group)
  if (flags.take === true && flags.group === undefined) throw fail('--take needs --group: it confirms for that group')
  if (flags.force === true && flags.take !== true) throw fail('--force says something about --take only')
  if (flags.offset !== undefined && flags.partition === undefined) {
    throw fail('--offset needs --partition: each partition counts its own offsets')
  }
  const starts = [flags.offset, flags.since, flags.group].filter((start) => start !== undefined)
  if (starts.length > 1) throw fail('--offset, --since and --group each say where to begin: give one of them')
  if (flags.take === true && (flags.partition !== undefined || flags.epoch !== undefined)) {
    throw fail('--take goes on where the group stands, in all partitions: leave --partition and --epoch out')
  }
}

function lineFormat(io: Io, flags: TailFlags): LineFormat {
  if (flags.output === 'json') {
    if (flags.format === undefined) return (message) => `${toJsonLine(message)}\n`
    throw new MqError('MQ_OPTION_INVALID', '--format and --output json exclude each other')
  }
  return flags.format === undefined ? plainLine(colorsFor(io.stdout, io.env)) : compileFormat(flags.format)
}

function plainLine(colors: Colors): LineFormat {
  return (message) => {
    const value = storedValue(message)
    const isShown = typeof value === 'string' || (message.format !== 'bytes' && textOf(value) !== undefined)
    const text = typeof value === 'string' ? value : isShown ? textOf(value)! : `<${value.length} bytes>`
    const time = colors.dim(new Date(message.timestampMs).toISOString())
    return `${time} ${message.key === null ? colors.dim('-') : colors.cyan(textOrBase64(message.key))} ${text}\n`
  }
}
