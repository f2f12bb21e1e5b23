/** `mq decisions [ID]`, `mq decision show N`, `mq approve N`, `mq undo N`: what mQ decided, and the person's say in it. */
import { DecisionState, MqError } from '@mq/contract'
import { type Command, Option } from 'commander'
import type { TargetFlags } from '../contexts.ts'
import { replayText } from '../decision-replay-view.ts'
import { decisionsText, decisionText } from '../decision-view.ts'
import { commandName, type Io } from '../io.ts'
import { apiFor, checkMqId, type OutputFlags, wholeNumber, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'

interface ListFlags extends OutputFlags, TargetFlags {
  readonly state?: DecisionState
  readonly limit: number
}
type Flags = OutputFlags & TargetFlags

export function decisionsCommand(program: Command, io: Io): void {
  const command = program
    .command('decisions')
    .summary('list what mQ decided, and why it decides nothing')
    .description(
      'Lists decisions, newest first, with what they were to save and what they did; of one mQ ID also why nothing is proposed just now.',
    )
    .argument('[id]', 'only those about this mQ ID')
    .addOption(new Option('--state <state>', 'only those in one state').choices([...DecisionState.options]))
    .option('--limit <count>', 'at most so many', wholeNumber(1, 1_000), 50)
  withExamples(withTarget(withOutput(command)), [
    ['mq decisions', 'all of them'],
    ['mq decisions orders.placed', 'those about one mQ ID, and what its loops wait for'],
    ['mq decisions --state waiting', 'those that wait for a person'],
  ]).action(async (id: string | undefined, flags: ListFlags) => {
    const query = {
      limit: String(flags.limit),
      ...(id === undefined ? {} : { id: checkMqId(id) }),
      ...(flags.state === undefined ? {} : { state: flags.state }),
    }
    const answer = await apiFor(io, flags).all(
      'listDecisions',
      { query },
      { signal: io.interrupt, atMost: flags.limit },
    )
    await print(io, flags.output, answer, (colors, width) =>
      decisionsText(answer, colors, commandName(io.env), Date.now(), width, id),
    )
  })
}

export function decisionCommand(program: Command, io: Io): void {
  const command = program
    .command('decision')
    .summary('show one decision with everything it rests on')
    .description(
      'Shows one decision: what, why, alternatives, predicted and measured side by side, tests, guardrails, steps, and how to undo it.',
    )
    .usage('[options] show <number>')
    .argument('<show>', 'the word show')
    .argument('[number]', 'the decision to show')
    .option('--replay', 'propose it again from the World it was proposed from, by the code of now, and compare')
  withExamples(withTarget(withOutput(command)), [
    ['mq decision show 3', 'one, for people'],
    ['mq decision show 3 -o json', 'the same for a program'],
    ['mq decision show 3 --replay', 'what its loop saw, and whether it would propose the same now'],
  ]).action(async (show: string, number: string | undefined, flags: Flags & { readonly replay?: true }) => {
    if (show !== 'show') {
      throw new MqError(
        'MQ_OPTION_INVALID',
        `'${show}' is not a subcommand of mq decision; write mq decision show NUMBER`,
      )
    }
    if (flags.replay !== true) return one(io, 'getDecision', number, flags)
    const params = { number: decisionNumber(number) }
    const answer = await apiFor(io, flags).call('replayDecision', { params }, { signal: io.interrupt })
    await print(io, flags.output, answer, (colors, width) => replayText(answer, colors, Date.now(), width))
  })
}

export function approveCommand(program: Command, io: Io): void {
  const command = program
    .command('approve')
    .summary('let a decision that waits go on')
    .description(
      'Lets a decision go on that waits for a person, or that was only recommended. It is still tried, measured and undone when it does not pay.',
    )
    .argument('<number>', 'its number from mq decisions')
  withExamples(withTarget(withOutput(command)), [['mq approve 3', 'let decision 3 go on']]).action(
    (number: string, flags: Flags) => one(io, 'approveDecision', number, flags),
  )
}

export function undoCommand(program: Command, io: Io): void {
  const command = program
    .command('undo')
    .summary('undo a decision, or turn it down')
    .description(
      'Turns a decision down where nothing was touched yet, ends its trial, or restores what stood before a kept one as a new revision.',
    )
    .argument('<number>', 'its number from mq decisions')
  withExamples(withTarget(withOutput(command)), [['mq undo 3', 'undo decision 3']]).action(
    (number: string, flags: Flags) => one(io, 'undoDecision', number, flags),
  )
}

async function one(
  io: Io,
  route: 'getDecision' | 'approveDecision' | 'undoDecision',
  number: string | undefined,
  flags: Flags,
): Promise<void> {
  const params = { number: decisionNumber(number) }
  const decision = await apiFor(io, flags).call(route, { params }, { signal: io.interrupt })
  await print(io, flags.output, decision, (colors, width) => decisionText(decision, colors, Date.now(), width))
}

function decisionNumber(text: string | undefined): string {
  if (text !== undefined && /^[1-9]\d{0,14}$/.test(text)) return text
  throw new MqError(
    'MQ_OPTION_INVALID',
    text === undefined ? 'Say which decision: its number from mq decisions' : `'${text}' is not a decision's number`,
  )
}
