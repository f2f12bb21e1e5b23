/** The whole public surface of `@mq/control-plane`. */

export type { ClusterCredentials } from '@mq/kafka'
export type { ControlPlane, ControlPlaneOptions } from './control-plane.ts'
export { startControlPlane } from './control-plane.ts'
export { openApiDocument } from './http/openapi.ts'
export type { Logger } from './logger.ts'
export { createLogger, silentLogger } from './logger.ts'
export type { ClusterAdmin, OpenAdmin, TopicFacts, TopicSpec } from './provision/cluster-admin.ts'
