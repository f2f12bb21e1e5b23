/** The whole public surface of `@mq/control-plane`. */

export type { ClusterCredentials } from '@mq/kafka'
export type { ControlPlane, ControlPlaneOptions } from './control-plane.ts'
export { startControlPlane } from './control-plane.ts'
export { openApiDocument } from './http/openapi.ts'
export type { Logger } from './logger.ts'
export { createLogger, silentLogger } from './logger.ts'
export { ASSUMED_BOOK } from './observe/cluster-model.ts'
export type { ObservationProblem } from './observe/observation.ts'
export type { SavingConfidence, SavingKind } from './observe/savings.ts'
export type { ScannedSaving, ScannedTopic, ScanReport } from './observe/scan.ts'
export { type ScanOptions, scanCluster } from './observe/scan-cluster.ts'
export type { ClusterAdmin, OpenAdmin, TopicFacts, TopicSpec } from './provision/cluster-admin.ts'
