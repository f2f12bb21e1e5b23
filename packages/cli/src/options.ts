/**
 * Options that several commands share, and the words of their help.
 */

import { ApiClient } from '@mq/api-client'
import { HostPort, MqError, mqIdProblem } from '@mq/contract'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { resolveTarget, type TargetFlags } from './contexts.ts'
import type { Io } from './io.ts'
import { type OutputFormat, outputFormats } from './output.ts'

export interface OutputFlags {
  readonly output: OutputFormat
}

export function withOutput(command: Command): Command {
  return command
    .addOption(
      new Option('-o, --output <format>', 'how to print the answer').choices([...outputFormats]).default('table'),
    )
    .addOption(new Option('--json', 'the same as --output json').implies({ output: 'json' }))
}

export function withTarget(command: Command): Command {
  return command
    .option('--url <url>', 'control plane to talk to (or MQ_URL; default: the current context)')
    .option('--token <text>', 'its token; MQ_TOKEN keeps it out of the process list')
    .option('--context <name>', 'a context from `mq context list` (or MQ_CONTEXT)')
}

/** The examples at the end of a command's help: command line and what it does. */
export function withExamples(command: Command, examples: readonly (readonly [string, string])[]): Command {
  const width = Math.max(...examples.map(([line]) => line.length))
  const lines = examples.map(([line, meaning]) => `  ${line.padEnd(width)}   # ${meaning}`)
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`)
}

export function apiFor(io: Io, flags: TargetFlags): ApiClient {
  return new ApiClient(resolveTarget(flags, io.env))
}

export function checkMqId(text: string): string {
  const problem = mqIdProblem(text)
  if (problem === undefined) return text
  throw new MqError('MQ_ID_INVALID', `'${text}' is not an mQ ID: ${problem}`)
}

export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= least && value <= most) return value
    const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `from ${least} to ${most}`
    throw new InvalidArgumentError(`It is a whole number, ${range}.`)
  }
}

/** An amount of US dollars: a currency that is not named is not guessed. */
export function dollars(text: string): number {
  const match = /^\$?(\d+(?:\.\d+)?)(?:\s?(?:usd|USD))?$/.exec(text.trim())
  const value = Number(match?.[1])
  if (match !== null && Number.isFinite(value)) return value
  throw new InvalidArgumentError(
    /[a-z€£¥₹]/i.test(text)
      ? 'Amounts are in US dollars, such as 400 or 400usd.'
      : 'It is an amount of US dollars, 0 or more.',
  )
}

/** `kafka1:9092,kafka2:9092` */
export function addressList(text: string): string[] {
  const addresses = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  const wrong = addresses.find((address) => !HostPort.safeParse(address).success)
  if (addresses.length === 0 || wrong !== undefined) {
    throw new InvalidArgumentError(
      `Write host:port, several with commas${wrong === undefined ? '' : `; '${wrong}' is not one`}.`,
    )
  }
  return addresses
}
