export type { LocalBroker } from './broker.ts'
export { type LocalCluster, type StartClusterOptions, startCluster } from './cluster.ts'
export { type FolderLock, tryLockFolder } from './folder-lock.ts'
export { findJava, findMaven, type Java, OLDEST_JAVA } from './java.ts'
export {
  cacheFolder,
  type InstallProgress,
  installKafka,
  isKafkaInstalled,
  KAFKA_VERSION,
  type KafkaInstall,
} from './kafka-install.ts'
export { freePorts, isFree } from './ports.ts'
export { type Direction, type FaultProxy, TcpProxy } from './tcp-proxy.ts'
