/** `mq cluster`: the Kafka clusters mQ may place on. */
import {
  ClusterAddress,
  type ClusterEconomics,
  type ClusterView,
  describeIssues,
  MqError,
  SaslMechanism,
  SecurityProtocol,
} from '@mq/contract'
import { type Command, Option } from 'commander'
import { checkName, type TargetFlags } from '../contexts.ts'
import { type Colors, commandName, type Io } from '../io.ts'
import { addressList, apiFor, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print, table } from '../output.ts'
import { economicsOf, type PriceFlags, withPrices } from '../price-options.ts'
import { formatAge, plural } from '../units.ts'

interface ClusterFlags extends OutputFlags, TargetFlags {}
interface AddFlags extends ClusterFlags, PriceFlags {
  readonly bootstrap: readonly string[]
  readonly security: string
  readonly sasl?: string
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
  withExamples(withTarget(withOutput(withPrices(add))), [
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
    ...(zones === undefined ? [] : [plural(zones, 'zone')]),
    ...(instanceType === undefined ? [] : [instanceType]),
    ...(overrides === undefined ? [] : [`${plural(Object.keys(overrides).length, 'price')} changed`]),
    ...(monthlyBillUsd === undefined ? [] : [`bill $${monthlyBillUsd}/month`]),
  ].join(', ')
}
