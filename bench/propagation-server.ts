/**
 * The control plane of `propagation.ts`, in a process of its own: prints its address, ends when its input does.
 *
 * The cluster behind it answers from memory: a changed setting concerns the control plane and its clients, not Kafka.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, type OpenAdmin, startControlPlane, type TopicFacts } from '@mq/control-plane'

const topics = new Map<string, TopicFacts>()
const noMigrations = (): Promise<never> => Promise.reject(new Error('nothing is moved here'))
const openAdmin: OpenAdmin = () => ({
  describe: async () => ({ clusterId: 'memory', brokers: 3, zones: null }),
  findTopics: async (names) => new Map([...topics].filter(([name]) => names.includes(name))),
  createTopic: async ({ name, partitions, replication }) => {
    topics.set(name, { topicId: null, partitions, replication, zones: null, leaderless: 0, leastInSync: replication })
  },
  deleteTopic: async (name) => void topics.delete(name),
  alterTopicConfigs: async () => {},
  topicSettings: async () => new Map(),
  endOffsets: async (_name, partitions) => new Array<bigint>(partitions).fill(0n),
  close: async () => {},
  validateTopic: noMigrations,
  checkSealing: noMigrations,
  otherConsumers: noMigrations,
  dropPositions: noMigrations,
  validateSeal: noMigrations,
  sizeLimit: noMigrations,
  requestSeal: noMigrations,
  releaseSeal: noMigrations,
  probeSeal: noMigrations,
  sealedEnds: noMigrations,
  hasRecords: noMigrations,
  startOffsets: noMigrations,
  canary: noMigrations,
  groupsOf: noMigrations,
  groupOn: noMigrations,
  seedGroup: noMigrations,
  groupStanding: noMigrations,
  offsetsAt: noMigrations,
  recordAt: noMigrations,
  setPositions: noMigrations,
  activeProducers: noMigrations,
  disks: noMigrations,
  writeQuotas: noMigrations,
  readRegistryCopy: async () => new Map(),
  writeRegistryCopy: async () => {},
})

const dataDir = mkdtempSync(join(tmpdir(), 'mq-propagation-'))
const plane = await startControlPlane({
  port: 0,
  dataDir,
  openAdmin,
  clusters: [{ name: 'memory', bootstrap: ['127.0.0.1:1'], securityProtocol: 'plaintext' }],
  logger: createLogger('warn'),
})
console.log(plane.url)
process.stdin.resume()
process.stdin.once('end', () => void stop())

async function stop(): Promise<void> {
  await plane.close()
  rmSync(dataDir, { recursive: true, force: true })
  process.exit(0)
}
