/**
 * A class-data archive of a broker's classes: the JVM maps it instead of loading and checking some 9,000 classes at every start,
 * which halves the time and the processor a start costs.
 *
 * A1. Made once per installation and Java version by a broker that starts, stops in order and leaves the archive behind.
 * A2. It is only an acceleration: without one, or with one the JVM finds unfit, a broker starts the slower way.
 * A3. It holds the paths of the jars, so it is made where they lie for good.
 * A4. A KRaft broker makes it; versions that run only with ZooKeeper do without.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { bootstrapTemplate } from './bootstrap-template.ts'
import { Broker } from './broker.ts'
import { openClusterFolder } from './cluster-folder.ts'
import { tryLockFolder } from './folder-lock.ts'
import type { InstallProgress } from './jar-install.ts'
import type { KafkaInstall } from './kafka-install.ts'
import { checkedChoice, type KafkaChoice } from './kafka-version.ts'
import { Watchdog } from './watchdog.ts'

const DEADLINE_MS = 180_000

/** @returns the JVM flags that use the archive; none when there is none and this process cannot make it now */
export async function classArchiveFlags(
  install: KafkaInstall,
  onProgress: InstallProgress = () => {},
): Promise<string[]> {
  const kafka = checkedChoice(install.version, undefined)
  if (kafka.mode !== 'kraft') return []
  const key = createHash('sha256').update(`${install.java.path} ${install.java.version}`).digest('hex').slice(0, 12)
  const archive = join(install.folder, `classes-${key}.jsa`)
  if (!existsSync(archive) && !(await make(archive, install, kafka, onProgress))) return []
  return [`-XX:SharedArchiveFile=${archive}`, '-Xshare:auto', '-Xlog:disable', '-Xlog:all=error:stderr']
}

async function make(
  archive: string,
  install: KafkaInstall,
  kafka: KafkaChoice,
  onProgress: InstallProgress,
): Promise<boolean> {
  const lock = tryLockFolder(`${archive}.lock`)
  // Somebody else is making it; starting the slower way is quicker than waiting.
  if (lock === undefined) return false
  const scratch = mkdtempSync(join(install.folder, 'train-'))
  const watchdog = new Watchdog(scratch)
  try {
    if (existsSync(archive)) return true
    onProgress('preparing fast broker starts (once)')
    const template = await bootstrapTemplate(install, undefined)
    const { seats } = await openClusterFolder(scratch, { brokers: 1, kafka, template, freshPorts: false })
    const [seat] = seats
    if (seat === undefined) return false
    const made = join(scratch, 'made.jsa')
    const broker = new Broker({
      seat,
      brokers: 1,
      authorizer: false,
      metadata: { mode: 'kraft', voters: [{ nodeId: seat.nodeId, controllerPort: seat.ports.controller }] },
      advertisedPort: seat.ports.client,
      configs: {},
      software: { install, flags: [`-XX:ArchiveClassesAtExit=${made}`, '-Xlog:disable'] },
      softwareOf: () => Promise.reject(new Error('a training broker keeps its version')),
      maxHeapMb: 256,
      watchdog,
      stopDeadlineMs: DEADLINE_MS,
      startDeadlineMs: DEADLINE_MS,
    })
    try {
      broker.start()
      await broker.ready([seat.nodeId])
    } finally {
      await broker.stop()
    }
    if (!existsSync(made)) return false
    renameSync(made, archive)
    return true
  } catch {
    // See A2: what is wrong with starting a broker, the start of the real one will say.
    return false
  } finally {
    watchdog.end()
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 })
    lock.release()
  }
}
