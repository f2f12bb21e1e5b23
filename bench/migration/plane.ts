/** The control plane of the measurement, in a process of its own: prints its address, ends when its input does. */
import type { ClusterAddress } from '@mq/contract'
import { createLogger, startControlPlane } from '@mq/control-plane'

interface PlaneJob {
  /** Any free one when missing. */
  readonly port?: number
  readonly dataDir: string
  readonly clusters: readonly ClusterAddress[]
  readonly migrationTimes: Readonly<Record<string, number>>
}

const job = JSON.parse(process.argv[2] ?? '') as PlaneJob
const plane = await startControlPlane({
  port: job.port ?? 0,
  dataDir: job.dataDir,
  clusters: job.clusters,
  migrationTimes: job.migrationTimes,
  logger: createLogger('warn', process.stderr),
})
process.stdout.write(`${JSON.stringify({ url: plane.url })}\n`)
process.stdin.resume()
process.stdin.once('end', () => {
  void plane.close().finally(() => process.exit(0))
})
