/** `mq explain ID` and `mq whatif ID`: what an mQ ID costs and why, and what it would cost under other requirements. */
import { type Intent, MqError, parseDurationMs, type WhatIf } from '@mq/contract'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { z } from 'zod'
import type { TargetFlags } from '../contexts.ts'
import { explanationText, whatIfText } from '../explain-view.ts'
import type { Io } from '../io.ts'
import {
  apiFor,
  checkMqId,
  dollars,
  type OutputFlags,
  wholeNumber,
  withExamples,
  withOutput,
  withTarget,
} from '../options.ts'
import { print } from '../output.ts'

interface ExplainFlags extends OutputFlags, TargetFlags {}

interface WhatIfFlags extends OutputFlags, TargetFlags {
  readonly latencyP99?: string
  readonly acknowledgedWithin?: string
  readonly retention?: string
  readonly peak?: number
  readonly rate?: number
  readonly messageBytes?: number
  readonly ordering?: Intent['ordering']
  readonly budget?: number
}

export function explainCommand(program: Command, io: Io): void {
  const command = program
    .command('explain')
    .summary('what an mQ ID costs, why it is as it is, and what each requirement costs')
    .description(
      'Shows the configuration of an mQ ID and its cost by meter, each with the bytes it bills and the assumption behind it, the ' +
        'cheapest configuration within the intent, the alternatives, why others are out, and what each requirement costs.',
    )
    .argument('<id>', 'an mQ ID')
  withExamples(withTarget(withOutput(command)), [
    ['mq explain orders.placed', 'for people'],
    ['mq explain orders.placed -o json', 'for programs'],
  ]).action(async (id: string, flags: ExplainFlags) => {
    const params = { id: checkMqId(id) }
    const explanation = await apiFor(io, flags).call('explainId', { params }, { signal: io.interrupt })
    await print(io, flags.output, explanation, (colors, width) => explanationText(explanation, colors, width))
  })
}

export function whatIfCommand(program: Command, io: Io): void {
  const command = program
    .command('whatif')
    .summary('the configuration and the bill under other requirements; changes nothing')
    .description(
      'Answers what mQ would choose for an mQ ID, and what it would cost, if its owner asked something else or if its traffic ' +
        'were different. Nothing is changed.',
    )
    .argument('<id>', 'an mQ ID')
    .addOption(new Option('--latency-p99 <time>', 'end-to-end p99 to hold, such as 50ms').argParser(duration))
    .addOption(
      new Option(
        '--acknowledged-within <time>',
        'p99 of a send to hold, until it is acknowledged, such as 20ms',
      ).argParser(duration),
    )
    .addOption(new Option('--retention <time>', "how long records are kept, such as 3d, 'forever' or 'latest-per-key'"))
    .addOption(new Option('--peak <multiple>', 'rate that must still be carried, such as 5x').argParser(multiple))
    .addOption(new Option('--rate <messages>', 'messages a second').argParser(wholeNumber(1)))
    .addOption(new Option('--message-bytes <bytes>', 'usual size of a message').argParser(wholeNumber(1)))
    .addOption(new Option('--ordering <order>', 'whether records of a key keep their order').choices(['key', 'none']))
    .addOption(new Option('--budget <usd>', 'most it may cost a month, such as 400usd').argParser(dollars))
  withExamples(withTarget(withOutput(command)), [
    ['mq whatif orders.placed --latency-p99 50ms --retention 3d --peak 5x', 'another promise and a sale'],
    ['mq whatif orders.placed --rate 20000 -o json', 'ten times the traffic, for programs'],
  ]).action(async (id: string, flags: WhatIfFlags) => {
    const asked = askedBy(flags)
    const params = { id: checkMqId(id) }
    const answer = await apiFor(io, flags).call('whatIf', { params, body: asked }, { signal: io.interrupt })
    const format = flags.output
    await print(io, format, answer, (colors, width) => whatIfText(answer, colors, width))
  })
}

function askedBy(flags: WhatIfFlags): WhatIfInput {
  const { latencyP99, acknowledgedWithin, retention, peak, rate, messageBytes, ordering, budget } = flags
  const asked: WhatIfInput = {
    ...(latencyP99 === undefined ? {} : { latencyP99Ms: latencyP99 }),
    ...(acknowledgedWithin === undefined ? {} : { acknowledgedWithinMs: acknowledgedWithin }),
    ...(retention === undefined ? {} : { retention }),
    ...(peak === undefined ? {} : { peak }),
    ...(rate === undefined ? {} : { messagesPerSecond: rate }),
    ...(messageBytes === undefined ? {} : { messageBytes }),
    ...(ordering === undefined ? {} : { ordering }),
    ...(budget === undefined ? {} : { budgetUsdPerMonth: budget }),
  }
  if (Object.keys(asked).length > 0) return asked
  throw new MqError('MQ_OPTION_INVALID', 'Say what would be different, such as --latency-p99 50ms or --peak 5x')
}

type WhatIfInput = z.input<typeof WhatIf>

function duration(text: string): string {
  if (parseDurationMs(text) === undefined) throw new InvalidArgumentError('Write a time such as 50ms, 3h or 7d.')
  return text
}

/** `5x`, `5`, `2.5x` */
function multiple(text: string): number {
  const value = Number(/^(\d+(?:\.\d+)?)\s?x?$/i.exec(text.trim())?.[1] ?? Number.NaN)
  if (Number.isFinite(value) && value >= 1 && value <= 1_000) return value
  throw new InvalidArgumentError('It is a multiple of the usual rate from 1 to 1000, such as 5x.')
}
