/**
 * Price books of other clouds, where the brokers are one's own machines: GCP and Azure.
 *
 * List prices of current machine families are thin here: refresh them before relying on a total.
 */
import type { PriceBook, Tariff } from '../price-book.ts'
import { figure, instances } from './entry.ts'

const DATED = '2026-11-22'
const INFRACOST = 'list prices as recorded by infracost'
const VERSION = '2026-11-22'

const OWN_BROKERS: Tariff = {
  bytesPerGb: 1e9,
  replicationTransfer: 'billed',
  storage: 'disk',
  compute: 'vcpu',
  dataInOut: false,
  perPartition: false,
  tiered: true,
}

export const gcpUsCentral1: PriceBook = {
  id: 'gcp-us-central1',
  version: VERSION,
  currency: 'USD',
  kind: 'self-managed',
  title: 'Kafka on Compute Engine and pd-balanced, us-central1, on demand',
  region: 'us-central1',
  tariff: OWN_BROKERS,
  figures: {
    'cross-zone-transfer': figure(
      'cross-zone-transfer',
      0.01,
      'egress side only: VPC price page as cited by three vendors',
      DATED,
      'second-hand',
    ),
    'broker-storage': figure('broker-storage', 0.1, `pd-balanced: ${INFRACOST}`, DATED, 'verified'),
    'remote-storage': figure('remote-storage', 0.02, 'Cloud Storage standard, regional', DATED, 'second-hand'),
    'remote-put': figure(
      'remote-put',
      0.005,
      `Cloud Storage class A, 0.05 for 10,000: ${INFRACOST}`,
      DATED,
      'verified',
    ),
    'remote-retrieval': figure(
      'remote-retrieval',
      0,
      'Cloud Storage standard in the same region',
      DATED,
      'second-hand',
    ),
    'broker-compute': figure('broker-compute', 0.0486, `n2-standard-8 at 0.3885/h: ${INFRACOST}`, DATED, 'verified'),
    'client-compute': figure('client-compute', 0.0486, `n2-standard-8 at 0.3885/h: ${INFRACOST}`, DATED, 'verified'),
  },
  instances: instances(INFRACOST, DATED, 'verified', [
    ['n2-standard-8', 0.3885, 8, null],
    ['n1-standard-16', 0.76, 16, null],
  ]),
  capacityUnit: null,
  notes: ['before sustained-use discounts'],
}

export const googleManagedKafka: PriceBook = {
  ...gcpUsCentral1,
  id: 'gcp-managed-kafka-us-central1',
  kind: 'managed-kafka',
  title: 'Google Managed Service for Apache Kafka, us-central1',
  figures: {
    'cross-zone-transfer': gcpUsCentral1.figures['cross-zone-transfer']!,
    'broker-storage': figure(
      'broker-storage',
      0.1,
      `pd-balanced, as no price of its own is known: ${INFRACOST}`,
      DATED,
      'unverified',
    ),
    'broker-compute': figure('broker-compute', 0.09, 'one DCU: 1 vCPU and 4 GiB', '2026-10-02', 'second-hand'),
    'client-compute': gcpUsCentral1.figures['client-compute']!,
  },
  tariff: { ...OWN_BROKERS, tiered: false },
  instances: {},
  notes: ['a DCU is counted as one vCPU'],
}

const AZURE_VMS = 'Azure list prices as generated for karpenter'
const AZURE_DATED = '2026-06-18'
const AZURE_TRANSFER = figure(
  'cross-zone-transfer',
  0,
  'no charge between zones of a region since May 2024; older pages still say 0.01',
  DATED,
  'second-hand',
)

export const azureEastus: PriceBook = {
  id: 'azure-eastus',
  version: VERSION,
  currency: 'USD',
  kind: 'self-managed',
  title: 'Kafka on Azure machines and standard SSD, eastus, pay as you go',
  region: 'eastus',
  tariff: OWN_BROKERS,
  figures: {
    'cross-zone-transfer': AZURE_TRANSFER,
    'broker-storage': figure(
      'broker-storage',
      0.075,
      `standard SSD E30, 76.80 for 1 TiB: ${INFRACOST}`,
      DATED,
      'verified',
    ),
    'remote-storage': figure('remote-storage', 0.0195, 'Blob hot LRS, 0.018 to 0.021', DATED, 'second-hand'),
    'remote-retrieval': figure('remote-retrieval', 0, 'Blob hot tier in the same region', DATED, 'second-hand'),
    'broker-compute': figure('broker-compute', 0.048, `D4s_v5: ${AZURE_VMS}`, AZURE_DATED, 'verified'),
    'client-compute': figure('client-compute', 0.048, `D4s_v5: ${AZURE_VMS}`, AZURE_DATED, 'verified'),
  },
  instances: instances(AZURE_VMS, AZURE_DATED, 'verified', [
    ['D2s_v5', 0.096, 2, null],
    ['D4s_v5', 0.192, 4, null],
    ['D8s_v5', 0.384, 8, null],
    ['E4s_v5', 0.252, 4, null],
    ['L8s_v3', 0.696, 8, null],
  ]),
  capacityUnit: null,
  notes: [],
}

export const azureCentralindia: PriceBook = {
  ...azureEastus,
  id: 'azure-centralindia',
  title: 'Kafka on Azure machines and standard SSD, centralindia, pay as you go',
  region: 'centralindia',
  figures: {
    ...azureEastus.figures,
    'broker-storage': figure(
      'broker-storage',
      0.075,
      `that of eastus, as none of this region is known: ${INFRACOST}`,
      DATED,
      'unverified',
    ),
    'broker-compute': figure('broker-compute', 0.0505, `D4s_v5: ${AZURE_VMS}`, AZURE_DATED, 'verified'),
    'client-compute': figure('client-compute', 0.0505, `D4s_v5: ${AZURE_VMS}`, AZURE_DATED, 'verified'),
  },
  instances: instances(AZURE_VMS, AZURE_DATED, 'verified', [
    ['D2s_v5', 0.101, 2, null],
    ['D4s_v5', 0.202, 4, null],
    ['D8s_v5', 0.404, 8, null],
    ['E4s_v5', 0.26, 4, null],
    ['L8s_v3', 0.792, 8, null],
  ]),
}
