/** One's own machines: no figure is known until the owner gives it, and a missing one is an error (B1). */
import type { PriceBook } from '../price-book.ts'

export const ownHardware: PriceBook = {
  id: 'own-hardware',
  version: '1',
  currency: 'USD',
  kind: 'own-hardware',
  title: 'Own machines; every figure comes from you',
  region: null,
  tariff: {
    bytesPerGb: 1e9,
    replicationTransfer: 'billed',
    storage: 'disk',
    compute: 'vcpu',
    dataInOut: false,
    perPartition: false,
    tiered: true,
  },
  figures: {},
  instances: {},
  capacityUnit: null,
  notes: [
    'give cross-zone-transfer, broker-storage, broker-compute and client-compute; 0 where something really costs nothing',
  ],
}
