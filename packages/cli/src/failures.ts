/**
 * How a failure is told: the code, what happened and what to do, on stderr, and the exit code that belongs to it.
 *
 * F1. With `--output json` or `yaml` the whole of stderr is one Problem, the same object the HTTP API answers with.
 * F2. An error that is not an MqError is a defect of mQ: it is shown as MQ_INTERNAL, its stack only with MQ_DEBUG=1.
 * F3. No stack, no library error text without context, and never a secret.
 */
import { MqError, type Problem } from '@mq/contract'
import { stringify } from 'yaml'
import { type ExitCode, exitCodeFor, exitCodes } from './exit-codes.ts'
import { colorsFor, type Io, write } from './io.ts'
import type { OutputFormat } from './output.ts'

/** Thrown by a command that has said all there is to say and only wants its exit code. */
export class Exit extends Error {
  override readonly name = 'Exit'
  readonly exitCode: ExitCode

  constructor(exitCode: ExitCode) {
    super(`exit ${exitCode}`)
    this.exitCode = exitCode
  }
}

/** One place in a file that is wrong, as in the details of MQ_FILE_INVALID and MQ_CONFIG_INVALID. */
export interface FileProblem {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly message: string
  /** The line itself, for a person to see. */
  readonly source: string
}

export function toProblem(error: unknown): Problem {
  return asMqError(error).toJSON() as Problem
}

/** Prints the failure and gives the exit code of the process. */
export async function reportFailure(error: unknown, io: Io, format: OutputFormat): Promise<ExitCode> {
  if (error instanceof Exit) return error.exitCode
  if (io.interrupt.aborted) return interruptedExitCode(io)
  const failure = asMqError(error)
  if (format === 'json') await write(io.stderr, `${JSON.stringify(toProblem(failure), null, 2)}\n`)
  else if (format === 'yaml') await write(io.stderr, stringify(toProblem(failure)))
  else await write(io.stderr, textOf(failure, io))
  if (io.env.MQ_DEBUG && failure.cause instanceof Error) await write(io.stderr, `${failure.cause.stack ?? ''}\n`)
  return exitCodeFor(failure.code)
}

export function interruptedExitCode(io: Io): ExitCode {
  if (io.interrupt.reason === 'reader-gone') return exitCodes.ok
  return io.interrupt.reason === 'terminated' ? exitCodes.terminated : exitCodes.interrupted
}

function asMqError(error: unknown): MqError {
  if (error instanceof MqError) return error
  const text = error instanceof Error ? error.message : String(error)
  return new MqError('MQ_INTERNAL', text, { cause: error })
}

function textOf(error: MqError, io: Io): string {
  const colors = colorsFor(io.stderr, io.env)
  const lines = [`${colors.red(colors.bold(error.code))}: ${error.message}`]
  for (const problem of fileProblems(error)) {
    lines.push(`  ${colors.bold(`${problem.file}:${problem.line}:${problem.column}`)}  ${problem.message}`)
    if (problem.source.trim() !== '') {
      lines.push(colors.dim(`    ${problem.source}`), colors.red(`    ${caret(problem)}`))
    }
  }
  lines.push(`${colors.cyan('What to do')}: ${error.action}.`)
  return `${lines.join('\n')}\n`
}

function caret(problem: FileProblem): string {
  return `${problem.source.slice(0, problem.column - 1).replace(/[^\t]/g, ' ')}^`
}

function fileProblems(error: MqError): readonly FileProblem[] {
  const { problems } = error.details
  const isOfFile = error.code === 'MQ_FILE_INVALID' || error.code === 'MQ_CONFIG_INVALID'
  return isOfFile && Array.isArray(problems) ? (problems as FileProblem[]) : []
}
