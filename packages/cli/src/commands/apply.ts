/** `mq apply`: declare mQ IDs from files; with --plan only say what would change. */
import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { MqError, type Plan } from '@mq/contract'
import type { Command } from 'commander'
import { confirmChange } from '../confirm.ts'
import type { TargetFlags } from '../contexts.ts'
import { MAX_FILE_BYTES, readContent, type SourceFile } from '../declarations-file.ts'
import { exitCodes } from '../exit-codes.ts'
import { Exit } from '../failures.ts'
import { colorsFor, type Io } from '../io.ts'
import { apiFor, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'
import { planText, resetFields, type WrittenFields } from '../plan-view.ts'
import { startProgress } from '../progress.ts'
import { plural } from '../units.ts'

interface ApplyFlags extends OutputFlags, TargetFlags {
  readonly file: readonly string[]
  readonly plan?: boolean
  readonly detailedExitCode?: boolean
  readonly yes?: boolean
}

export function applyCommand(program: Command, io: Io): void {
  const command = program
    .command('apply')
    .summary('declare mQ IDs with their intents')
    .description(
      'Declares the mQ IDs of one or more files. What is declared already and did not change stays untouched; no mQ ID that a file leaves out is deleted. A field that is left out of an intent has its default. Rules of owners say which team pays for topics and groups; they replace those of before. A change that deletes records, or sets a field back that the file leaves out, is shown first and asked about.',
    )
    .requiredOption('-f, --file <file...>', 'files to read; - is standard input')
    .option('--plan', 'only show what would change')
    .option('-y, --yes', 'do not ask before a change that deletes records or sets fields back to their defaults')
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
  const { declarations, owners } = readContent(files)
  const api = apiFor(io, flags)
  const send = (planOnly: boolean): Promise<Plan> =>
    api.call('apply', { body: { declarations, plan: planOnly } }, { signal: io.interrupt, deadlineMs: 300_000 })
  const written: WrittenFields = new Map(
    declarations.map(({ id, intent }) => [String(id), new Set(Object.keys(intent ?? {}))]),
  )
  const show = (plan: Plan): Promise<void> => print(io, flags.output, plan, (colors) => planText(plan, colors, written))
  const progress = startProgress(io, `declaring ${plural(declarations.length, 'mQ ID')}`)
  let plan: Plan
  try {
    plan = await send(flags.plan === true || flags.yes !== true)
    const isRefused = plan.entries.some((entry) => entry.action === 'refuse')
    if (flags.plan !== true && flags.yes !== true && !isRefused) {
      const doubts = doubtsOf(plan, written)
      if (doubts.length > 0) {
        progress.stop()
        await confirmChange(io, planText(plan, colorsFor(io.stderr, io.env), written), doubts)
      }
      plan = await send(false)
    }
  } finally {
    progress.stop()
  }
  const isRefused = plan.entries.some((entry) => entry.action === 'refuse')
  if (owners !== null && flags.plan !== true && !isRefused) {
    await api.call('putOwners', { body: { rules: [...owners] } }, { signal: io.interrupt })
  }
  await show(plan)
  const refused = plan.entries.filter((entry) => entry.action === 'refuse')
  if (refused.some((entry) => entry.pending !== true)) throw new Exit(exitCodes.refused)
  if (refused.length > 0) throw new Exit(exitCodes.retryLater)
  const pending = plan.entries.some((entry) => entry.action !== 'unchanged')
  if (flags.detailedExitCode === true && pending) throw new Exit(exitCodes.changesPending)
}

/** What a person may not have meant. */
function doubtsOf(plan: Plan, written: WrittenFields): string[] {
  return plan.entries.flatMap((entry) => [
    ...(entry.deletes ?? []).map((what) => `${entry.id}: it deletes ${what}`),
    ...resetFields(entry, written.get(entry.id)).map(
      (field) => `${entry.id}: '${field}' is left out of the file and goes back to its default`,
    ),
  ])
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
