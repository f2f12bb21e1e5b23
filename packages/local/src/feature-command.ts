/** Raises the finalised features of a cluster with Kafka's own tool: the last step of a rolling upgrade. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { MqError } from '@mq/contract'
import type { KafkaInstall } from './kafka-install.ts'
import { isKafkaAtLeast } from './kafka-version.ts'

const run = promisify(execFile)
const DEADLINE_MS = 180_000

/** All features of a release (`4.3`), or one feature. */
export type FeatureTarget = { readonly release: string } | { readonly feature: string; readonly level: number }

export async function upgradeFeatures(install: KafkaInstall, bootstrap: string, target: FeatureTarget): Promise<void> {
  const { java, classPath, version } = install
  const mainClass = isKafkaAtLeast(version, '3.7.0')
    ? 'org.apache.kafka.tools.FeatureCommand'
    : 'kafka.admin.FeatureCommand'
  const whole = isKafkaAtLeast(version, '4.0.0') ? '--release-version' : '--metadata'
  const what = 'release' in target ? [whole, target.release] : ['--feature', `${target.feature}=${target.level}`]
  const jvm = ['-Xmx128m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', classPath, mainClass]
  try {
    await run(java.path, [...jvm, '--bootstrap-server', bootstrap, 'upgrade', ...what], { timeout: DEADLINE_MS })
  } catch (error) {
    const { stderr = '', stdout = '' } = error as { stderr?: string; stdout?: string }
    const said = (stderr + stdout).trim().slice(0, 400) || String(error)
    throw new MqError('MQ_OPTION_INVALID', `The features of the cluster at ${bootstrap} were not raised: ${said}`, {
      cause: error,
    })
  }
}
