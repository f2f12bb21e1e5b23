export type { LocalBroker } from './broker.ts'
export { type LocalCluster, type StartClusterOptions, startCluster } from './cluster.ts'
export type { FeatureTarget } from './feature-command.ts'
export { type FolderLock, tryLockFolder } from './folder-lock.ts'
export { cacheFolder, type InstallProgress } from './jar-install.ts'
export { findJava, findMaven, type Java, OLDEST_JAVA } from './java.ts'
export { installKafka, isKafkaInstalled, type KafkaInstall } from './kafka-install.ts'
export {
  compareKafkaVersions,
  type Front,
  isKafkaAtLeast,
  KAFKA_VERSION,
  type KafkaChoice,
  type MetadataMode,
  parseKafkaChoice,
} from './kafka-version.ts'
export { freePorts, isFree } from './ports.ts'
export { type Direction, type FaultProxy, TcpProxy } from './tcp-proxy.ts'
