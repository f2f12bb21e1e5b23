/** Apache Kafka in the cache, any number of versions side by side. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { classPathOf, folderOf, type InstallProgress, installJars, type JarSet } from './jar-install.ts'
import { findJava, type Java } from './java.ts'
import { KAFKA_VERSION } from './kafka-version.ts'

const POM = fileURLToPath(new URL('../pom.xml', import.meta.url))

export interface KafkaInstall {
  readonly version: string
  readonly folder: string
  readonly java: Java
  /** Every jar, for `java -cp`; also runs Kafka's own tools, such as `org.apache.kafka.tools.ProducerPerformance`. */
  readonly classPath: string
}

/** Whether a start needs no network. */
export function isKafkaInstalled(version: string = KAFKA_VERSION): boolean {
  return existsSync(folderOf(jarsOf(version)))
}

export async function installKafka(
  onProgress: InstallProgress = () => {},
  version: string = KAFKA_VERSION,
): Promise<KafkaInstall> {
  const java = await findJava()
  const folder = await installJars(jarsOf(version), onProgress)
  return { version, folder, java, classPath: classPathOf(folder) }
}

function jarsOf(version: string): JarSet {
  return {
    name: 'kafka',
    version,
    label: `Apache Kafka ${version} (about 54 MB, once)`,
    pom: POM,
    properties: { 'kafka.version': version },
    proof: `kafka-clients-${version}.jar`,
  }
}
