/** The whole public surface of `@mq/cli`: one run of the command, for programs and tests. */

export { commandDocs, exitCodeDocs } from './command-docs.ts'
export { type ExitCode, exitCodeMeanings, exitCodes } from './exit-codes.ts'
export type { Io } from './io.ts'
export { runCli } from './program.ts'
export { settingDocs } from './serve/settings.ts'
