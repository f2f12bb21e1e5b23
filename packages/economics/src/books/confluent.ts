/**
 * Price books of Confluent Cloud: bytes in GiB, in and out and stored, and elastic units.
 *
 * Prices of dedicated units are not published, so there is no book for them. What is second-hand differs between sources; where a
 * range is known its middle stands here, and the note says so.
 */
import type { CapacityUnit, PriceBook, Tariff } from '../price-book.ts'
import { GIB } from '../units.ts'
import { figure } from './entry.ts'

const DATED = '2026-10-31'
const SOURCES = 'Confluent Cloud list prices, several public notes of July to October 2026'

const TARIFF: Tariff = {
  bytesPerGb: GIB,
  replicationTransfer: 'free',
  storage: 'retained',
  compute: 'capacity-unit',
  dataInOut: true,
  perPartition: false,
  tiered: false,
}

/** Of the enterprise type; the limits of the others are not known and are taken to be the same. */
const UNIT: CapacityUnit = { inBytesPerSecond: 60e6, outBytesPerSecond: 180e6, partitions: 3_000 }

interface Tier {
  readonly name: string
  readonly unitUsd: number
  readonly inOutUsd: number
  readonly storageUsd: number
  readonly notes: readonly string[]
}

function tier({ name, unitUsd, inOutUsd, storageUsd, notes }: Tier): PriceBook {
  return {
    id: `confluent-${name}`,
    version: '2026-11-22',
    currency: 'USD',
    kind: 'confluent',
    title: `Confluent Cloud ${name}`,
    region: null,
    tariff: TARIFF,
    figures: {
      'cross-zone-transfer': figure(
        'cross-zone-transfer',
        0,
        'in the prices of bytes in and out',
        DATED,
        'second-hand',
      ),
      'data-in': figure('data-in', inOutUsd, SOURCES, DATED, 'second-hand'),
      'data-out': figure('data-out', inOutUsd, SOURCES, DATED, 'second-hand'),
      'broker-storage': figure('broker-storage', storageUsd, SOURCES, DATED, 'second-hand'),
      'capacity-unit-hour': figure('capacity-unit-hour', unitUsd, SOURCES, DATED, 'second-hand'),
      'client-compute': figure('client-compute', 0.0408, 'm7g of AWS us-east-1', '2026-07-20', 'verified'),
    },
    instances: {},
    capacityUnit: UNIT,
    notes: ['a GB is a GiB (2^30)', 'codecs shrink bytes in, out and stored; the minimum of units stays', ...notes],
  }
}

export const confluentBasic: PriceBook = tier({
  name: 'basic',
  unitUsd: 0.14,
  inOutUsd: 0.05,
  storageUsd: 0.08,
  notes: ['the first unit is free'],
})

export const confluentStandard: PriceBook = tier({
  name: 'standard',
  unitUsd: 0.75,
  inOutUsd: 0.0425,
  storageUsd: 0.08,
  notes: [
    '0.035 to 0.05 for bytes in and out',
    'at least about 385 USD a month for the cluster',
    'storage as in basic',
  ],
})

export const confluentEnterprise: PriceBook = tier({
  name: 'enterprise',
  unitUsd: 2,
  inOutUsd: 0.032,
  storageUsd: 0.055,
  notes: [
    '1.75 to 2.25 for a unit, 0.014 to 0.05 for bytes, 0.03 to 0.08 for storage',
    'at least about 895 USD a month for the cluster',
  ],
})
