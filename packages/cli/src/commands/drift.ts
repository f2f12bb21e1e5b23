/** `mq drift`: what somebody else changed about topics; `mq drift accept ID` takes it over, `mq drift repair ID` puts it back. */
import { type DriftedTopic, type DriftPlan, didYouMean, differenceName, MqError } from '@mq/contract'
import type { Command } from 'commander'
import { confirmChange } from '../confirm.ts'
import type { TargetFlags } from '../contexts.ts'
import { exitCodes } from '../exit-codes.ts'
import { Exit } from '../failures.ts'
import { type Colors, colorsFor, commandName, type Io } from '../io.ts'
import { apiFor, checkMqId, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print, table } from '../output.ts'
import { formatAge } from '../units.ts'

interface DriftFlags extends OutputFlags, TargetFlags {
  readonly kind?: readonly string[]
  readonly plan?: boolean
  readonly yes?: boolean
}

type Action = DriftPlan['action']
const ACTIONS: readonly Action[] = ['accept', 'repair']
const DONE: Readonly<Record<Action, string>> = { accept: 'Accepted', repair: 'Repaired' }
const DEADLINE_MS = 60_000

export function driftCommand(program: Command, io: Io): void {
  const command = program
    .command('drift')
    .summary('show, accept or repair what somebody else changed about topics')
    .description(
      'Shows which topics are not as mQ made them. accept takes what is there over as what is wanted, repair puts back what mQ set; both say first what they do and ask. All differences are resolved, or none: what cannot be is refused with the reason.',
    )
    .usage('[options] [id] | accept <id> | repair <id>')
    .argument('[id]', 'an mQ ID, or the word accept or repair')
    .argument('[target]', 'with accept or repair: the mQ ID')
    .option(
      '--kind <names>',
      'only these differences: a setting such as retention.ms, or a kind such as topic-missing; several with commas',
      names,
    )
    .option('--plan', 'only say what would be done')
    .option('-y, --yes', 'do not ask')
  withExamples(withTarget(withOutput(command)), [
    ['mq drift', 'what differs anywhere'],
    ['mq drift repair orders.placed', 'put it back; asks first'],
    ['mq drift accept orders.placed --kind retention.ms --plan', 'what taking the retention over would mean'],
  ]).action(async (first: string | undefined, target: string | undefined, flags: DriftFlags) => {
    const action = ACTIONS.find((word) => word === first)
    if (action !== undefined && target !== undefined) return resolve(io, action, checkMqId(target), flags)
    if (target !== undefined) {
      const isSwapped = ACTIONS.some((word) => word === target)
      const hint = isSwapped
        ? `; write mq drift ${target} ${first}`
        : didYouMean(first!, ACTIONS) || '; it has accept and repair'
      throw new MqError('MQ_OPTION_INVALID', `'${first}' is not a subcommand of mq drift${hint}`)
    }
    // An mQ ID may be named accept or repair, too.
    return list(io, first === undefined ? undefined : checkMqId(first), flags)
  })
}

async function list(io: Io, id: string | undefined, flags: DriftFlags): Promise<void> {
  const api = apiFor(io, flags)
  if (id !== undefined) await api.call('getId', { params: { id } }, { signal: io.interrupt })
  const answer = await api.all('listDrift', {}, { signal: io.interrupt })
  const topics = answer.topics.filter(({ mqId }) => id === undefined || mqId === id)
  await print(io, flags.output, { topics }, (colors) => driftText(topics, id, colors, Date.now(), commandName(io.env)))
}

async function resolve(io: Io, action: Action, id: string, flags: DriftFlags): Promise<void> {
  const api = apiFor(io, flags)
  const only = flags.kind === undefined ? {} : { only: [...flags.kind] }
  const call = (plan: boolean): Promise<DriftPlan> =>
    api.call(
      action === 'accept' ? 'acceptDrift' : 'repairDrift',
      { params: { id }, body: { ...only, plan } },
      { signal: io.interrupt, deadlineMs: DEADLINE_MS },
    )
  const plan = await call(true)
  if (flags.plan === true || plan.steps.length === 0) {
    await print(io, flags.output, plan, (colors) => planText(plan, colors))
    if (plan.steps.some(({ possible }) => !possible)) throw new Exit(exitCodes.refused)
    return
  }
  // What cannot be done is refused by the call itself, with the reasons; there is nothing to ask about.
  if (flags.yes !== true && plan.steps.every(({ possible }) => possible)) {
    await confirmChange(
      io,
      planText(plan, colorsFor(io.stderr, io.env)),
      plan.steps.map(({ effect }) => effect),
    )
  }
  const done = await call(false)
  await print(io, flags.output, done, (colors) => planText(done, colors))
}

function driftText(
  topics: readonly DriftedTopic[],
  id: string | undefined,
  colors: Colors,
  nowMs: number,
  mq: string,
): string {
  if (topics.length === 0) {
    return id === undefined ? 'Every topic is as mQ made it.' : `The topic of ${id} is as mQ made it.`
  }
  const shown = table(
    [
      { head: 'ID' },
      { head: 'CLUSTER' },
      { head: 'DIFFERENCE' },
      { head: 'MQ MADE' },
      { head: 'IS NOW' },
      { head: 'SEEN' },
      { head: 'ALARM' },
    ],
    topics.flatMap(({ mqId, cluster, role, sinceMs, differences }) =>
      differences.map((one) => [
        role === 'target' ? `${mqId} (target of a migration)` : mqId,
        cluster,
        differenceName(one),
        one.expected,
        one.found,
        `${formatAge(nowMs - sinceMs)} ago`,
        one.alarm ? colors.red('yes') : 'no',
      ]),
    ),
    colors,
  )
  return `${shown}\n\nPut it back with ${mq} drift repair ID, or take it over with ${mq} drift accept ID; --plan says what that means.`
}

function planText({ mqId, action, cluster, topic, done, steps }: DriftPlan, colors: Colors): string {
  if (steps.length === 0)
    return `Topic ${topic} of ${mqId} on cluster ${cluster} is as mQ made it; nothing to ${action}.`
  const head = done
    ? `${DONE[action]} for ${mqId}, topic ${topic} on cluster ${cluster}:`
    : `To ${action} for ${mqId}, topic ${topic} on cluster ${cluster}:`
  const lines = steps.map(({ difference, possible, effect, deletes }) => {
    const name = differenceName(difference)
    if (!possible) return `  ${colors.red('refused')}  ${name}: ${effect}`
    return `  ${deletes ? colors.yellow(name) : name}: ${effect}`
  })
  return [head, ...lines].join('\n')
}

function names(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}
