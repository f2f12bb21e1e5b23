/**
 * The commands of `mq`, put together, and one run of them.
 *
 * P1. A run returns its exit code; it never ends the process and leaves nothing running.
 * P2. Wrong usage is a failure like any other: a code, what happened, what to do, on stderr, exit code 2.
 */
import { didYouMean, MqError } from '@mq/contract'
import { Command, CommanderError } from 'commander'
import { applyCommand } from './commands/apply.ts'
import { appsCommand } from './commands/apps.ts'
import { backupCommand, restoreCommand } from './commands/backup.ts'
import { benchCommand } from './commands/bench.ts'
import { budgetCommand } from './commands/budget.ts'
import { clusterCommand } from './commands/cluster.ts'
import { completionCommand } from './commands/completion.ts'
import { contextCommand } from './commands/context.ts'
import { costCommand } from './commands/cost.ts'
import { approveCommand, decisionCommand, decisionsCommand, undoCommand } from './commands/decisions.ts'
import { deleteCommand, undeleteCommand } from './commands/delete.ts'
import { demoCommand } from './commands/demo.ts'
import { describeCommand } from './commands/describe.ts'
import { devCommand } from './commands/dev.ts'
import { dlqCommand } from './commands/dlq.ts'
import { doctorCommand } from './commands/doctor.ts'
import { driftCommand } from './commands/drift.ts'
import { explainCommand, whatIfCommand } from './commands/explain.ts'
import { groupCommand } from './commands/group.ts'
import { groupsCommand } from './commands/groups.ts'
import { historyCommand } from './commands/history.ts'
import { listCommand } from './commands/list.ts'
import { migrateCommand } from './commands/migrate.ts'
import { migrationsCommand } from './commands/migrations.ts'
import { autopilotCommand, policyCommand } from './commands/policy.ts'
import { docsCommand, measureCommand, packCommand, runCommand, testCommand } from './commands/run-script.ts'
import { scanCommand } from './commands/scan.ts'
import { sendCommand } from './commands/send.ts'
import { serveCommand } from './commands/serve.ts'
import { settleCommand } from './commands/settle.ts'
import { tailCommand } from './commands/tail.ts'
import { type ExitCode, exitCodeMeanings, exitCodes } from './exit-codes.ts'
import { reportFailure } from './failures.ts'
import { commandName, type Io, write } from './io.ts'
import { type OutputFormat, outputFormats } from './output.ts'
import { hasSourceTree } from './source-tree.ts'
import { VERSION } from './version.ts'

type Register = (program: Command, io: Io) => void

const groups: readonly { readonly heading: string; readonly commands: readonly Register[] }[] = [
  { heading: 'Try and run:', commands: [demoCommand, devCommand, serveCommand] },
  {
    heading: 'mQ IDs:',
    commands: [applyCommand, listCommand, describeCommand, deleteCommand, undeleteCommand, settleCommand, driftCommand],
  },
  { heading: 'Consumer groups:', commands: [groupsCommand, groupCommand, appsCommand] },
  { heading: 'Migrations:', commands: [migrateCommand, migrationsCommand] },
  {
    heading: 'Decisions:',
    commands: [decisionsCommand, decisionCommand, approveCommand, undoCommand, policyCommand, autopilotCommand],
  },
  { heading: 'Messages:', commands: [sendCommand, tailCommand, dlqCommand] },
  {
    heading: 'Cost:',
    commands: [scanCommand, explainCommand, whatIfCommand, costCommand, budgetCommand, benchCommand],
  },
  {
    heading: 'Surroundings:',
    commands: [
      clusterCommand,
      contextCommand,
      historyCommand,
      doctorCommand,
      backupCommand,
      restoreCommand,
      completionCommand,
    ],
  },
  { heading: 'For work on mQ itself:', commands: [runCommand, testCommand, measureCommand, docsCommand, packCommand] },
]

/** They run programs of the source tree. */
const ofSourceTree: ReadonlySet<Register> = new Set([
  demoCommand,
  runCommand,
  testCommand,
  measureCommand,
  docsCommand,
  packCommand,
])
const ofSourceTreeNames = ['demo', 'run', 'test', 'measure', 'docs', 'pack']

export function buildProgram(io: Io): Command {
  const mq = commandName(io.env)
  const inTree = hasSourceTree()
  const program = new Command('mq')
    .usage('<command> [options]')
    .description('Send and receive by mQ ID; mQ chooses and keeps choosing everything below it.')
    .version(`mq ${VERSION} (node ${process.version})`, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .enablePositionalOptions()
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      // Usage errors are reported like every other failure (P2).
      writeErr: () => {},
      getOutHelpWidth: () => Math.min(io.stdout.columns ?? 100, 110),
      getOutHasColors: () => false,
    })
  for (const { heading, commands } of groups) {
    const here = commands.filter((register) => inTree || !ofSourceTree.has(register))
    if (here.length === 0) continue
    program.commandsGroup(heading)
    for (const register of here) register(program, io)
  }
  program.commandsGroup('Help:').helpCommand('help [command]', 'show help for a command')
  program.addHelpText('after', () => helpEnd(mq, inTree))
  return program
}

function helpEnd(mq: string, inTree: boolean): string {
  const codes = exitCodeMeanings.map(({ code, meaning }) => `  ${String(code).padStart(3)}  ${meaning}`)
  const start: readonly (readonly [words: string, what: string])[] = inTree
    ? [
        ['demo', 'everything once, on real events, with a report'],
        ['dev', 'a stack that stays up until Ctrl-C'],
        ['apply -f examples/shop/mq.yaml', 'declare mQ IDs'],
      ]
    : [
        ['dev', 'Kafka and a control plane that stay up until Ctrl-C'],
        ['send orders.placed --value \'{"id":"o-1"}\'', 'a first message'],
        ['tail orders.placed --from earliest', 'and there it is'],
      ]
  return `
Start here:
${start.map(([words, what]) => `  ${mq} ${words.padEnd(37)} # ${what}`).join('\n')}

Environment:
  MQ_URL, MQ_TOKEN   control plane and its token     MQ_CONTEXT   a context of \`mq context list\`
  NO_COLOR           no colour                        MQ_DEBUG     print the cause of a failure, too

Exit codes:
${codes.join('\n')}`
}

/** P1. */
export async function runCli(argv: readonly string[], io: Io): Promise<ExitCode> {
  const program = buildProgram(io)
  try {
    if (argv.length === 0) {
      await write(io.stdout, helpOf(program))
      return exitCodes.ok
    }
    await program.parseAsync([...argv], { from: 'user' })
    return exitCodes.ok
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return exitCodes.ok
      return await reportFailure(usageError(error, program, commandName(io.env), argv[0] ?? ''), io, wantedFormat(argv))
    }
    return await reportFailure(error, io, wantedFormat(argv))
  }
}

function helpOf(program: Command): string {
  let text = ''
  program.configureOutput({ writeOut: (part) => (text += part) })
  program.outputHelp()
  return text
}

function usageError(error: CommanderError, program: Command, mq: string, words: string): MqError {
  if (error.code === 'commander.unknownCommand') {
    const typed = /'([^']*)'/.exec(error.message)?.[1] ?? words
    if (ofSourceTreeNames.includes(typed) && !hasSourceTree()) {
      const what = `${mq} ${typed} runs programs of the source tree of mQ, and this is an installed package`
      return new MqError('MQ_COMMAND_UNKNOWN', `${what}: run ./mq ${typed} in a clone of mQ`)
    }
    const group = program.commands.find((command) => command.name() === words && command.name() !== typed)
    const known = (group ?? program).commands.flatMap((command) => [command.name(), ...command.aliases()])
    const where = group === undefined ? '' : ` of ${mq} ${words}`
    return new MqError('MQ_COMMAND_UNKNOWN', `There is no command '${typed}'${where}${didYouMean(typed, known)}`)
  }
  if (error.code === 'commander.help') {
    return new MqError('MQ_OPTION_INVALID', `The command needs a subcommand; see ${mq} ${words} --help`)
  }
  const message = error.message.replace(/^error: /, '').replace(/\n\(?(Did you mean[^)]*)\)?$/, '. $1')
  return new MqError('MQ_OPTION_INVALID', `${message.charAt(0).toUpperCase()}${message.slice(1)}`)
}

/** The output format a command line asks for, even when the rest of it is not understood. */
function wantedFormat(argv: readonly string[]): OutputFormat {
  for (const [index, word] of argv.entries()) {
    if (word === '--json') return 'json'
    const text = word === '-o' || word === '--output' ? argv[index + 1] : /^(?:--output=|-o=?)(\w+)$/.exec(word)?.[1]
    const format = outputFormats.find((each) => each === text)
    if (format !== undefined) return format
  }
  return 'table'
}
