/** `mq apps [ID]`: which applications produce and consume what. */
import type { Command } from 'commander'
import { appsText } from '../apps-view.ts'
import { checkName, type TargetFlags } from '../contexts.ts'
import type { Io } from '../io.ts'
import { apiFor, checkMqId, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'

interface AppsFlags extends OutputFlags, TargetFlags {
  readonly app?: string
}

export function appsCommand(program: Command, io: Io): void {
  const command = program
    .command('apps')
    .summary('list applications: who produces, who consumes')
    .description(
      'Lists the applications that use mQ IDs, or one of them: each process with its host, the version of its SDK, since when, what it produces and consumes, and how fast. A process that has not reported for a minute is told with when it was last seen, and is gone after a quarter of an hour. Groups that are not of mQ are named, too; Kafka does not tell who other producers are.',
    )
    .argument('[id]', 'only those that use this mQ ID')
    .option('--app <name>', 'only this application')
  withExamples(withTarget(withOutput(command)), [
    ['mq apps', 'everybody'],
    ['mq apps orders.placed', 'who produces and who consumes it'],
    ['mq apps --app checkout -o json', 'what one application does, for a program'],
  ]).action(async (text: string | undefined, flags: AppsFlags) => {
    const query = {
      ...(text === undefined ? {} : { id: checkMqId(text) }),
      ...(flags.app === undefined ? {} : { app: checkName('application', flags.app) }),
    }
    const answer = await apiFor(io, flags).all('listApps', { query }, { signal: io.interrupt })
    await print(io, flags.output, answer, (colors) => appsText(answer, colors, Date.now()))
  })
}
