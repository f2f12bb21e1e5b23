/** `mq list`: all mQ IDs. */
import type { MqIdSummary } from '@mq/contract'
import type { Command } from 'commander'
import type { TargetFlags } from '../contexts.ts'
import { type Colors, commandName, type Io } from '../io.ts'
import { apiFor, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print, table } from '../output.ts'
import { formatAge, formatRate } from '../units.ts'

interface ListFlags extends OutputFlags, TargetFlags {}

export function listCommand(program: Command, io: Io): void {
  const command = program.command('list').alias('ls').summary('list all mQ IDs').description('Lists all mQ IDs.')
  withExamples(withTarget(withOutput(command)), [
    ['mq list', 'a table'],
    ["mq list -o json | jq -r '.ids[].id'", 'the names alone'],
  ]).action(async (flags: ListFlags) => {
    const answer = await apiFor(io, flags).all('listIds', {}, { signal: io.interrupt })
    await print(io, flags.output, answer, (colors) =>
      [
        listText(answer.ids, colors, commandName(io.env), Date.now()),
        ...answer.ids.flatMap(({ unsettled }) =>
          unsettled === null ? [] : [`${colors.yellow('unsettled')}: ${unsettled}`],
        ),
        ...answer.warnings.map((warning) => `${colors.yellow('warning')}: ${warning}`),
      ].join('\n'),
    )
  })
}

export function listText(ids: readonly MqIdSummary[], colors: Colors, mq: string, nowMs: number): string {
  if (ids.length === 0) return `No mQ IDs yet. Declare some with: ${mq} apply -f examples/shop/mq.yaml`
  return table(
    [
      { head: 'ID' },
      { head: 'FORMAT' },
      { head: 'ORDERING' },
      { head: 'DURABILITY' },
      { head: 'MESSAGES/S', align: 'right' },
      { head: 'CLUSTER' },
      { head: 'TEAM' },
      { head: 'CREATED BY' },
      { head: 'CHANGED' },
    ],
    ids.map((id) => [
      id.id,
      id.format,
      id.ordering,
      id.durability,
      id.messagesPerSecond === null ? '-' : formatRate(id.messagesPerSecond),
      id.cluster,
      id.team ?? '-',
      id.createdBy === 'apply' ? 'apply' : 'first use',
      `${formatAge(nowMs - id.updatedAtMs)} ago`,
    ]),
    colors,
  )
}
