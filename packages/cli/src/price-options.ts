/**
 * Options that say what a cluster costs by, shared by `mq cluster add` and `mq scan`.
 */
import { ClusterEconomics, describeIssues, MqError } from '@mq/contract'
import { type Command, InvalidArgumentError } from 'commander'
import { dollars, wholeNumber } from './options.ts'

export interface PriceFlags {
  readonly prices?: string
  readonly zones?: number
  readonly instance?: string
  readonly price?: Readonly<Record<string, number>>
  readonly monthlyBill?: number
  readonly prometheus?: string
}

export function withPrices(command: Command): Command {
  return withBook(command)
    .option('--monthly-bill <usd>', 'what it really costs a month, to scale showback to', dollars)
    .option('--prometheus <url>', 'where the metrics of its brokers can be read in the Prometheus text format')
}

/** Those that a single look needs. */
export function withBook(command: Command): Command {
  return command
    .option('--prices <book>', 'the price book it is paid by, such as aws-us-east-1')
    .option(
      '--zones <count>',
      'availability zones its brokers are spread over; what their racks say when left out',
      wholeNumber(1, 16),
    )
    .option('--instance <type>', 'what a broker runs on, as the price book names it, such as m7g.large')
    .option('--price <meter=usd>', 'a price that differs from the book; may be given more than once', meterPrice)
}

/** Undefined when no price was named: what is known stays. */
export function economicsOf(name: string, flags: PriceFlags): ClusterEconomics | undefined {
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
    zones,
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

/** `broker-storage=0.06`, added to what was given before. */
function meterPrice(text: string, before: Readonly<Record<string, number>> = {}): Record<string, number> {
  const match = /^([^=\s]+)=(\S+)$/.exec(text)
  if (match === null) throw new InvalidArgumentError('Write METER=USD, such as broker-storage=0.06.')
  const [, meter = '', amount = ''] = match
  return { ...before, [meter]: dollars(amount) }
}
