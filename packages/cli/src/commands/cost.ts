/** `mq cost`: what was spent, and by whom. */
import {
  type CostBy as By,
  CostBy,
  type CostLine,
  type CostReport,
  formatDurationMs,
  MqError,
  parseDurationMs,
} from '@mq/contract'
import { type Command, Option } from 'commander'
import type { TargetFlags } from '../contexts.ts'
import type { Colors, Io } from '../io.ts'
import { apiFor, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print, table, wrap } from '../output.ts'
import { formatAge, formatMs, plural, usdBeside } from '../units.ts'
import { budgetsText } from './budget.ts'

interface CostFlags extends OutputFlags, TargetFlags {
  readonly by: By
  readonly since: string
}

const HEADS: Readonly<Record<By, string>> = {
  id: 'MQ ID',
  team: 'TEAM',
  service: 'SERVICE',
  meter: 'METER',
  cluster: 'CLUSTER',
}

export function costCommand(program: Command, io: Io): void {
  const command = program
    .command('cost')
    .summary('what was spent, by mQ ID, team, service, meter or cluster')
    .description(
      'Showback from recorded history: it adds up to the bill of the clusters, and what no mQ ID caused stands on lines of its own. Past hours keep the prices they were computed with.',
    )
    .addOption(new Option('--by <what>', 'what to add up by').choices(CostBy.options).default('id'))
    .option('--since <duration>', 'how far back, such as 12h or 7d', '7d')
  withExamples(withTarget(withOutput(command)), [
    ['mq cost', 'the last seven days by mQ ID'],
    ['mq cost --by team --since 24h', 'what each team spent in a day'],
    ['mq cost --by meter', 'transfer, storage, brokers'],
  ]).action(async (flags: CostFlags) => {
    const sinceMs = parseDurationMs(flags.since)
    if (sinceMs === undefined || sinceMs < 60_000) {
      throw new MqError(
        'MQ_OPTION_INVALID',
        `--since '${flags.since}' is no duration of a minute or more: write 12h or 7d`,
      )
    }
    const query = { by: flags.by, since: formatDurationMs(sinceMs) }
    const report = await apiFor(io, flags).call('getCosts', { query }, { signal: io.interrupt })
    await print(io, flags.output, report, (colors, width) => costText(report, { colors, width, nowMs: Date.now() }))
  })
}

interface ViewOptions {
  readonly colors: Colors
  readonly width: number
  readonly nowMs: number
}

export function costText(report: CostReport, { colors, width, nowMs }: ViewOptions): string {
  const { watchedSinceMs, watchedMs, lines, unallocated, clusters } = report
  const list = (head: string, items: readonly string[]): string[] =>
    items.length === 0
      ? []
      : [
          '',
          colors.bold(head),
          ...items.flatMap((item) =>
            wrap(item, Math.max(40, width - 4)).map((line, index) => `${index === 0 ? '  - ' : '    '}${line}`),
          ),
        ]
  const budgets =
    report.budgets.length === 0 ? [] : ['', colors.bold('Budgets'), budgetsText(report.budgets, colors, width)]
  if (watchedSinceMs === null) {
    return [
      'Nothing is recorded yet: what clusters cost is known from their second look on, a minute or so after the start.',
      ...list('Cannot be watched', report.problems),
      ...budgets,
    ].join('\n')
  }
  const since = `watched since ${new Date(watchedSinceMs).toISOString().slice(0, 16).replace('T', ' ')} UTC (${formatAge(nowMs - watchedSinceMs)} ago)`
  const asked = report.toMs - report.fromMs
  const spent = usdBeside(report.totalUsd)
  const monthly = usdBeside(report.usdPerMonth)
  const head = `${spent(report.totalUsd)} in ${formatMs2(watchedMs)} watched of the ${formatMs2(asked)} asked for; at this rate ${monthly(report.usdPerMonth)} a month.`
  const row = (line: CostLine): string[] => [
    line.key,
    spent(line.usd),
    spent(line.parts.causedUsd),
    spent(line.parts.idleUsd),
    monthly(line.usdPerMonth),
    shareText(line.share),
  ]
  const sumOf = (part: 'causedUsd' | 'idleUsd'): number =>
    [...lines, ...unallocated].reduce((sum, { parts }) => sum + parts[part], 0)
  return [
    ...wrap(head, width).map((line) => colors.bold(line)),
    since,
    '',
    table(
      [
        { head: HEADS[report.by] },
        { head: 'COST', align: 'right' },
        { head: 'CAUSED', align: 'right' },
        { head: 'IDLE', align: 'right' },
        { head: '$/MONTH', align: 'right' },
        { head: 'SHARE', align: 'right' },
      ],
      [
        ...lines.map(row),
        ...unallocated.map((line) => row({ ...line, key: colors.dim(`(${restName(report.by, line.key)})`) })),
        [
          colors.bold('together'),
          spent(report.totalUsd),
          spent(sumOf('causedUsd')),
          spent(sumOf('idleUsd')),
          monthly(report.usdPerMonth),
          '',
        ],
      ],
      colors,
    ),
    ...list(
      plural(clusters.length, 'cluster'),
      clusters.map(({ cluster, modelledUsd, billedUsd, scale, priceBooks }) => {
        const bill =
          Math.abs(scale - 1) < 0.001
            ? `${spent(billedUsd)}, as modelled`
            : `${spent(billedUsd)} by the actual bill, ${scale.toFixed(2)} times the modelled ${spent(modelledUsd)}`
        return `${cluster}: ${bill}; prices ${priceBooks.join(', ')}`
      }),
    ),
    ...budgets,
    ...list('Cannot be watched', report.problems),
    ...list('Assumed', [
      ...report.assumptions,
      'CAUSED is what moves, what lies on disks now, and the broker CPU both need; IDLE is the share of brokers that no topic needs, 70 % by bytes and 30 % by replicas',
      'the machines of applications are on no bill of Kafka; `explain` names them apart',
    ]),
  ].join('\n')
}

/** By cluster, the rest is named like the cluster it is of. */
function restName(by: By, key: string): string {
  return by === 'cluster' ? `${key}: caused by no mQ ID` : key
}

function shareText(share: number): string {
  return share > 0 && share < 0.005 ? '<1 %' : `${(share * 100).toFixed(0)} %`
}

function formatMs2(ms: number): string {
  if (ms >= 172_800_000) return `${Number((ms / 86_400_000).toFixed(1))} days`
  const hours = Number((ms / 3_600_000).toFixed(1))
  if (ms >= 3_600_000) return `${hours} ${hours === 1 ? 'hour' : 'hours'}`
  return formatMs(ms)
}
