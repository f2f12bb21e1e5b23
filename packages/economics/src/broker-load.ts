/** F6: what brokers do for an mQ ID, in CPU: by requests and bytes as calibrated, or by the sizing rule before. */
import type { ClusterModel } from './cluster-model.ts'
import type { Configuration } from './configuration.ts'

const MIB = 1_024 ** 2

export interface BrokerWork {
  readonly records: number
  readonly wireBytes: number
  readonly uncompressedBytes: number
  readonly produceRequests: number
  readonly fetchRequests: number
}

/** F6 for one record, of all brokers together; 0 without records. */
export function brokerCpuUs(
  cluster: ClusterModel,
  { replication, codec }: Pick<Configuration, 'replication' | 'codec'>,
  groups: number,
  work: BrokerWork,
): number {
  if (work.records === 0) return 0
  const { perWireByte, perProduceRequest, perFetchRequest, perUncompressedByte } = brokerUs(
    cluster,
    replication,
    groups,
  )
  return (
    (perWireByte * work.wireBytes +
      perProduceRequest * work.produceRequests +
      perFetchRequest * work.fetchRequests +
      (codec === 'none' ? 0 : perUncompressedByte * work.uncompressedBytes)) /
    work.records
  )
}

export interface BrokerUs {
  readonly perWireByte: number
  readonly perProduceRequest: number
  readonly perFetchRequest: number
  /** Of compressed batches. */
  readonly perUncompressedByte: number
}

/** F6: CPU of all brokers together, by what they are asked for. */
export function brokerUs(cluster: ClusterModel, replication: number, groups: number): BrokerUs {
  const cpu = cluster.constants.brokerCpu
  if (cpu.kind === 'sizing-rule') {
    // The rule says what to buy; what of it is used is the ceiling.
    const vcpuSeconds = Math.max(1 / (cpu.inMibPerSecond * MIB), groups / (cpu.outMibPerSecond * MIB)) * replication
    return {
      perWireByte: vcpuSeconds * cluster.cpuCeiling * 1e6,
      perProduceRequest: 0,
      perFetchRequest: 0,
      perUncompressedByte: 0,
    }
  }
  return {
    perWireByte: cpu.usPerByteIn * replication + cpu.usPerByteOut * groups,
    perProduceRequest: cpu.usPerProduceRequest,
    perFetchRequest: cpu.usPerFetchRequest,
    perUncompressedByte: cpu.usPerDecompressedByte,
  }
}
