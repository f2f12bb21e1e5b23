/** What a result was measured on. */
import { cpus, release, totalmem } from 'node:os'

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
  }
}
