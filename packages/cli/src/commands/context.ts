/** `mq context`: names for control planes, kept in a file only this user can read. */
import { MqError } from '@mq/contract'
import type { Command } from 'commander'
import { type Context, checkName, checkUrl, contextFilePath, readContextFile, writeContextFile } from '../contexts.ts'
import { type Colors, type Io, writeLine } from '../io.ts'
import { type OutputFlags, withExamples, withOutput } from '../options.ts'
import { print, table } from '../output.ts'

interface SetFlags {
  readonly url: string
  readonly token?: string
  readonly tokenStdin?: boolean
  readonly use?: boolean
}

interface ContextRow {
  readonly name: string
  readonly url: string
  readonly hasToken: boolean
  readonly current: boolean
}

export function contextCommand(program: Command, io: Io): void {
  const context = program
    .command('context')
    .summary('name control planes and switch between them')
    .description(
      'Names for control planes. A command takes its target from flags first, then MQ_URL and MQ_TOKEN or MQ_CONTEXT, then the current context.',
    )
  withExamples(
    withOutput(context.command('list').alias('ls').description('Lists the contexts; tokens are not shown.')),
    [['mq context list', 'the current one carries a star']],
  ).action(async (flags: OutputFlags) => {
    const rows = contextRows(io)
    await print(io, flags.output, { contexts: rows }, (colors) => contextsText(rows, colors, contextFilePath(io.env)))
  })
  withExamples(context.command('use').description('Makes a context the current one.').argument('<name>', 'a context'), [
    ['mq context use production', 'from now on'],
  ]).action(async (name: string) => {
    const file = readContextFile(io.env)
    if (!file.contexts.has(name)) throw unknownContext(io, name)
    writeContextFile(io.env, { ...file, current: name })
    await writeLine(io.stdout, `The current context is ${name}.`)
  })
  const set = context
    .command('set')
    .description('Adds a context or changes it. The first one becomes the current one.')
    .argument('<name>', 'a name for it')
    .requiredOption('--url <url>', 'address of the control plane')
    .option('--token <text>', 'its token (seen in the process list while the command runs)')
    .option('--token-stdin', 'read the token from standard input')
    .option('--use', 'make it the current one')
  withExamples(set, [
    ['mq context set production --url https://mq.example.com --token-stdin <token.txt', 'token from a file'],
    ['mq context set local --url http://127.0.0.1:7070 --use', 'the one of mq dev'],
  ]).action((name: string, flags: SetFlags) => setContext(io, name, flags))
  withExamples(
    context.command('remove').alias('rm').description('Forgets a context.').argument('<name>', 'a context'),
    [['mq context remove production', 'its token is gone, too']],
  ).action(async (name: string) => {
    const file = readContextFile(io.env)
    const contexts = new Map(file.contexts)
    if (!contexts.delete(name)) throw unknownContext(io, name)
    writeContextFile(io.env, { current: file.current === name ? undefined : file.current, contexts })
    await writeLine(io.stdout, `Forgot context ${name}.`)
  })
}

async function setContext(io: Io, text: string, flags: SetFlags): Promise<void> {
  const name = checkName('context', text)
  const url = checkUrl(flags.url)
  const token = flags.tokenStdin === true ? await readToken(io) : flags.token
  const file = readContextFile(io.env)
  const kept = file.contexts.get(name)
  const context: Context = { url, token: token ?? (kept?.url === url ? kept.token : undefined) }
  const current = flags.use === true ? name : (file.current ?? name)
  writeContextFile(io.env, { current, contexts: new Map(file.contexts).set(name, context) })
  await writeLine(
    io.stdout,
    `Kept context ${name} (${url}${context.token === undefined ? '' : ', with a token'})${current === name ? '; it is the current one' : ''}.`,
  )
}

async function readToken(io: Io): Promise<string> {
  let text = ''
  for await (const chunk of io.stdin) {
    text += String(chunk)
    if (text.length > 16_384) break
  }
  const token = text.trim()
  if (token === '' || token.length > 8_192)
    throw new MqError('MQ_OPTION_INVALID', `--token-stdin read ${token.length} characters; a token has 1 to 8192`)
  return token
}

function contextRows(io: Io): ContextRow[] {
  const file = readContextFile(io.env)
  return [...file.contexts].map(([name, context]) => ({
    name,
    url: context.url,
    hasToken: context.token !== undefined,
    current: name === file.current,
  }))
}

function contextsText(rows: readonly ContextRow[], colors: Colors, path: string): string {
  if (rows.length === 0)
    return `No contexts in ${path}. Commands talk to http://127.0.0.1:7070, the control plane of mq dev.`
  return table(
    [{ head: '' }, { head: 'NAME' }, { head: 'URL' }, { head: 'TOKEN' }],
    rows.map((row) => [row.current ? '*' : '', row.name, row.url, row.hasToken ? 'kept' : '-']),
    colors,
  )
}

function unknownContext(io: Io, name: string): MqError {
  return new MqError('MQ_CONTEXT_UNKNOWN', `No context '${name}' in ${contextFilePath(io.env)}`)
}
