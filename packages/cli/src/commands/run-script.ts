/** `mq run`, `mq measure`, `mq test`, `mq docs` and `mq pack`: programs of the source tree, run by the same Node with the same flags. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { didYouMean, MqError } from '@mq/contract'
import type { Command } from 'commander'
import type { ExitCode } from '../exit-codes.ts'
import { Exit } from '../failures.ts'
import { type Io, write } from '../io.ts'
import { withExamples } from '../options.ts'
import { sourceTree } from '../source-tree.ts'

/** Beside this file, as source or built. */
const OUTSIDE = new URL(`../resolve-outside.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url).href

export function measureCommand(program: Command, io: Io): void {
  const command = program
    .command('measure')
    .summary('measure throughput, latency, propagation ... on this machine')
    .description(
      'Runs one of the measuring programs; without a name it lists them. Everything after the name goes to the program; --help there shows its flags.',
    )
    .argument('[name]', 'which one')
    .argument('[flags...]', 'its flags')
    .allowUnknownOption()
    .passThroughOptions()
    .helpOption(false)
  withExamples(command, [
    ['mq measure', 'which ones there are'],
    ['mq measure throughput', 'messages a second, beside other clients'],
    ['mq measure latency --json', 'one JSON object on the last line'],
  ]).action(async (name: string | undefined, rest: readonly string[]) => {
    if (name === '--help' || name === '-h') {
      command.outputHelp()
      return
    }
    const known = measurements()
    if (name === undefined) {
      await write(io.stdout, known.map((each) => `${each}\n`).join(''))
      return
    }
    if (!known.includes(name)) {
      throw new MqError(
        'MQ_OPTION_INVALID',
        `There is no measurement '${name}'${didYouMean(name, known)}; there are: ${known.join(', ')}`,
      )
    }
    await runScript(io, join(sourceTree(), 'bench', `${name}.ts`), rest)
  })
}

export function runCommand(program: Command, io: Io): void {
  const command = program
    .command('run')
    .summary('run a program with the Node that mq brought')
    .description(
      'Runs a TypeScript or JavaScript file of the source tree, such as an example. Everything after it goes to it.',
    )
    .argument('<file>', 'which one')
    .argument('[flags...]', 'its flags')
    .allowUnknownOption()
    .passThroughOptions()
  withExamples(command, [['mq run examples/flights/produce.ts --part 0/1 --limit 1000', 'with mq dev running']]).action(
    async (file: string, rest: readonly string[]) => {
      const path = resolve(io.cwd, file)
      if (!existsSync(path)) throw new MqError('MQ_OPTION_INVALID', `There is no file ${file}`)
      await runScript(io, path, rest, ['--import', OUTSIDE])
    },
  )
}

export function testCommand(program: Command, io: Io): void {
  const command = program
    .command('test')
    .summary('run the whole test suite of mQ, real Kafka included')
    .description('Runs format, lint, types, package boundaries, unit tests, tests on real Kafka and docs checks.')
    .argument('[flags...]', 'passed on')
    .allowUnknownOption()
    .passThroughOptions()
  withExamples(command, [
    ['mq test', 'all of it'],
    ['MQ_TEST_WITHOUT_KAFKA=1 mq test', 'where there is no Java'],
  ]).action((rest: readonly string[]) => runScript(io, join(sourceTree(), 'scripts', 'test.ts'), rest))
}

export function docsCommand(program: Command, io: Io): void {
  const command = program
    .command('docs')
    .summary('bring the generated parts of the docs up to date')
    .description(
      'Writes the parts of the docs that are made from the code; with --check only says which are not up to date.',
    )
    .argument('[flags...]', 'passed on')
    .allowUnknownOption()
    .passThroughOptions()
  withExamples(command, [
    ['mq docs', 'after a change of commands, errors, schemas or files'],
    ['mq docs --check', 'as the tests do'],
  ]).action((rest: readonly string[]) => runScript(io, join(sourceTree(), 'scripts', 'generated-docs.ts'), rest))
}

export function packCommand(program: Command, io: Io): void {
  const command = program
    .command('pack')
    .summary('write the packages as tarballs that npm installs')
    .description(
      'Builds the packages and packs each as npm publishes it; --check has publint and arethetypeswrong look at them.',
    )
    .argument('[flags...]', '--out DIR, --check, --build')
    .allowUnknownOption()
    .passThroughOptions()
  withExamples(command, [
    ['mq pack', 'into dist/ of the source tree'],
    ['mq pack --out /tmp/packages --check', 'as before they are published'],
  ]).action((rest: readonly string[]) => runScript(io, join(sourceTree(), 'scripts', 'pack.ts'), rest))
}

/** Files of `bench/` that say in their header that they are one. */
function measurements(): string[] {
  const folder = join(sourceTree(), 'bench')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.slice(0, -3))
    .filter((name) =>
      readFileSync(join(folder, `${name}.ts`), 'utf8')
        .slice(0, 500)
        .includes(`mq measure ${name}`),
    )
    .sort()
}

async function runScript(io: Io, path: string, rest: readonly string[], flags: readonly string[] = []): Promise<void> {
  if (!existsSync(path)) {
    throw new MqError('MQ_OPTION_INVALID', `${path} is not there: this command works in the source tree of mQ only`)
  }
  const child = spawn(process.execPath, ['--conditions=mq-source', ...flags, path, ...rest], { stdio: 'inherit' })
  // The terminal gives Ctrl-C to the whole process group; a SIGTERM reaches only us.
  io.interrupt.addEventListener('abort', () => child.kill(io.interrupt.reason === 'ctrl-c' ? 'SIGINT' : 'SIGTERM'), {
    once: true,
  })
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (status, signal) =>
      resolve(status ?? (signal === 'SIGINT' ? 130 : signal === 'SIGTERM' ? 143 : 1)),
    )
  })
  if (code !== 0) throw new Exit(code as ExitCode)
}
