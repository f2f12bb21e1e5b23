/** `mq serve`: the control plane in production. */
import { type Command, Option } from 'commander'
import type { Io } from '../io.ts'
import { type OutputFlags, withExamples, withOutput } from '../options.ts'
import { print, table } from '../output.ts'
import { resolveConfig } from '../serve/config.ts'
import { openSecrets, serve } from '../serve/run.ts'

interface ServeCommandFlags extends OutputFlags {
  readonly config?: string
  readonly listen?: string
  readonly data?: string
  readonly logLevel?: string
  readonly printConfig?: true
}

export function serveCommand(program: Command, io: Io): void {
  const command = program
    .command('serve')
    .summary('run the control plane in production')
    .description(
      'Runs one control plane until SIGTERM. Settings come from flags, MQ_* variables and a file, in this order; docs/guides/operate.md lists them. Logs are JSON lines on standard error. SIGHUP reads secrets and certificates again.',
    )
    .option('--config <file>', 'settings as YAML (or MQ_CONFIG)')
    .option('--listen <host:port>', 'where the API listens')
    .option('--data <folder>', 'folder of the store')
    .addOption(
      new Option('--log-level <level>', 'the least that is logged').choices(['debug', 'info', 'warn', 'error']),
    )
    .option('--print-config', 'print every setting and where it comes from, check it, and end')
  withExamples(withOutput(command), [
    ['mq serve --config /etc/mq/mq.yaml', 'as a service does it'],
    ['mq serve --config /etc/mq/mq.yaml --print-config', 'what would hold, and what is wrong with it'],
    ['mq serve --data ./data --listen 127.0.0.1:7070', 'on this machine only, without a token'],
  ]).action((flags: ServeCommandFlags) => run(io, flags))
}

async function run(io: Io, flags: ServeCommandFlags): Promise<void> {
  const resolved = resolveConfig(
    flags.config ?? (io.env.MQ_CONFIG || undefined),
    { listen: flags.listen, data: flags.data, 'log-level': flags.logLevel },
    io,
  )
  if (flags.printConfig !== true) return serve(resolved, io)
  await print(io, flags.output, resolved.effective, (colors, width) =>
    table(
      [{ head: 'SETTING' }, { head: 'FROM' }, { head: 'VALUE' }],
      resolved.effective.map(({ setting, value, source }) => [setting, source, value ?? '-']),
      colors,
      width,
    ),
  )
  await openSecrets(resolved.config, io)
}
