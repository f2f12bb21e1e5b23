/** `mq migrations [show N]`: migrations under way and over, or one with its steps, proofs and report. */
import { MAX_PAGE, MqError } from '@mq/contract'
import type { Command } from 'commander'
import type { TargetFlags } from '../contexts.ts'
import { commandName, type Io } from '../io.ts'
import { migrationsText, migrationText } from '../migration-view.ts'
import { apiFor, checkMqId, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'
import { migrationNumber } from './migrate.ts'

interface MigrationsFlags extends OutputFlags, TargetFlags {
  readonly id?: string
}

export function migrationsCommand(program: Command, io: Io): void {
  const command = program
    .command('migrations')
    .summary('list migrations, or show one')
    .description('Lists migrations, newest first; show N shows one with its steps, its proofs and its report.')
    .usage('[options] [show <number>]')
    .argument('[show]', 'the word show')
    .argument('[number]', 'the migration to show')
    .option('--id <id>', 'only those of one mQ ID')
  withExamples(withTarget(withOutput(command)), [
    ['mq migrations', 'all of them'],
    ['mq migrations show 3', 'one, with its proofs and its report'],
    ['mq migrations show 3 -o json', 'the same for a program'],
  ]).action(async (show: string | undefined, number: string | undefined, flags: MigrationsFlags) => {
    const api = apiFor(io, flags)
    if (show !== undefined) {
      if (show !== 'show')
        throw new MqError(
          'MQ_OPTION_INVALID',
          `'${show}' is not a subcommand of mq migrations; write mq migrations show NUMBER`,
        )
      const params = { number: migrationNumber(number) }
      const migration = await api.call('getMigration', { params }, { signal: io.interrupt })
      await print(io, flags.output, migration, (colors) => migrationText(migration, colors, Date.now()))
      return
    }
    const query: Record<string, string> = flags.id === undefined ? {} : { id: checkMqId(flags.id) }
    const answer = await api.all('listMigrations', { query: { ...query, limit: MAX_PAGE } }, { signal: io.interrupt })
    await print(io, flags.output, answer, (colors) =>
      migrationsText(answer.migrations, colors, commandName(io.env), Date.now()),
    )
  })
}
