/**
 * A class-data archive of a broker's classes: the JVM maps it instead of loading and checking some 9,000 classes at every start,
 * which halves the time and the processor a start costs.
 *
 * A1. Made once per installation and Java version by a broker that starts, stops in order and leaves the archive behind.
 * A2. It is only an acceleration: without one, or with one the JVM finds unfit, a broker starts the slower way.
 * A3. It holds the paths of the jars, so it is made where they lie for good.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Broker } from './broker.ts'
import { openClusterFolder } from './cluster-folder.ts'
import { tryLockFolder } from './folder-lock.ts'
import type { InstallProgress, KafkaInstall } from './kafka-install.ts'
import { Watchdog } from './watchdog.ts'

const DEADLINE_MS = 60_000

/** @returns the JVM flags that use the archive; none when there is none and this process cannot make it now */
export async function classArchiveFlags(
  install: KafkaInstall,
  onProgress: InstallProgress = () => {},
): Promise<string[]> {
  const key = createHash('sha256').update(`${install.java.path} ${install.java.version}`).digest('hex').slice(0, 12)
  const archive = join(install.folder, `classes-${key}.jsa`)
  if (!existsSync(archive) && !(await make(archive, install, onProgress))) return []
  return [`-XX:SharedArchiveFile=${archive}`, '-Xshare:auto', '-Xlog:disable', '-Xlog:all=error:stderr']
}

async function make(archive: string, install: KafkaInstall, onProgress: InstallProgress): Promise<boolean> {
  const lock = tryLockFolder(`${archive}.lock`)
  // Somebody else is making it; starting the slower way is quicker than waiting.
  if (lock === undefined) return false
  const scratch = mkdtempSync(join(install.folder, 'train-'))
  const watchdog = new Watchdog(scratch)
  try {
    if (existsSync(archive)) return true
    onProgress('preparing fast broker starts (once)')
    const { seats } = await openClusterFolder(scratch, 1, install, false)
    const [seat] = seats
    if (seat === undefined) return false
    const made = join(scratch, 'made.jsa')
    const broker = new Broker({
      seat,
      seats,
      advertisedPort: seat.ports.client,
      configs: {},
      install,
      maxHeapMb: 256,
      flags: [`-XX:ArchiveClassesAtExit=${made}`, '-Xlog:disable'],
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
