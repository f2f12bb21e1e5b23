/** `mq dlq`: dead letters of groups, looked at, handed to their group again, discarded. */
import { hostname, userInfo } from 'node:os'
import type { ApiClient } from '@mq/api-client'
import type { Acted, DeadLetterFilter, DeadLetterView, MqConnection } from '@mq/client'
import { type DeadLetterFacts, MAX_REDRIVES, MqError } from '@mq/contract'
import { type Command, InvalidArgumentError } from 'commander'
import { CLI_APP, connectTo } from '../client-port.ts'
import { confirmChange } from '../confirm.ts'
import { resolveTarget, type TargetFlags } from '../contexts.ts'
import { letterJson, letterText, reasonsOf, reasonsText, summariesText, summaryOf } from '../dlq-view.ts'
import { type Io, writeLine } from '../io.ts'
import { apiFor, checkMqId, type OutputFlags, wholeNumber, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'
import { timeArgument } from '../time-argument.ts'
import { formatCount, plural } from '../units.ts'

const SHOWN = 20
const CLOSE_MS = 5_000

interface FilterFlags {
  readonly group?: string
  readonly key?: string
  readonly reason?: string
  readonly since?: number
  readonly until?: number
  readonly letter?: readonly string[]
  readonly limit?: number
}

interface ActFlags extends FilterFlags, OutputFlags, TargetFlags {
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly rate?: number
  readonly force?: boolean
}

export function dlqCommand(program: Command, io: Io): void {
  const dlq = program
    .command('dlq')
    .summary('dead letters: list, show, hand to their group again, discard')
    .description('Messages that groups gave up after their attempts, kept beside the mQ ID.')
  const list = dlq
    .command('list')
    .alias('ls')
    .description('Lists groups with dead letters: how many, how old, and for which reasons.')
    .argument('[id]', 'an mQ ID; all when left out')
  withExamples(withTarget(withOutput(list)), [
    ['mq dlq list', 'everything that was put aside'],
    ['mq dlq list orders.placed -o json', 'for programs'],
  ]).action((id: string | undefined, flags: OutputFlags & TargetFlags) => listLetters(io, id, flags))

  const show = withFilter(
    dlq
      .command('show')
      .description(`Shows dead letters, oldest first; ${SHOWN} unless --limit says otherwise.`)
      .argument('<id>', 'an mQ ID'),
  )
  withExamples(withTarget(withOutput(show)), [
    ['mq dlq show orders.placed', 'when one group has dead letters'],
    ['mq dlq show orders.placed --group billing --reason TypeError --since 1h', 'some of them'],
    ['mq dlq show orders.placed --group billing -o json', 'whole values, headers and facts'],
  ]).action((id: string, flags: FilterFlags & OutputFlags & TargetFlags) => showLetters(io, checkMqId(id), flags))

  const redrive = withFilter(
    dlq
      .command('redrive')
      .description(
        `Hands dead letters to their group again, and to no other group. What was handed out again ${MAX_REDRIVES} times is passed over. Broken off, it goes on where it was when it is run again.`,
      )
      .argument('<id>', 'an mQ ID'),
  )
    .option('--dry-run', 'say what would be handed out, and do nothing')
    .option('--rate <n>', 'at most so many a second', rate)
    .option('--force', `also what was handed out again ${MAX_REDRIVES} times or more`)
    .option('-y, --yes', 'do not ask')
  withExamples(withTarget(withOutput(redrive)), [
    ['mq dlq redrive orders.placed --dry-run', 'how many, and for which reasons they are there'],
    ['mq dlq redrive orders.placed --group billing --reason ECONNREFUSED --rate 50/s', 'some, slowly'],
  ]).action((id: string, flags: ActFlags) => act(io, 'redrive', checkMqId(id), flags))

  const discard = withFilter(
    dlq
      .command('discard')
      .description(
        'Discards dead letters, after a preview: nobody is handed them again, and they go when their time is over.',
      )
      .argument('<id>', 'an mQ ID'),
  )
    .option('--dry-run', 'say what would be discarded, and do nothing')
    .option('-y, --yes', 'do not ask')
  withExamples(withTarget(withOutput(discard)), [
    ['mq dlq discard orders.placed --group billing --reason "schema v1"', 'asks first'],
    ['mq dlq discard orders.placed --letter 1.0.4711.0 --yes', 'one, for scripts'],
  ]).action((id: string, flags: ActFlags) => act(io, 'discard', checkMqId(id), flags))
}

function withFilter(command: Command): Command {
  return command
    .option('--group <name>', 'the group that gave them up; needed where several have')
    .option('--key <text>', 'of this key')
    .option('--reason <text>', 'with this in class, code or message of the error')
    .option('--since <time>', 'given up since: an age such as 15m, or a time', timeArgument)
    .option('--until <time>', 'given up before: an age such as 15m, or a time', timeArgument)
    .option('--letter <name...>', 'with these names, as mq dlq show gives them')
    .option('--limit <n>', 'at most so many, the oldest', wholeNumber(1))
}

async function listLetters(io: Io, text: string | undefined, flags: OutputFlags & TargetFlags): Promise<void> {
  const id = text === undefined ? undefined : checkMqId(text)
  const api = apiFor(io, flags)
  const { queues } = await api.call(
    'listDeadLetters',
    { query: id === undefined ? {} : { id } },
    { signal: io.interrupt },
  )
  const kept = queues.filter(({ deadLetters }) => deadLetters !== null)
  const all = await connected(io, flags, kept.length > 0, async (mq) => {
    const found = []
    for (const queue of kept) {
      found.push(summaryOf(queue, await mq!.deadLetters(queue.mqId, queue.group).list({}, io.interrupt)))
    }
    return found
  })
  await print(io, flags.output, { deadLetters: all }, (colors) => summariesText(all, colors, Date.now()))
}

async function showLetters(io: Io, id: string, flags: FilterFlags & OutputFlags & TargetFlags): Promise<void> {
  const api = apiFor(io, flags)
  const group = await groupOf(api, io, id, flags.group)
  const { format } = await api.call('getBinding', { params: { id }, query: { app: CLI_APP } }, { signal: io.interrupt })
  await connected(io, flags, true, async (mq) => {
    const box = mq!.deadLetters(id, group)
    const limit = flags.limit ?? SHOWN
    const all = (await box.list({ ...filterOf(flags), limit: Number.MAX_SAFE_INTEGER }, io.interrupt)).length
    const views: DeadLetterView[] = []
    for await (const view of box.show({ ...filterOf(flags), limit }, io.interrupt)) views.push(view)
    const letters = views.map((view) => letterJson(view, format))
    await print(io, flags.output, { id, group, letters, total: all }, (colors) => {
      if (all === 0) return `Group ${group} of ${id} has no such dead letters.`
      const more = all > views.length ? [`${formatCount(all - views.length)} more: --limit shows them`] : []
      return [...views.map((view) => letterText(view, format, colors, Date.now())), ...more].join('\n')
    })
  })
}

async function act(io: Io, what: 'redrive' | 'discard', id: string, flags: ActFlags): Promise<void> {
  const api = apiFor(io, flags)
  const group = await groupOf(api, io, id, flags.group)
  await connected(io, flags, true, async (mq) => {
    const box = mq!.deadLetters(id, group)
    const filter = filterOf(flags)
    const chosen = await box.list(filter, io.interrupt)
    const isGuarded = what === 'redrive' && flags.force !== true
    const tooOften = isGuarded ? chosen.filter(({ redrives }) => redrives >= MAX_REDRIVES).length : 0
    if (flags.dryRun === true || chosen.length - tooOften === 0) {
      const answer = {
        id,
        group,
        dryRun: flags.dryRun === true,
        chosen: chosen.length - tooOften,
        tooOften,
        reasons: reasonsOf(chosen),
      }
      await print(
        io,
        flags.output,
        answer,
        () => `${previewOf(what, id, group, chosen, tooOften)}\nNothing was changed.`,
      )
      return
    }
    if (flags.yes !== true && (what === 'discard' || io.stdin.isTTY === true)) {
      const doubt = `${plural(chosen.length - tooOften, 'dead letter')} of group ${group} of ${id} would be ${what === 'redrive' ? 'handed to it again' : 'discarded'}`
      await confirmChange(io, previewOf(what, id, group, chosen, tooOften), [doubt])
    }
    const by = `${userInfo().username}@${hostname()}`.slice(0, 200)
    const onProgress = (done: number, of: number): void => {
      if (io.stderr.isTTY === true && done < of) io.stderr.write(`${formatCount(done)} of ${formatCount(of)}\r`)
    }
    const common = { by, signal: io.interrupt, onProgress }
    const acted =
      what === 'discard'
        ? await box.discard(filter, common)
        : await box.redrive(filter, {
            ...common,
            force: flags.force === true,
            ...(flags.rate === undefined ? {} : { ratePerSecond: flags.rate }),
          })
    await print(io, flags.output, { id, group, ...acted }, () => actedText(what, id, group, acted))
    if (what === 'redrive') await sayWhoReads(io, api, id, group)
  })
}

/** Nobody is handed anything while no consumer of the group runs. */
async function sayWhoReads(io: Io, api: ApiClient, id: string, group: string): Promise<void> {
  const found = await api
    .call('getGroup', { params: { id }, query: { group } }, { signal: io.interrupt })
    .catch(() => undefined)
  if (found === undefined || found.members === null || found.members > 0) return
  await writeLine(io.stderr, `Group ${group} has no member now: they wait until one of its consumers runs.`)
}

function previewOf(
  what: string,
  id: string,
  group: string,
  chosen: readonly DeadLetterFacts[],
  tooOften: number,
): string {
  const verb = what === 'redrive' ? 'would be handed to it again' : 'would be discarded for good'
  const passed =
    tooOften === 0 ? '' : `; ${formatCount(tooOften)} came back ${MAX_REDRIVES} times and are passed over (--force)`
  const count = plural(chosen.length - tooOften, 'dead letter')
  return [`${count} of group ${group} of ${id} ${verb}${passed}.`, reasonsText(reasonsOf(chosen))].join('\n').trimEnd()
}

function actedText(what: 'redrive' | 'discard', id: string, group: string, { done, tooOften, left }: Acted): string {
  const verb = what === 'redrive' ? 'Handed' : 'Discarded'
  const to = what === 'redrive' ? ` to group ${group} again` : ` of group ${group}`
  const rest = [
    ...(tooOften > 0 ? [`${formatCount(tooOften)} came back too often and were passed over (--force)`] : []),
    ...(left > 0 ? [`${formatCount(left)} are left: run it again`] : []),
  ]
  return [`${verb} ${plural(done, 'dead letter')}${to} (${id})`, ...rest].join('; ').concat('.')
}

function filterOf({ key, reason, since, until, letter, limit }: FilterFlags): DeadLetterFilter {
  return {
    ...(key === undefined ? {} : { key }),
    ...(reason === undefined ? {} : { reason }),
    ...(since === undefined ? {} : { sinceMs: since }),
    ...(until === undefined ? {} : { untilMs: until }),
    ...(letter === undefined ? {} : { letters: letter }),
    ...(limit === undefined ? {} : { limit }),
  }
}

/** The group that is named, or the only one that has dead letters. */
async function groupOf(api: ApiClient, io: Io, id: string, named: string | undefined): Promise<string> {
  const { queues } = await api.all('listDeadLetters', { query: { id } }, { signal: io.interrupt })
  const groups = queues.map(({ group }) => group)
  if (named !== undefined) {
    if (groups.includes(named)) return named
    // A group that never gave up a message has no dead letters, which is no mistake: the control plane knows whether it exists.
    await api.call('getGroup', { params: { id }, query: { group: named } }, { signal: io.interrupt })
    return named
  }
  if (groups.length === 1) return groups[0]!
  const which =
    groups.length === 0 ? `no group of ${id} has dead letters` : `${groups.join(', ')} have dead letters of ${id}`
  throw new MqError('MQ_OPTION_INVALID', `Name the group with --group: ${which}`)
}

async function connected<T>(
  io: Io,
  flags: TargetFlags,
  isNeeded: boolean,
  work: (mq: MqConnection | undefined) => Promise<T>,
): Promise<T> {
  if (!isNeeded) return work(undefined)
  const mq = await connectTo(resolveTarget(flags, io.env), (text) => void io.stderr.write(`${text}\n`), io.interrupt)
  try {
    return await work(mq)
  } finally {
    await mq.close({ deadlineMs: CLOSE_MS }).catch(() => {})
  }
}

function rate(text: string): number {
  const found = /^(\d+(?:\.\d+)?)(?:\/s)?$/.exec(text.trim())
  const value = Number(found?.[1])
  if (found !== null && value > 0) return value
  throw new InvalidArgumentError('Write messages a second, such as 50 or 50/s.')
}
