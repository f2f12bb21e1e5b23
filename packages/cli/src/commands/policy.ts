/** `mq policy show|set` and `mq autopilot on|off|status`: how far mQ may go by itself. */

import type { ApiClient } from '@mq/api-client'
import { Knob, MqError, PolicyMode, policyScopeProblem } from '@mq/contract'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { TargetFlags } from '../contexts.ts'
import { autopilotText, policiesText } from '../decision-view.ts'
import { exitCodeFor, exitCodes } from '../exit-codes.ts'
import type { Io } from '../io.ts'
import { apiFor, checkMqId, type OutputFlags, wholeNumber, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'

const INHERIT = 'inherit'
const ID_SCOPE = 'id='

type Flags = OutputFlags & TargetFlags
interface SetFlags extends Flags {
  readonly mode?: PolicyMode | typeof INHERIT
  readonly maxChanges?: number | typeof INHERIT
  readonly unasked?: readonly Knob[] | typeof INHERIT
}

export function policyCommand(program: Command, io: Io): void {
  const policy = program
    .command('policy')
    .summary('say how far mQ may go by itself')
    .description(
      'Policies by scope: what an mQ ID leaves open its team says, what the team leaves open the global rule says.',
    )
  const show = policy.command('show').summary('rules, and what is in force for one mQ ID').argument('[id]', 'an mQ ID')
  withExamples(withTarget(withOutput(show)), [
    ['mq policy show', 'all rules'],
    ['mq policy show orders.placed', 'and what is in force for one mQ ID, and from where'],
  ]).action(async (id: string | undefined, flags: Flags) => {
    const query: Record<string, string> = id === undefined ? {} : { id: checkMqId(id) }
    const answer = await apiFor(io, flags).all('listPolicies', { query }, { signal: io.interrupt })
    await print(io, flags.output, answer, (colors) => policiesText(answer, colors, id))
  })
  const set = policy
    .command('set')
    .summary('set the rule of a scope')
    .description('Sets the rule of a scope; what is not named stays, and the word inherit leaves a part open again.')
    .argument('<scope>', 'global, team=NAME or id=MQ-ID')
    .addOption(
      new Option('--mode <mode>', 'observe: recommend; approve: ask; auto: try, measure, keep or undo').choices([
        ...PolicyMode.options,
        INHERIT,
      ]),
    )
    .option('--max-changes <count>', 'changes begun in any 24 hours, or inherit', orInherit(wholeNumber(0, 1_000)))
    .option(
      '--unasked <knobs>',
      `what auto may change without asking: ${Knob.options.join(', ')} (commas between), none, or inherit`,
      orInherit(knobs),
    )
  withExamples(withTarget(withOutput(set)), [
    ['mq policy set global --mode approve', 'nothing happens without a person'],
    ['mq policy set id=orders.placed --mode observe', 'for one mQ ID only recommend'],
    ['mq policy set team=checkout --unasked codec,linger,batch,cluster', 'migrations, too, may be made unasked'],
  ]).action(async (scope: string, flags: SetFlags) => {
    const problem = policyScopeProblem(scope)
    if (problem !== undefined) throw new MqError('MQ_OPTION_INVALID', `'${scope}' is not a scope: ${problem}`)
    if (flags.mode === undefined && flags.maxChanges === undefined && flags.unasked === undefined) {
      throw new MqError('MQ_OPTION_INVALID', 'Say what to set: --mode, --max-changes or --unasked')
    }
    const api = apiFor(io, flags)
    const { rules } = await api.all('listPolicies', { query: {} }, { signal: io.interrupt })
    const before = rules.find((one) => one.scope === scope)
    const knobsAsked = part(flags.unasked, before?.autoKnobs)
    const body = {
      mode: part(flags.mode, before?.mode),
      maxChangesPerDay: part(flags.maxChanges, before?.maxChangesPerDay),
      autoKnobs: knobsAsked === null ? null : [...knobsAsked],
    }
    const rule = await api.call('putPolicy', { params: { scope }, body }, { signal: io.interrupt })
    const unknown = await unknownIdOf(api, scope, io.interrupt)
    await print(io, flags.output, rule, (colors) =>
      [
        policiesText({ rules: [rule], effective: null }, colors, undefined),
        ...(unknown === undefined
          ? []
          : [`${colors.yellow('warning')}: no mQ ID '${unknown}' is declared; the rule waits for it`]),
      ].join('\n'),
    )
  })
}

/** The mQ ID a scope names, when there is none of that name (now): rules may come before what they are for. */
async function unknownIdOf(api: ApiClient, scope: string, signal: AbortSignal): Promise<string | undefined> {
  if (!scope.startsWith(ID_SCOPE)) return undefined
  const id = scope.slice(ID_SCOPE.length)
  try {
    await api.call('getId', { params: { id } }, { signal })
    return undefined
  } catch (error) {
    // The rule is set: whatever else went wrong is no reason to say it was not.
    return error instanceof MqError && exitCodeFor(error.code) === exitCodes.notFound ? id : undefined
  }
}

export function autopilotCommand(program: Command, io: Io): void {
  const command = program
    .command('autopilot')
    .summary('turn deciding on or off, everywhere')
    .description(
      'The global switch: off begins nothing and takes back the trials under way; what is kept stays. It stays as it is over restarts.',
    )
    .argument('<word>', 'on, off or status')
  withExamples(withTarget(withOutput(command)), [
    ['mq autopilot off', 'stop everything mQ does by itself'],
    ['mq autopilot status', 'whether it is on, and what is under way'],
  ]).action(async (word: string, flags: Flags) => {
    if (word !== 'on' && word !== 'off' && word !== 'status') {
      throw new MqError('MQ_OPTION_INVALID', `'${word}' is not a subcommand of mq autopilot; it has on, off and status`)
    }
    const api = apiFor(io, flags)
    const status =
      word === 'status'
        ? await api.call('getAutopilot', {}, { signal: io.interrupt })
        : await api.call('putAutopilot', { body: { on: word === 'on' } }, { signal: io.interrupt })
    await print(io, flags.output, status, (colors) => autopilotText(status, colors, Date.now()))
  })
}

function orInherit<T>(parse: (text: string) => T): (text: string) => T | typeof INHERIT {
  return (text) => (text === INHERIT ? INHERIT : parse(text))
}

/** What the rule is to say: what stood when nothing was asked for, nothing at all when it is to be inherited. */
function part<T>(asked: T | typeof INHERIT | undefined, before: T | null | undefined): T | null {
  if (asked === undefined) return before ?? null
  return asked === INHERIT ? null : asked
}

function knobs(text: string): Knob[] {
  if (text === 'none') return []
  return text.split(',').map((part) => {
    const knob = Knob.options.find((one) => one === part.trim())
    if (knob === undefined) throw new InvalidArgumentError(`'${part.trim()}' is none of ${Knob.options.join(', ')}.`)
    return knob
  })
}
