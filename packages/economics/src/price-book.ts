/**
 * Price books: what every meter costs, who says so, and since when.
 *
 * B1. A figure that is not in a book is an error, never zero. A meter that costs nothing stands there as 0, with its source.
 * B2. A book never changes in place: other figures are another version, so that history keeps what it was computed with.
 * B3. Every figure says whether it bills the bytes on the wire, the bytes before compression, or no bytes at all.
 * B4. One currency: USD. Figures of another one are refused, not converted.
 */
import { MqError } from '@mq/contract'

export type BytesBasis = 'wire' | 'logical' | 'none'
export type Confidence = 'verified' | 'second-hand' | 'unverified'

/** What can be on a bill, and the unit its price is written in. */
export const METERS = {
  'cross-zone-transfer': 'USD per GB moved from one zone to another, both directions together',
  'broker-storage': 'USD per GB-month on the disks of brokers, or as the vendor counts it',
  'remote-storage': 'USD per GB-month of tiered storage',
  'remote-put': 'USD per 1,000 writes to tiered storage',
  'remote-retrieval': 'USD per GB read back from tiered storage',
  'broker-compute': 'USD per vCPU-hour of brokers',
  'client-compute': 'USD per vCPU-hour of the machines applications run on',
  'data-in': 'USD per GB written, as the vendor meters it',
  'data-out': 'USD per GB read, as the vendor meters it',
  'partition-hour': 'USD per partition-hour',
  'cluster-hour': 'USD per hour of a cluster, whatever it does',
  'capacity-unit-hour': 'USD per hour of one capacity unit of the vendor',
} as const
export type Meter = keyof typeof METERS

export interface PriceFigure {
  readonly usd: number
  readonly unit: string
  readonly basis: BytesBasis
  readonly source: string
  readonly dated: string
  readonly confidence: Confidence
}

export interface Instance {
  readonly usdPerHour: number
  readonly vcpus: number
  /** Sustained; "up to" figures of vendors are bursts. Null where none is known. */
  readonly netBaselineMbps: number | null
  readonly source: string
  readonly dated: string
  readonly confidence: Confidence
}

export type PriceBookKind =
  | 'self-managed'
  | 'msk-provisioned'
  | 'msk-serverless'
  | 'managed-kafka'
  | 'confluent'
  | 'own-hardware'

/** How a vendor turns what happens into meters. */
export interface Tariff {
  /** What the vendor calls a GB. */
  readonly bytesPerGb: number
  /** Whether copies between brokers are billed as transfer between zones. */
  readonly replicationTransfer: 'billed' | 'free'
  /** `disk`: every copy and the free space on it is paid for. `retained`: retained bytes once; copies are in the price. */
  readonly storage: 'disk' | 'retained'
  /** `vcpu`: brokers are machines. `capacity-unit`: a vendor's unit, by its limits. `none`: in the other meters. */
  readonly compute: 'vcpu' | 'capacity-unit' | 'none'
  /** Whether bytes in and out are billed by the vendor. */
  readonly dataInOut: boolean
  readonly perPartition: boolean
  readonly tiered: boolean
}

/** What one capacity unit of a vendor carries. */
export interface CapacityUnit {
  readonly inBytesPerSecond: number
  readonly outBytesPerSecond: number
  readonly partitions: number
}

export interface PriceBook {
  readonly id: string
  readonly version: string
  readonly currency: 'USD'
  readonly kind: PriceBookKind
  readonly title: string
  readonly region: string | null
  readonly tariff: Tariff
  readonly figures: Readonly<Partial<Record<Meter, PriceFigure>>>
  readonly instances: Readonly<Record<string, Instance>>
  readonly capacityUnit: CapacityUnit | null
  /** What a reader has to know before trusting the figures. */
  readonly notes: readonly string[]
}

/** What every cluster of one's own machines uses, whether or not it costs anything. */
const OWN_METERS: readonly Meter[] = ['cross-zone-transfer', 'broker-storage', 'broker-compute', 'client-compute']

/** The figure of a meter (B1). A book that the owner has to fill says all that is missing at once. */
export function figureOf(book: PriceBook, meter: Meter): PriceFigure {
  const figure = book.figures[meter]
  if (figure === undefined) {
    const others =
      book.kind === 'own-hardware'
        ? OWN_METERS.filter((each) => each !== meter && book.figures[each] === undefined)
        : []
    const also =
      others.length === 0
        ? ''
        : `, nor for ${others.map((each) => `'${each}' (${METERS[each]})`).join(', ')}; 0 is a price where something costs nothing`
    throw new MqError(
      'MQ_PRICE_MISSING',
      `Price book '${book.id}' (version ${book.version}) has no figure for '${meter}' (${METERS[meter]})${also}`,
      { details: { priceBook: book.id, version: book.version, meter, alsoMissing: others } },
    )
  }
  return figure
}

/** The machine of that type, as the book knows it. */
export function instanceOf(book: PriceBook, instanceType: string): Instance {
  const instance = Object.hasOwn(book.instances, instanceType) ? book.instances[instanceType] : undefined
  if (instance === undefined) {
    throw new MqError(
      'MQ_PRICE_MISSING',
      `Price book '${book.id}' (version ${book.version}) knows no instance '${instanceType}'; it knows: ${Object.keys(book.instances).join(', ') || 'none'}`,
      { details: { priceBook: book.id, version: book.version, instanceType } },
    )
  }
  return instance
}

export function isMeter(text: string): text is Meter {
  return Object.hasOwn(METERS, text)
}

/** A price as a person gives it: a number of USD, or with the currency written out. */
export type Override = number | { readonly amount: number; readonly currency: string }

/**
 * The book with figures of the user's own: another version, named after what was changed (B2).
 * @param overrides by meter, in the unit of the meter
 */
export function overrideFigures(book: PriceBook, overrides: Readonly<Record<string, Override>>): PriceBook {
  const entries = Object.entries(overrides).toSorted(([a], [b]) => (a < b ? -1 : 1))
  if (entries.length === 0) return book
  const figures: Partial<Record<Meter, PriceFigure>> = { ...book.figures }
  for (const [meter, override] of entries) {
    if (!isMeter(meter)) {
      throw invalid(book, `'${meter}' is no meter; meters are: ${Object.keys(METERS).join(', ')}`, { meter })
    }
    const usd = amountOf(book, meter, override)
    figures[meter] = {
      usd,
      unit: METERS[meter],
      basis: book.figures[meter]?.basis ?? usualBasis(meter),
      source: 'override',
      dated: 'override',
      confidence: 'unverified',
    }
  }
  return { ...book, figures, version: `${book.version}+${fingerprint(entries)}` }
}

function amountOf(book: PriceBook, meter: Meter, override: Override): number {
  const amount = typeof override === 'number' ? override : override.amount
  const currency = typeof override === 'number' ? 'USD' : override.currency
  if (currency !== book.currency) {
    throw invalid(
      book,
      `the price of '${meter}' is in ${currency} and the book is in ${book.currency}; convert it first`,
      { meter, currency },
    )
  }
  if (!Number.isFinite(amount) || amount < 0) {
    throw invalid(book, `the price of '${meter}' is ${amount}; a price is a number of USD, 0 or more`, {
      meter,
      amount: String(amount),
    })
  }
  return amount
}

export function usualBasis(meter: Meter): BytesBasis {
  switch (meter) {
    case 'cross-zone-transfer':
    case 'broker-storage':
    case 'remote-storage':
    case 'remote-retrieval':
    case 'data-in':
    case 'data-out':
      return 'wire'
    case 'remote-put':
    case 'broker-compute':
    case 'client-compute':
    case 'partition-hour':
    case 'cluster-hour':
    case 'capacity-unit-hour':
      return 'none'
  }
}

function invalid(book: PriceBook, what: string, details: Readonly<Record<string, unknown>>): MqError {
  return new MqError('MQ_PRICE_INVALID', `Price book '${book.id}': ${what}`, {
    details: { priceBook: book.id, ...details },
  })
}

/** FNV-1a over the overrides: the same overrides give the same version. */
function fingerprint(entries: readonly (readonly [string, Override])[]): string {
  let hash = 0x811c9dc5
  for (const char of JSON.stringify(entries)) {
    hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193) >>> 0
  }
  return hash.toString(16).padStart(8, '0')
}
