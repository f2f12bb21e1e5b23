/** `mq apply`: declare mQ IDs from files; with --plan only say what would change. */
import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { MqError } from '@mq/contract'
import type { Command } from 'commander'
import type { TargetFlags } from '../contexts.ts'
import { MAX_FILE_BYTES, readDeclarations, type SourceFile } from '../declarations-file.ts'
import { exitCodes } from '../exit-codes.ts'
import { Exit } from '../failures.ts'
import type { Io } from '../io.ts'
import { apiFor, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'
import { planText } from '../plan-view.ts'
import { startProgress } from '../progress.ts'
import { plural } from '../units.ts'

interface ApplyFlags extends OutputFlags, TargetFlags {
  readonly file: readonly string[]
  readonly plan?: boolean
  readonly detailedExitCode?: boolean
}

export function applyCommand(program: Command, io: Io): void {
  const command = program
    .command('apply')
    .summary('declare mQ IDs with their intents')
    .description(
      'Declares the mQ IDs of one or more files. What is declared already and did not change stays untouched; nothing that a file leaves out is deleted.',
    )
    .requiredOption('-f, --file <file...>', 'files to read; - is standard input')
    .option('--plan', 'only show what would change')
    .option('--detailed-exit-code', `with --plan: exit ${exitCodes.changesPending} when there are changes`)
  withExamples(withTarget(withOutput(command)), [
    ['mq apply -f mq.yaml --plan', 'show the difference first'],
    ['mq apply -f mq.yaml', 'make it so'],
    ['mq apply -f mq.yaml --plan -o json', 'the difference for a program'],
  ]).action((flags: ApplyFlags) => apply(io, flags))
}

async function apply(io: Io, flags: ApplyFlags): Promise<void> {
  if (flags.detailedExitCode === true && flags.plan !== true) {
    throw new MqError('MQ_OPTION_INVALID', '--detailed-exit-code says something about --plan only')
  }
  const files = await Promise.all(flags.file.map((name) => readSource(io, name)))
  const declarations = readDeclarations(files)
  const progress = startProgress(io, `declaring ${plural(declarations.length, 'mQ ID')}`)
  const plan = await apiFor(io, flags)
    .call('apply', { body: { declarations, plan: flags.plan === true } }, { signal: io.interrupt, deadlineMs: 300_000 })
    .finally(() => progress.stop())
  await print(io, flags.output, plan, (colors) => planText(plan, colors))
  if (plan.entries.some((entry) => entry.action === 'refuse')) throw new Exit(exitCodes.refused)
  const pending = plan.entries.some((entry) => entry.action !== 'unchanged')
  if (flags.detailedExitCode === true && pending) throw new Exit(exitCodes.changesPending)
}

async function readSource(io: Io, name: string): Promise<SourceFile> {
  if (name === '-') return { name: '<stdin>', text: await readAll(io.stdin) }
  const path = resolve(io.cwd, name)
  try {
    const { size } = await stat(path)
    if (size > MAX_FILE_BYTES)
      throw new MqError('MQ_FILE_INVALID', `${name} has ${size} bytes, ${MAX_FILE_BYTES} are allowed`)
    return { name, text: await readFile(path, 'utf8') }
  } catch (error) {
    if (error instanceof MqError) throw error
    throw unreadable(name, error)
  }
}

export function unreadable(name: string, error: unknown): MqError {
  const code = (error as NodeJS.ErrnoException).code
  const why =
    code === 'ENOENT'
      ? 'there is no such file'
      : code === 'EISDIR'
        ? 'it is a folder'
        : code === 'EACCES'
          ? 'this user may not read it'
          : (error as Error).message
  return new MqError('MQ_OPTION_INVALID', `${name} cannot be read: ${why}`, { cause: error })
}

async function readAll(stream: AsyncIterable<Uint8Array | string>): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > MAX_FILE_BYTES) throw new MqError('MQ_FILE_INVALID', `<stdin> has more than ${MAX_FILE_BYTES} bytes`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}
