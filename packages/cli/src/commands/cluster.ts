/** `mq cluster`: the Kafka clusters mQ may place on. */
import {
  ClusterAddress,
  type ClusterEconomics,
  type ClusterView,
  describeIssues,
  Labels,
  MqError,
  Region,
  SaslMechanism,
  SecurityProtocol,
} from '@mq/contract'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { checkName, type TargetFlags } from '../contexts.ts'
import { type Colors, commandName, type Io } from '../io.ts'
import { addressList, apiFor, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print, table } from '../output.ts'
import { economicsOf, type PriceFlags, withPrices } from '../price-options.ts'
import { formatAge, plural } from '../units.ts'

interface ClusterFlags extends OutputFlags, TargetFlags {}
interface SiteFlags {
  readonly region?: string
  /** An empty value takes a label away. */
  readonly label?: Readonly<Record<string, string>>
}

interface AddFlags extends ClusterFlags, PriceFlags, SiteFlags {
  readonly bootstrap: readonly string[]
  readonly security: string
  readonly sasl?: string
}

interface SetFlags extends ClusterFlags, SiteFlags {
  readonly bootstrap?: readonly string[]
  readonly security?: string
  readonly sasl?: string
}

export function clusterCommand(program: Command, io: Io): void {
  const cluster = program
    .command('cluster')
    .summary('list, add, change and remove Kafka clusters')
    .description('The Kafka clusters mQ may place on.')
  withExamples(
    withTarget(withOutput(cluster.command('list').alias('ls').description('Lists the clusters and how they are.'))),
    [['mq cluster list', 'a table']],
  ).action(async (flags: ClusterFlags) => {
    const answer = await apiFor(io, flags).all('listClusters', {}, { signal: io.interrupt })
    await print(io, flags.output, answer, (colors) => clustersText(answer.clusters, colors, commandName(io.env)))
  })
  const add = cluster
    .command('add')
    .description(
      'Registers a cluster, or replaces its addresses and its security by what is given here. Secrets stay with the control plane and the clients; they are not given here.',
    )
    .argument('<name>', 'a name for it')
    .requiredOption('--bootstrap <addresses>', 'host:port, several with commas', addressList)
    .addOption(
      new Option('--security <protocol>', 'how to connect').choices(SecurityProtocol.options).default('plaintext'),
    )
    .addOption(new Option('--sasl <mechanism>', 'how to sign in').choices(SaslMechanism.options))
  withExamples(withTarget(withOutput(withPrices(withSite(add)))), [
    ['mq cluster add east --bootstrap kafka1:9092,kafka2:9092', 'register it'],
    [
      'mq cluster add east --bootstrap kafka1:9092 --region eu-west-1 --label tier=gold',
      'with what intents can ask for',
    ],
    [
      'mq cluster add east --bootstrap kafka1:9092 --prices aws-us-east-1 --zones 3 --instance m7g.large',
      'with what it costs by',
    ],
  ]).action((name: string, flags: AddFlags) => addCluster(io, name, flags))
  const set = cluster
    .command('set')
    .description(
      'Changes how a registered cluster is reached, its region or its labels; what is not named stays. Running clients follow without a restart, once a broker answers at the new addresses. The new addresses of a cluster in use must lead to the same Kafka cluster.',
    )
    .argument('<name>', 'its name')
    .option('--bootstrap <addresses>', 'host:port, several with commas', addressList)
    .addOption(new Option('--security <protocol>', 'how to connect').choices(SecurityProtocol.options))
    .addOption(new Option('--sasl <mechanism>', 'how to sign in').choices(SaslMechanism.options))
  withExamples(withTarget(withOutput(withSite(set))), [
    ['mq cluster set east --bootstrap kafka7:9092,kafka8:9092', 'its brokers have moved'],
    ['mq cluster set east --bootstrap kafka7:9093 --security sasl-tls --sasl SCRAM-SHA-512', 'another listener of it'],
    ['mq cluster set east --label tier=gold --label env=', 'one label more, and one less'],
  ]).action((name: string, flags: SetFlags) => setCluster(io, name, flags))
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
  const address = checkedAddress(checkName('cluster', name), flags)
  await putCluster(io, address, flags, { ...priced(economicsOf(name, flags)), ...siteOf(flags, {}) })
}

async function setCluster(io: Io, name: string, flags: SetFlags): Promise<void> {
  const { bootstrap, security, sasl, region, label } = flags
  if ([bootstrap, security, sasl, region, label].every((flag) => flag === undefined)) {
    throw new MqError(
      'MQ_OPTION_INVALID',
      `Nothing is to change: give --bootstrap, --security, --sasl, --region or --label`,
    )
  }
  const { clusters } = await apiFor(io, flags).all('listClusters', {}, { signal: io.interrupt })
  const known = clusters.find((cluster) => cluster.name === checkName('cluster', name))
  if (known === undefined) throw new MqError('MQ_CLUSTER_UNKNOWN', `no cluster '${name}' is registered`)
  const protocol = security ?? known.securityProtocol
  const mechanism = sasl ?? (protocol.startsWith('sasl') ? known.saslMechanism : undefined)
  const address = checkedAddress(name, {
    bootstrap: bootstrap ?? known.bootstrap,
    security: protocol,
    ...(mechanism === undefined ? {} : { sasl: mechanism }),
  })
  await putCluster(io, address, flags, siteOf(flags, known.labels))
}

function checkedAddress(name: string, flags: Pick<AddFlags, 'bootstrap' | 'security' | 'sasl'>): ClusterAddress {
  const address = ClusterAddress.safeParse({
    name,
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
  return address.data
}

async function putCluster(
  io: Io,
  { name, ...body }: ClusterAddress,
  flags: ClusterFlags,
  more: { readonly economics?: ClusterEconomics; readonly region?: string; readonly labels?: Labels },
): Promise<void> {
  const view = await apiFor(io, flags).call(
    'putCluster',
    { params: { name }, body: { ...body, ...more } },
    { signal: io.interrupt, deadlineMs: 60_000 },
  )
  await print(io, flags.output, view, (colors) => clustersText([view], colors, commandName(io.env)))
}

const priced = (economics: ClusterEconomics | undefined) => (economics === undefined ? {} : { economics })

function withSite(command: Command): Command {
  return command
    .option('--region <name>', 'where it stands, such as eu-west-1; left out: what its price book says', regionName)
    .option('--label <key=value>', 'what intents can ask for; may be given more than once', labelPair)
}

function siteOf({ region, label }: SiteFlags, before: Labels): { region?: string; labels?: Labels } {
  const labels = Object.entries({ ...before, ...label }).filter(([, value]) => value !== '')
  return {
    ...(region === undefined ? {} : { region }),
    ...(label === undefined ? {} : { labels: Object.fromEntries(labels) }),
  }
}

function regionName(text: string): string {
  const parsed = Region.safeParse(text)
  if (parsed.success) return parsed.data
  throw new InvalidArgumentError(`Write ${parsed.error.issues[0]?.message ?? 'a region'}.`)
}

function labelPair(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, key = '', value = ''] = /^([^=\s]+)=(\S*)$/.exec(text) ?? []
  const parsed = Labels.safeParse(value === '' ? { [key]: 'none' } : { [key]: value })
  if (key === '' || !parsed.success) {
    throw new InvalidArgumentError('Write KEY=VALUE, such as tier=gold; KEY= takes a label away.')
  }
  return { ...before, [key]: value }
}

function clustersText(clusters: readonly ClusterView[], colors: Colors, mq: string): string {
  if (clusters.length === 0) return `No clusters yet. Add one with: ${mq} cluster add NAME --bootstrap HOST:PORT`
  const paint = { up: colors.green, unreachable: colors.red, unknown: colors.yellow } as const
  return table(
    [
      { head: 'NAME' },
      { head: 'STATUS' },
      { head: 'BROKERS', align: 'right' },
      { head: 'ZONES', align: 'right' },
      { head: 'REGION' },
      { head: 'LABELS' },
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
      cluster.zones === null ? '-' : String(cluster.zones),
      cluster.region ?? '-',
      labelsText(cluster.labels),
      cluster.bootstrap.join(','),
      cluster.securityProtocol,
      pricesText(cluster.economics),
      cluster.checkedAtMs === null ? '-' : `${formatAge(Date.now() - cluster.checkedAtMs)} ago`,
      cluster.problem ?? '',
    ]),
    colors,
  )
}

function labelsText(labels: Labels): string {
  return (
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(',') || '-'
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
