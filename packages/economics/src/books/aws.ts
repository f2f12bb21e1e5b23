/**
 * Price books of AWS: Kafka on one's own EC2 and EBS, MSK provisioned and MSK Serverless.
 *
 * Figures were taken from generated price files and pages of others, not from a live price page; each says from where and when.
 */
import type { Instance, PriceBook, PriceFigure } from '../price-book.ts'
import { figure, instances } from './entry.ts'

const EC2_SOURCE = 'EC2 on-demand list as generated for karpenter-provider-aws'
const EC2_DATED = '2026-07-20'
const INFRACOST = 'AWS price list as recorded by infracost'
const MSK_PAGES = 'published MSK price lists, two that agree'
const DATED = '2026-11-22'

/** USD per hour and baseline Mbps by size, as the family has them. */
const EC2: Readonly<Record<string, Instance>> = {
  ...instances(EC2_SOURCE, EC2_DATED, 'verified', [
    ['m5.large', 0.096, 2, 750],
    ['m5.xlarge', 0.192, 4, 1_250],
    ['m5.2xlarge', 0.384, 8, 2_500],
    ['m5.4xlarge', 0.768, 16, 5_000],
    ['m6i.large', 0.096, 2, 781],
    ['m6i.xlarge', 0.192, 4, 1_562],
    ['m6i.2xlarge', 0.384, 8, 3_125],
    ['m6i.4xlarge', 0.768, 16, 6_250],
    ['m7g.large', 0.0816, 2, 937],
    ['m7g.xlarge', 0.1632, 4, 1_876],
    ['m7g.2xlarge', 0.3264, 8, 3_750],
    ['m7g.4xlarge', 0.6528, 16, 7_500],
    ['m8g.large', 0.08976, 2, 937],
    ['m8g.xlarge', 0.17952, 4, 1_875],
    ['m8g.2xlarge', 0.35904, 8, 3_750],
    ['m8g.4xlarge', 0.71808, 16, null],
    ['r6i.large', 0.126, 2, 781],
    ['r6i.xlarge', 0.252, 4, 1_562],
    ['r6i.2xlarge', 0.504, 8, 3_125],
    ['r6i.4xlarge', 1.008, 16, 6_250],
    ['r7g.large', 0.1071, 2, 937],
    ['r7g.xlarge', 0.2142, 4, 1_876],
    ['r7g.2xlarge', 0.4284, 8, 3_750],
    ['r7g.4xlarge', 0.8568, 16, 7_500],
    ['r6in.large', 0.17433, 2, 3_125],
    ['r6in.xlarge', 0.34866, 4, 6_250],
    ['r6in.2xlarge', 0.69732, 8, 12_500],
    ['r6in.4xlarge', 1.39464, 16, 25_000],
    ['i4i.large', 0.172, 2, 781],
    ['i4i.xlarge', 0.343, 4, 1_875],
    ['i4i.2xlarge', 0.686, 8, 4_687],
    ['i4i.4xlarge', 1.373, 16, 9_375],
    ['i3en.large', 0.226, 2, 2_100],
    ['i3en.xlarge', 0.452, 4, 4_200],
    ['i3en.2xlarge', 0.904, 8, 8_400],
    ['im4gn.large', 0.1819, 2, 3_125],
    ['im4gn.xlarge', 0.36379, 4, 6_250],
    ['im4gn.2xlarge', 0.72758, 8, 12_500],
  ]),
}

/** 1,000 GB within a region are billed as 2,000 GB: 0.01 in each direction. */
const CROSS_ZONE = figure('cross-zone-transfer', 0.02, INFRACOST, DATED, 'verified')
const CLIENT_CPU = figure('client-compute', 0.0408, `m7g: ${EC2_SOURCE}`, EC2_DATED, 'verified')
const S3: readonly (readonly [string, PriceFigure])[] = [
  ['remote-storage', figure('remote-storage', 0.023, `S3 Standard, first 50 TB: ${INFRACOST}`, DATED, 'verified')],
  ['remote-put', figure('remote-put', 0.005, `S3 PUT: ${INFRACOST}`, DATED, 'verified')],
  [
    'remote-retrieval',
    figure('remote-retrieval', 0, 'S3 through a gateway endpoint in the same region', '2026-08-12', 'second-hand'),
  ],
]
const COPIES_FREE = 'MSK does not bill copies between brokers; clients pay transfer between zones as usual'

export const awsUsEast1: PriceBook = {
  id: 'aws-us-east-1',
  version: '2026-11-22',
  currency: 'USD',
  kind: 'self-managed',
  title: 'Kafka on EC2 and EBS gp3, us-east-1, on demand',
  region: 'us-east-1',
  tariff: {
    bytesPerGb: 1e9,
    replicationTransfer: 'billed',
    storage: 'disk',
    compute: 'vcpu',
    dataInOut: false,
    perPartition: false,
    tiered: true,
  },
  figures: {
    'cross-zone-transfer': CROSS_ZONE,
    'broker-storage': figure('broker-storage', 0.08, `EBS gp3: ${INFRACOST}`, DATED, 'verified'),
    ...Object.fromEntries(S3),
    'broker-compute': figure('broker-compute', 0.0408, `m7g: ${EC2_SOURCE}`, EC2_DATED, 'verified'),
    'client-compute': CLIENT_CPU,
  },
  instances: EC2,
  capacityUnit: null,
  notes: ['gp3 throughput above 125 MB/s and IOPS above 3,000 are not included'],
}

const MSK_US: Readonly<Record<string, Instance>> = {
  ...instances(INFRACOST, DATED, 'verified', [['kafka.t3.small', 0.0456, 2, null]]),
  ...instances('kafka.m5, linear in its size: infracost; m5.large by its SKU', DATED, 'verified', [
    ['kafka.m5.large', 0.21, 2, 750],
    ['kafka.m5.xlarge', 0.42, 4, 1_250],
    ['kafka.m5.2xlarge', 0.84, 8, 2_500],
    ['kafka.m5.4xlarge', 1.68, 16, 5_000],
    ['kafka.m5.24xlarge', 10.08, 96, null],
  ]),
  ...instances(MSK_PAGES, DATED, 'second-hand', [
    ['kafka.m7g.large', 0.204, 2, 937],
    ['kafka.m7g.xlarge', 0.408, 4, 1_876],
    ['kafka.m7g.2xlarge', 0.816, 8, 3_750],
  ]),
}

export const awsMskUsEast1: PriceBook = {
  id: 'aws-msk-us-east-1',
  version: '2026-11-22',
  currency: 'USD',
  kind: 'msk-provisioned',
  title: 'Amazon MSK provisioned, us-east-1',
  region: 'us-east-1',
  tariff: {
    bytesPerGb: 1e9,
    replicationTransfer: 'free',
    storage: 'disk',
    compute: 'vcpu',
    dataInOut: false,
    perPartition: false,
    tiered: true,
  },
  figures: {
    'cross-zone-transfer': CROSS_ZONE,
    'broker-storage': figure('broker-storage', 0.1, INFRACOST, DATED, 'verified'),
    'remote-storage': figure('remote-storage', 0.06, 'recalled; Singapore lists 0.0652', DATED, 'unverified'),
    'remote-retrieval': figure('remote-retrieval', 0.0015, 'recalled; Singapore lists 0.0018', DATED, 'unverified'),
    'broker-compute': figure('broker-compute', 0.102, `kafka.m7g: ${MSK_PAGES}`, DATED, 'second-hand'),
    'client-compute': CLIENT_CPU,
  },
  instances: MSK_US,
  capacityUnit: null,
  notes: [COPIES_FREE],
}

const SINGAPORE = 'AWS Pricing API'
const SINGAPORE_DATED = '2026-08-12'

export const awsMskApSoutheast1: PriceBook = {
  ...awsMskUsEast1,
  id: 'aws-msk-ap-southeast-1',
  title: 'Amazon MSK provisioned, ap-southeast-1',
  region: 'ap-southeast-1',
  figures: {
    'cross-zone-transfer': CROSS_ZONE,
    'broker-storage': figure('broker-storage', 0.12, SINGAPORE, SINGAPORE_DATED, 'second-hand'),
    'remote-storage': figure('remote-storage', 0.0652, SINGAPORE, SINGAPORE_DATED, 'second-hand'),
    'remote-retrieval': figure('remote-retrieval', 0.0018, SINGAPORE, SINGAPORE_DATED, 'second-hand'),
    'broker-compute': figure('broker-compute', 0.1275, `kafka.m7g: ${SINGAPORE}`, SINGAPORE_DATED, 'second-hand'),
    'client-compute': figure(
      'client-compute',
      0.0408,
      `m7g of us-east-1, as none of this region is known: ${EC2_SOURCE}`,
      EC2_DATED,
      'unverified',
    ),
  },
  instances: instances(SINGAPORE, SINGAPORE_DATED, 'second-hand', [
    ['kafka.m7g.large', 0.255, 2, 937],
    ['kafka.m7g.xlarge', 0.51, 4, 1_876],
    ['kafka.m5.large', 0.263, 2, 750],
    ['kafka.t3.small', 0.0578, 2, null],
    ['express.m7g.large', 0.51, 2, null],
  ]),
  notes: [COPIES_FREE],
}

export const awsMskServerlessUsEast1: PriceBook = {
  id: 'aws-msk-serverless-us-east-1',
  version: '2026-11-22',
  currency: 'USD',
  kind: 'msk-serverless',
  title: 'Amazon MSK Serverless, us-east-1',
  region: 'us-east-1',
  tariff: {
    bytesPerGb: 1e9,
    replicationTransfer: 'free',
    storage: 'retained',
    compute: 'none',
    dataInOut: true,
    perPartition: true,
    tiered: false,
  },
  figures: {
    'cross-zone-transfer': figure(
      'cross-zone-transfer',
      0,
      'endpoints in the zones of the clients',
      DATED,
      'unverified',
    ),
    'broker-storage': figure('broker-storage', 0.1, MSK_PAGES, DATED, 'second-hand'),
    'data-in': figure('data-in', 0.1, MSK_PAGES, DATED, 'second-hand'),
    'data-out': figure('data-out', 0.05, MSK_PAGES, DATED, 'second-hand'),
    'partition-hour': figure('partition-hour', 0.0015, MSK_PAGES, DATED, 'second-hand'),
    'cluster-hour': figure('cluster-hour', 0.75, MSK_PAGES, DATED, 'second-hand'),
    'client-compute': CLIENT_CPU,
  },
  instances: {},
  capacityUnit: null,
  notes: ['the hour of the cluster itself (0.75 USD) belongs to no mQ ID and stands in showback as unallocated'],
}

export const awsMskExpressUsEast1: PriceBook = {
  ...awsMskUsEast1,
  id: 'aws-msk-express-us-east-1',
  title: 'Amazon MSK provisioned with Express brokers, us-east-1',
  tariff: {
    bytesPerGb: 1e9,
    replicationTransfer: 'free',
    storage: 'retained',
    compute: 'vcpu',
    dataInOut: true,
    perPartition: false,
    tiered: false,
  },
  figures: {
    'cross-zone-transfer': CROSS_ZONE,
    'broker-storage': figure('broker-storage', 0.1, MSK_PAGES, DATED, 'second-hand'),
    'data-in': figure('data-in', 0.01, MSK_PAGES, DATED, 'second-hand'),
    'data-out': figure('data-out', 0, 'Express bills what is written', DATED, 'second-hand'),
    'broker-compute': figure('broker-compute', 0.204, `express.m7g.large: ${MSK_PAGES}`, DATED, 'second-hand'),
    'client-compute': CLIENT_CPU,
  },
  instances: instances(MSK_PAGES, DATED, 'second-hand', [
    ['express.m7g.large', 0.408, 2, null],
    ['express.m7g.4xlarge', 1.632, 16, null],
    ['express.m7g.16xlarge', 6.528, 64, null],
  ]),
  notes: [COPIES_FREE, 'three copies in three zones, always'],
}
