/** The other side of interoperability: Java's own tools and kcat, run as programs. */
import { execFile } from 'node:child_process'
import { installKafka } from '@mq/local'

/** A JVM that starts on a busy machine takes many times what it takes on an idle one. */
const DEADLINE_MS = 120_000

function run(command: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: DEADLINE_MS, maxBuffer: 64 << 20 }
    const child = execFile(command, [...args], options, (error, stdout, stderr) => {
      if (error) reject(new Error(`${command} ${args.slice(-6).join(' ')}: ${error.message}\n${stdout}\n${stderr}`))
      else resolve(stdout)
    })
    child.stdin?.end(input)
  })
}

/** Runs a class of Kafka's tools; `input` goes to its standard input, its standard output comes back. */
export async function javaTool(className: string, args: readonly string[], input = ''): Promise<string> {
  const { classPath, java } = await installKafka()
  const flags = ['-Xmx192m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', classPath]
  return await run(java.path, [...flags, `org.apache.kafka.tools.${className}`, ...args], input)
}

export async function kcat(args: readonly string[], input = ''): Promise<string> {
  return await run('kcat', args, input)
}

/** Runs a Java source file against Kafka's classes; its standard output comes back. */
export async function javaSource(file: string): Promise<string> {
  const { classPath, java } = await installKafka()
  return await run(java.path, ['-Xmx192m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', classPath, file])
}
