/**
 * The one ZooKeeper server of a cluster that keeps its metadata there.
 *
 * Z1. It stands beside the brokers, starts before them and stops after them: a broker without ZooKeeper cannot stop in order.
 * Z2. It keeps its port and data like a broker.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MqError } from '@mq/contract'
import { HOST } from './broker-config.ts'
import { startJvm } from './jvm.ts'
import type { KafkaInstall } from './kafka-install.ts'
import type { Watchdog } from './watchdog.ts'

const PROBE_EVERY_MS = 50

export interface ZookeeperOptions {
  readonly folder: string
  readonly port: number
  readonly install: KafkaInstall
  readonly watchdog: Watchdog
  readonly startDeadlineMs: number
}

export class Zookeeper {
  readonly #options: ZookeeperOptions
  #running: { readonly child: ChildProcess; readonly ended: Promise<void> } | undefined

  constructor(options: ZookeeperOptions) {
    this.#options = options
  }

  async start(signal?: AbortSignal): Promise<void> {
    const { folder, port, install, watchdog } = this.#options
    const data = join(folder, 'data')
    mkdirSync(data, { recursive: true })
    const configuration = join(folder, 'zookeeper.properties')
    writeFileSync(
      configuration,
      `dataDir=${data}\nclientPort=${port}\nclientPortAddress=${HOST}\nmaxClientCnxns=0\nadmin.enableServer=false\ntickTime=500\nminSessionTimeout=1000\n`,
    )
    const logFile = join(folder, 'zookeeper.log')
    const child = startJvm({
      java: install.java,
      classPath: install.classPath,
      mainClass: 'org.apache.zookeeper.server.quorum.QuorumPeerMain',
      arguments: [configuration],
      maxHeapMb: 128,
      flags: ['-Dzookeeper.jmx.log4j.disable=true'],
      logFile,
      outputFile: join(folder, 'output.log'),
      cwd: folder,
    })
    const { pid } = child
    if (pid === undefined) {
      child.on('error', () => {})
      throw new MqError('MQ_KAFKA_START_FAILED', `${install.java.path} could not be started for ZooKeeper`)
    }
    watchdog.add(pid)
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => {
        watchdog.drop(pid)
        this.#running = undefined
        resolve()
      })
    })
    child.unref()
    this.#running = { child, ended }
    await this.#answers(logFile, signal)
  }

  async stop(): Promise<void> {
    if (this.#running === undefined) return
    const { child, ended } = this.#running
    child.ref()
    // Every write is in its log on disk before it is answered: nothing is lost by this.
    child.kill('SIGKILL')
    await ended
  }

  async #answers(logFile: string, signal: AbortSignal | undefined): Promise<void> {
    const { port, startDeadlineMs } = this.#options
    const deadline = performance.now() + startDeadlineMs
    while (!(await isListening(port))) {
      signal?.throwIfAborted()
      const how = this.#running === undefined ? 'ended' : `did not listen within ${startDeadlineMs} ms`
      if (this.#running === undefined || performance.now() > deadline) {
        throw new MqError('MQ_KAFKA_START_FAILED', `ZooKeeper ${how} (log: ${logFile})`, { details: { logFile } })
      }
      await sleep(PROBE_EVERY_MS)
    }
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: HOST })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
