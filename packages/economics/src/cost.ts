/**
 * What a configuration costs a month: every meter on a line of its own, with the bytes it bills and the formula it comes from.
 *
 * C1. The sum of the lines is the cost; there is no line without a price from the book.
 * C2. A cost is linear in what is metered: twice the traffic under the same shape costs twice as much. Steps (whole brokers, minimum
 *     fees) belong to the cluster, not to an mQ ID, and stand in showback.
 * C3. Predicted and measured quantities go through the same function: there is one price of a byte.
 * C4. Brokers are bought for the peak: their CPU counts with the peak multiple.
 */
import type { ClusterModel } from './cluster-model.ts'
import { brokerVcpuUsdPerHour } from './cluster-model.ts'
import type { Configuration } from './configuration.ts'
import { crossZone } from './network.ts'
import type { Prediction } from './prediction.ts'
import { type BytesBasis, type Confidence, figureOf, type Meter } from './price-book.ts'
import { HOURS_PER_MONTH, SECONDS_PER_MONTH } from './units.ts'
import type { Workload } from './workload.ts'

/** Who causes a line: showback charges consuming to the readers. */
export type CostPart = 'produce' | 'replicate' | 'consume' | 'store' | 'brokers' | 'clients' | 'vendor'

export interface CostLine {
  readonly meter: Meter
  readonly part: CostPart
  readonly usdPerMonth: number
  readonly quantity: number
  readonly unit: string
  readonly basis: BytesBasis
  readonly formula: string
  readonly assumption: string
  readonly confidence: Confidence
}

export interface Cost {
  readonly usdPerMonth: number
  /** Null when there are no records to share it. */
  readonly usdPerMillionRecords: number | null
  readonly lines: readonly CostLine[]
  readonly priceBook: string
  readonly priceBookVersion: string
}

/** What is metered, of one mQ ID: rates of a second, and what lies on disks. */
export interface Quantities {
  readonly recordsPerSecond: number
  readonly wireBytesPerSecond: number
  readonly logicalBytesPerSecond: number
  readonly brokerCpuUsPerSecond: number
  readonly producerCpuUsPerSecond: number
  readonly consumerCpuUsPerSecond: number
  /** One copy; logical bytes are those without a codec. */
  readonly localBytes: number
  readonly localLogicalBytes: number
  readonly remoteBytes: number
  readonly remoteLogicalBytes: number
}

/** Of what neither moves nor is kept. */
export const NO_QUANTITIES: Quantities = {
  recordsPerSecond: 0,
  wireBytesPerSecond: 0,
  logicalBytesPerSecond: 0,
  brokerCpuUsPerSecond: 0,
  producerCpuUsPerSecond: 0,
  consumerCpuUsPerSecond: 0,
  localBytes: 0,
  localLogicalBytes: 0,
  remoteBytes: 0,
  remoteLogicalBytes: 0,
}

/** What a byte meets on its way, apart from the traffic itself. */
export interface Shape {
  readonly groups: number
  readonly partitions: number
  readonly replication: number
  readonly followerFetch: boolean
  readonly tiered: boolean
  readonly peakMultiple: number
}

export function costOf(
  workload: Workload,
  configuration: Configuration,
  cluster: ClusterModel,
  prediction: Prediction,
): Cost {
  const rate = workload.recordsPerSecond
  return bill(
    {
      recordsPerSecond: rate,
      wireBytesPerSecond: rate * prediction.wireBytesPerRecord,
      logicalBytesPerSecond: rate * prediction.logicalBytesPerRecord,
      brokerCpuUsPerSecond: rate * prediction.brokerCpuUsPerRecord,
      producerCpuUsPerSecond: rate * prediction.producerCpuUsPerRecord,
      consumerCpuUsPerSecond: rate * prediction.consumerCpuUsPerRecord,
      ...stored(prediction, prediction.logicalBytesPerRecord / prediction.wireBytesPerRecord),
    },
    shapeOf(workload, configuration),
    cluster,
  )
}

export function shapeOf(workload: Pick<Workload, 'groups' | 'peakMultiple'>, configuration: Configuration): Shape {
  return {
    groups: workload.groups.filter(({ members }) => members > 0).length,
    partitions: configuration.partitions,
    replication: configuration.replication,
    followerFetch: configuration.followerFetch,
    tiered: configuration.localRetentionMs !== null,
    peakMultiple: workload.peakMultiple,
  }
}

/** Stored bytes on both bases. */
export function stored(
  { localBytes, remoteBytes }: { readonly localBytes: number; readonly remoteBytes: number },
  logicalOverWire: number,
): Pick<Quantities, 'localBytes' | 'localLogicalBytes' | 'remoteBytes' | 'remoteLogicalBytes'> {
  return {
    localBytes,
    localLogicalBytes: localBytes * logicalOverWire,
    remoteBytes,
    remoteLogicalBytes: remoteBytes * logicalOverWire,
  }
}

/** C1, C2, C3 */
export function bill(quantities: Quantities, shape: Shape, cluster: ClusterModel): Cost {
  const lines = [
    ...networkLines(quantities, shape, cluster),
    ...storageLines(quantities, shape, cluster),
    ...computeLines(quantities, shape, cluster),
    ...vendorLines(quantities, shape, cluster),
  ]
  const usdPerMonth = lines.reduce((sum, line) => sum + line.usdPerMonth, 0)
  const records = quantities.recordsPerSecond * SECONDS_PER_MONTH
  return {
    usdPerMonth,
    usdPerMillionRecords: records > 0 ? (usdPerMonth / records) * 1e6 : null,
    lines,
    priceBook: cluster.book.id,
    priceBookVersion: cluster.book.version,
  }
}

function networkLines(quantities: Quantities, shape: Shape, cluster: ClusterModel): CostLine[] {
  const { book, zones } = cluster
  if (zones === 1) return []
  const crossing = crossZone({
    zones,
    replication: shape.replication,
    groups: shape.groups,
    followerFetch: shape.followerFetch,
    rackLocalProducing: cluster.rackLocalProducing,
    replicationBilled: book.tariff.replicationTransfer === 'billed',
  })
  const gbPerMonth = (bytesOf(quantities, 'cross-zone-transfer', cluster) * SECONDS_PER_MONTH) / book.tariff.bytesPerGb
  const far = `${zones - 1} of ${zones}`
  const line = (part: CostPart, share: number, assumption: string): CostLine =>
    priced(cluster, 'cross-zone-transfer', part, gbPerMonth * share, 'GB', 'F3', assumption)
  return [
    line(
      'produce',
      crossing.produce,
      cluster.rackLocalProducing
        ? 'producers write within their zone'
        : `the leader is in another zone for ${far} producers`,
    ),
    line(
      'replicate',
      crossing.replicate,
      book.tariff.replicationTransfer === 'free'
        ? 'the vendor does not bill copies between brokers'
        : `${shape.replication} copies, spread over ${zones} zones`,
    ),
    line(
      'consume',
      crossing.consume,
      shape.groups === 0
        ? 'nobody reads it'
        : shape.followerFetch
          ? `${shape.groups} groups read from the copy in their zone`
          : `the leader is in another zone for ${far} readers of ${shape.groups} group${shape.groups === 1 ? '' : 's'}`,
    ),
  ].filter((each) => each.quantity > 0)
}

function storageLines(quantities: Quantities, shape: Shape, cluster: ClusterModel): CostLine[] {
  const { book } = cluster
  const { tariff } = book
  const gb = (meter: Meter, wire: number, logical: number): number =>
    (figureOf(book, meter).basis === 'logical' ? logical : wire) / tariff.bytesPerGb
  const copies = tariff.storage === 'disk' ? shape.replication / cluster.diskShare : 1
  const lines = [
    priced(
      cluster,
      'broker-storage',
      'store',
      gb('broker-storage', quantities.localBytes, quantities.localLogicalBytes) * copies,
      'GB-month',
      'F4',
      tariff.storage === 'disk'
        ? `${shape.replication === 1 ? 'one copy' : `${shape.replication} copies`} on disks filled to ${Math.round(cluster.diskShare * 100)} %, one segment beyond the retention`
        : 'retained bytes once, as the vendor counts them',
    ),
  ]
  if (!shape.tiered) return lines
  const wireGb = (quantities.wireBytesPerSecond * SECONDS_PER_MONTH) / tariff.bytesPerGb
  lines.push(
    priced(
      cluster,
      'remote-storage',
      'store',
      gb('remote-storage', quantities.remoteBytes, quantities.remoteLogicalBytes),
      'GB-month',
      'F4',
      'one copy in tiered storage for the whole retention',
    ),
  )
  if (book.figures['remote-put'] !== undefined) {
    lines.push(
      priced(
        cluster,
        'remote-put',
        'store',
        (wireGb * 1.05) / 1_000,
        '1,000 writes',
        'F4',
        '1.05 writes for every GB of closed segments',
      ),
    )
  }
  return lines
}

function computeLines(quantities: Quantities, shape: Shape, cluster: ClusterModel): CostLine[] {
  const vcpuHours = (usPerSecond: number): number => (usPerSecond / 1e6) * HOURS_PER_MONTH
  const client = figureOf(cluster.book, 'client-compute')
  const lines: CostLine[] = []
  if (cluster.book.tariff.compute === 'vcpu') {
    const usdPerHour = brokerVcpuUsdPerHour(cluster)
    const quantity = (vcpuHours(quantities.brokerCpuUsPerSecond) / cluster.cpuCeiling) * shape.peakMultiple
    lines.push({
      meter: 'broker-compute',
      part: 'brokers',
      usdPerMonth: quantity * usdPerHour,
      quantity,
      unit: 'vCPU-hour',
      basis: 'none',
      formula: cluster.constants.brokerCpu.kind === 'sizing-rule' ? 'F5' : 'F6',
      assumption:
        (cluster.constants.brokerCpu.kind === 'sizing-rule'
          ? `a vCPU carries ${cluster.constants.brokerCpu.inMibPerSecond} MiB/s in and ${cluster.constants.brokerCpu.outMibPerSecond} MiB/s out`
          : `CPU by requests and bytes as calibrated on this cluster, used to ${Math.round(cluster.cpuCeiling * 100)} %`) +
        (shape.peakMultiple > 1
          ? `, bought for ${Number(shape.peakMultiple.toPrecision(3))} times the usual rate`
          : ''),
      confidence:
        cluster.instanceType === null
          ? figureOf(cluster.book, 'broker-compute').confidence
          : (cluster.book.instances[cluster.instanceType]?.confidence ?? 'unverified'),
    })
  }
  for (const [part, usPerSecond, who] of [
    ['produce', quantities.producerCpuUsPerSecond, 'producers: encoding, compression, requests'],
    ['consume', quantities.consumerCpuUsPerSecond, 'consumers: fetching, decompression, decoding'],
  ] as const) {
    const quantity = vcpuHours(usPerSecond)
    lines.push({
      meter: 'client-compute',
      part: part === 'produce' ? 'clients' : 'consume',
      usdPerMonth: quantity * client.usd,
      quantity,
      unit: 'vCPU-hour',
      basis: 'none',
      formula: 'F7',
      assumption: `CPU of ${who}`,
      confidence: client.confidence,
    })
  }
  return lines
}

function vendorLines(quantities: Quantities, shape: Shape, cluster: ClusterModel): CostLine[] {
  const { book } = cluster
  const { tariff } = book
  const lines: CostLine[] = []
  if (tariff.dataInOut) {
    const perMonth = SECONDS_PER_MONTH / tariff.bytesPerGb
    const unit = tariff.bytesPerGb === 1e9 ? 'GB' : 'GiB'
    lines.push(
      priced(
        cluster,
        'data-in',
        'produce',
        bytesOf(quantities, 'data-in', cluster) * perMonth,
        unit,
        'F3',
        'every byte written, once',
      ),
      priced(
        cluster,
        'data-out',
        'consume',
        bytesOf(quantities, 'data-out', cluster) * perMonth * shape.groups,
        unit,
        'F3',
        `every byte read, by ${shape.groups} group${shape.groups === 1 ? '' : 's'}`,
      ),
    )
  }
  if (tariff.perPartition) {
    lines.push(
      priced(
        cluster,
        'partition-hour',
        'vendor',
        shape.partitions * HOURS_PER_MONTH,
        'partition-hour',
        'F5',
        `${shape.partitions} partitions`,
      ),
    )
  }
  if (tariff.compute === 'capacity-unit' && book.capacityUnit !== null) {
    const { capacityUnit } = book
    const peak = quantities.wireBytesPerSecond * shape.peakMultiple
    const units =
      Math.max(peak / capacityUnit.inBytesPerSecond, (peak * shape.groups) / capacityUnit.outBytesPerSecond) +
      shape.partitions / capacityUnit.partitions
    lines.push(
      priced(
        cluster,
        'capacity-unit-hour',
        'vendor',
        units * HOURS_PER_MONTH,
        'unit-hour',
        'F5',
        'its share of a capacity unit, by bytes and by partitions; whole units are billed to the cluster',
      ),
    )
  }
  return lines
}

function bytesOf(quantities: Quantities, meter: Meter, cluster: ClusterModel): number {
  return figureOf(cluster.book, meter).basis === 'logical'
    ? quantities.logicalBytesPerSecond
    : quantities.wireBytesPerSecond
}

function priced(
  cluster: ClusterModel,
  meter: Meter,
  part: CostPart,
  quantity: number,
  unit: string,
  formula: string,
  assumption: string,
): CostLine {
  const figure = figureOf(cluster.book, meter)
  return {
    meter,
    part,
    usdPerMonth: quantity * figure.usd,
    quantity,
    unit,
    basis: figure.basis,
    formula,
    assumption,
    confidence: figure.confidence,
  }
}
