export type { LocalBroker } from './broker.ts'
export { type LocalCluster, type StartClusterOptions, startCluster } from './cluster.ts'
export { cacheFolder, type InstallProgress, installKafka, KAFKA_VERSION, type KafkaInstall } from './kafka-install.ts'
