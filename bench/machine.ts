/** What a result was measured on. */
import { cpus, loadavg, release, totalmem } from 'node:os'

// Taken as the program starts: what else the machine was doing, before the measurement itself made it busy.
const loadAtStart = loadavg()[0]!

export function machineFacts(kafka: string, date: string) {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    os: `${process.platform} ${release()} ${process.arch}`,
    node: process.version,
    kafka,
    date,
    loadAverage: Math.round(loadAtStart * 100) / 100,
  }
}
