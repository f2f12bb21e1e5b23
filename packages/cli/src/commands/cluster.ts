/** `mq cluster`: the Kafka clusters mQ may place on. */
import {
  ClusterAddress,
  ClusterEconomics,
  type ClusterView,
  describeIssues,
  MqError,
  SaslMechanism,
  SecurityProtocol,
} from '@mq/contract'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { checkName, type TargetFlags } from '../contexts.ts'
import { type Colors, commandName, type Io } from '../io.ts'
import {
  addressList,
  apiFor,
  dollars,
  type OutputFlags,
  wholeNumber,
  withExamples,
  withOutput,
  withTarget,
} from '../options.ts'
import { print, table } from '../output.ts'
import { formatAge, plural } from '../units.ts'

/** Where nobody says: what most clusters are spread over, and what the formulas assume. */
const DEFAULT_ZONES = 3

interface ClusterFlags extends OutputFlags, TargetFlags {}
interface AddFlags extends ClusterFlags {
  readonly bootstrap: readonly string[]
  readonly security: string
  readonly sasl?: string
  readonly prices?: string
  readonly zones?: number
  readonly instance?: string
  readonly price?: Readonly<Record<string, number>>
  readonly monthlyBill?: number
  readonly prometheus?: string
}

export function clusterCommand(program: Command, io: Io): void {
  const cluster = program
    .command('cluster')
    .summary('list, add and remove Kafka clusters')
    .description('The Kafka clusters mQ may place on.')
  withExamples(
    withTarget(withOutput(cluster.command('list').alias('ls').description('Lists the clusters and how they are.'))),
    [['mq cluster list', 'a table']],
  ).action(async (flags: ClusterFlags) => {
    const answer = await apiFor(io, flags).call('listClusters', {}, { signal: io.interrupt })
    await print(io, flags.output, answer, (colors) => clustersText(answer.clusters, colors, commandName(io.env)))
  })
  const add = cluster
    .command('add')
    .description(
      'Registers a cluster, or changes its addresses. Secrets stay with the control plane and the clients; they are not given here.',
    )
    .argument('<name>', 'a name for it')
    .requiredOption('--bootstrap <addresses>', 'host:port, several with commas', addressList)
    .addOption(
      new Option('--security <protocol>', 'how to connect').choices(SecurityProtocol.options).default('plaintext'),
    )
    .addOption(new Option('--sasl <mechanism>', 'how to sign in').choices(SaslMechanism.options))
    .option('--prices <book>', 'the price book it is paid by, such as aws-us-east-1')
    .option('--zones <count>', 'availability zones its brokers are spread over', wholeNumber(1, 16))
    .option('--instance <type>', 'what a broker runs on, as the price book names it, such as m7g.large')
    .option('--price <meter=usd>', 'a price that differs from the book; may be given more than once', meterPrice)
    .option('--monthly-bill <usd>', 'what it really costs a month, to scale showback to', dollars)
    .option('--prometheus <url>', 'where the metrics of its brokers can be read in the Prometheus text format')
  withExamples(withTarget(withOutput(add)), [
    ['mq cluster add east --bootstrap kafka1:9092,kafka2:9092', 'register it'],
    [
      'mq cluster add east --bootstrap kafka1:9092 --prices aws-us-east-1 --zones 3 --instance m7g.large',
      'with what it costs by',
    ],
  ]).action((name: string, flags: AddFlags) => addCluster(io, name, flags))
  const remove = cluster
    .command('remove')
    .alias('rm')
    .description('Forgets a cluster that no mQ ID lives on.')
    .argument('<name>', 'its name')
  withExamples(withTarget(withOutput(remove)), [['mq cluster remove east', 'the cluster itself is left alone']]).action(
    async (name: string, flags: ClusterFlags) => {
      await apiFor(io, flags).call(
        'deleteCluster',
        { params: { name: checkName('cluster', name) } },
        { signal: io.interrupt },
      )
      await print(io, flags.output, { name, deleted: true }, () => `Forgot cluster ${name}.`)
    },
  )
}

async function addCluster(io: Io, name: string, flags: AddFlags): Promise<void> {
  const address = ClusterAddress.safeParse({
    name: checkName('cluster', name),
    bootstrap: flags.bootstrap,
    securityProtocol: flags.security,
    ...(flags.sasl === undefined ? {} : { saslMechanism: flags.sasl }),
  })
  if (!address.success) {
    throw new MqError(
      'MQ_OPTION_INVALID',
      `Cluster ${name} is not described well: ${describeIssues(address.error).join('; ')}`,
    )
  }
  const { name: _, ...body } = address.data
  const economics = economicsOf(name, flags)
  const view = await apiFor(io, flags).call(
    'putCluster',
    { params: { name }, body: { ...body, ...(economics === undefined ? {} : { economics }) } },
    { signal: io.interrupt, deadlineMs: 60_000 },
  )
  await print(io, flags.output, view, (colors) => clustersText([view], colors, commandName(io.env)))
}

/** Undefined when no price was named: what is known stays. */
function economicsOf(name: string, flags: AddFlags): ClusterEconomics | undefined {
  const { prices, zones, instance, price, monthlyBill, prometheus } = flags
  const others = {
    '--zones': zones,
    '--instance': instance,
    '--price': price,
    '--monthly-bill': monthlyBill,
    '--prometheus': prometheus,
  }
  const given = Object.entries(others).flatMap(([option, value]) => (value === undefined ? [] : [option]))
  if (prices === undefined) {
    if (given.length === 0) return undefined
    throw new MqError(
      'MQ_OPTION_INVALID',
      `${given.join(' and ')} mean${given.length === 1 ? 's' : ''} nothing without --prices`,
    )
  }
  const parsed = ClusterEconomics.safeParse({
    priceBook: prices,
    zones: zones ?? DEFAULT_ZONES,
    instanceType: instance,
    overrides: price,
    monthlyBillUsd: monthlyBill,
    prometheus,
  })
  if (parsed.success) return parsed.data
  throw new MqError(
    'MQ_OPTION_INVALID',
    `The prices of cluster ${name} are not usable: ${describeIssues(parsed.error).join('; ')}`,
  )
}

/** `storage.gp3=0.06`, added to what was given before. */
export function meterPrice(text: string, before: Readonly<Record<string, number>> = {}): Record<string, number> {
  const match = /^([^=\s]+)=(\S+)$/.exec(text)
  if (match === null) throw new InvalidArgumentError('Write METER=USD, such as storage=0.08.')
  const [, meter = '', amount = ''] = match
  return { ...before, [meter]: dollars(amount) }
}

function clustersText(clusters: readonly ClusterView[], colors: Colors, mq: string): string {
  if (clusters.length === 0) return `No clusters yet. Add one with: ${mq} cluster add NAME --bootstrap HOST:PORT`
  const paint = { up: colors.green, unreachable: colors.red, unknown: colors.yellow } as const
  return table(
    [
      { head: 'NAME' },
      { head: 'STATUS' },
      { head: 'BROKERS', align: 'right' },
      { head: 'ADDRESSES' },
      { head: 'SECURITY' },
      { head: 'PRICES' },
      { head: 'CHECKED' },
      { head: 'PROBLEM' },
    ],
    clusters.map((cluster) => [
      cluster.name,
      paint[cluster.status](cluster.status),
      cluster.brokers === null ? '-' : String(cluster.brokers),
      cluster.bootstrap.join(','),
      cluster.securityProtocol,
      pricesText(cluster.economics),
      cluster.checkedAtMs === null ? '-' : `${formatAge(Date.now() - cluster.checkedAtMs)} ago`,
      cluster.problem ?? '',
    ]),
    colors,
  )
}

/** Which book it is paid by; where nobody said, what mQ assumes stands in brackets. */
function pricesText(economics: ClusterEconomics | null): string {
  if (economics === null) return '(assumed)'
  const { priceBook, zones, instanceType, overrides, monthlyBillUsd } = economics
  return [
    priceBook,
    plural(zones, 'zone'),
    ...(instanceType === undefined ? [] : [instanceType]),
    ...(overrides === undefined ? [] : [`${plural(Object.keys(overrides).length, 'price')} changed`]),
    ...(monthlyBillUsd === undefined ? [] : [`bill $${monthlyBillUsd}/month`]),
  ].join(', ')
}
