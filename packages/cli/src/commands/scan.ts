/** `mq scan`: what an existing cluster costs and what could be saved on it, without a control plane and without a change. */
import { readFileSync } from 'node:fs'
import {
  ClusterAddress,
  type ClusterEconomics,
  describeIssues,
  MqError,
  SaslMechanism,
  SecurityProtocol,
} from '@mq/contract'
import type { ScanReport } from '@mq/control-plane'
import { type Command, Option } from 'commander'
import type { Io } from '../io.ts'
import { addressList, type OutputFlags, wholeNumber, withExamples, withOutput } from '../options.ts'
import { print } from '../output.ts'
import { economicsOf, type PriceFlags, withBook } from '../price-options.ts'
import { startProgress } from '../progress.ts'
import { scanText } from '../scan-view.ts'

/** The book a cluster is priced by that nobody gave prices for. */
const ASSUMED_PRICES = 'aws-us-east-1'

interface ScanFlags extends OutputFlags, PriceFlags {
  readonly bootstrap: readonly string[]
  readonly security: string
  readonly sasl?: string
  readonly ca?: string
  readonly topics?: readonly string[]
  readonly watch: number
  readonly top: number
}

export function scanCommand(program: Command, io: Io): void {
  const command = program
    .command('scan')
    .summary('what an existing cluster costs, and what could be saved')
    .description(
      'Looks at a Kafka cluster from outside and writes nothing to it: cost per topic and meter, and a ranked list of savings with the assumption behind each. Needs no control plane and no change of any client. Secrets are taken from MQ_KAFKA_USERNAME, MQ_KAFKA_PASSWORD and MQ_KAFKA_TOKEN.',
    )
    .requiredOption('--bootstrap <addresses>', 'host:port, several with commas', addressList)
    .addOption(
      new Option('--security <protocol>', 'how to connect').choices(SecurityProtocol.options).default('plaintext'),
    )
    .addOption(new Option('--sasl <mechanism>', 'how to sign in').choices(SaslMechanism.options))
    .option('--ca <file>', 'certificates of the authority that signed those of the brokers (PEM)')
  withBook(command)
    .option('--topics <names>', 'look at these only, several with commas', (text) =>
      text.split(',').flatMap((name) => name.trim() || []),
    )
    .option('--watch <seconds>', 'how long to watch the ends of logs', wholeNumber(0, 3_600), 10)
    .option('--top <count>', 'how many topics and savings to show', wholeNumber(1, 100_000), 20)
  withExamples(withOutput(command), [
    ['mq scan --bootstrap kafka1:9092', 'as if it ran on EC2 in us-east-1'],
    ['mq scan --bootstrap kafka1:9092 --prices aws-msk-us-east-1 --instance kafka.m7g.large', 'with the right prices'],
    ['mq scan --bootstrap kafka1:9092 --price broker-storage=0.05 --top 5', 'with a price of your own'],
    ['mq scan --bootstrap kafka1:9092 --json', 'everything, for a program'],
  ]).action(async (flags: ScanFlags) => {
    const report = await scan(io, flags)
    await print(io, flags.output, report, (colors, width) => scanText(report, { top: flags.top, colors, width }))
  })
}

async function scan(io: Io, flags: ScanFlags): Promise<ScanReport> {
  const name = 'scanned'
  const address = ClusterAddress.safeParse({
    name,
    bootstrap: flags.bootstrap,
    securityProtocol: flags.security,
    ...(flags.sasl === undefined ? {} : { saslMechanism: flags.sasl }),
  })
  if (!address.success) {
    throw new MqError(
      'MQ_OPTION_INVALID',
      `The cluster is not described well: ${describeIssues(address.error).join('; ')}`,
    )
  }
  const { economics, assumed } = scanPrices(name, flags)
  const { MQ_KAFKA_USERNAME: username, MQ_KAFKA_PASSWORD: password, MQ_KAFKA_TOKEN: token } = io.env
  // Loaded here: the other commands start without it.
  const { scanCluster } = await import('@mq/control-plane')
  const progress = startProgress(io, 'reaching the cluster')
  try {
    return await scanCluster({
      address: address.data,
      credentials: {
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password }),
        ...(token === undefined ? {} : { token }),
        ...(flags.ca === undefined ? {} : { tls: { ca: readCa(flags.ca) } }),
      },
      whereToSet: (field) => `set MQ_KAFKA_${field.toUpperCase()}`,
      economics,
      assumed,
      watchMs: flags.watch * 1_000,
      ...(flags.topics === undefined ? {} : { topics: flags.topics }),
      signal: io.interrupt,
      onProgress: (what) => progress.update(what),
    })
  } finally {
    progress.stop()
  }
}

/** A single look takes the usual book where none is named, and says what it took. */
function scanPrices(
  name: string,
  flags: PriceFlags,
): { readonly economics: ClusterEconomics | null; readonly assumed: readonly string[] } {
  const { prices, zones, instance, price } = flags
  if (prices === undefined && zones === undefined && instance === undefined && price === undefined) {
    return { economics: null, assumed: [] }
  }
  const economics = economicsOf(name, { ...flags, prices: prices ?? ASSUMED_PRICES }) ?? null
  return {
    economics,
    assumed: prices === undefined ? [`no --prices was given: price book ${ASSUMED_PRICES} is assumed`] : [],
  }
}

function readCa(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new MqError('MQ_OPTION_INVALID', `The file of --ca cannot be read: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
