/**
 * Which Node mQ needs.
 *
 * V1. What asks must be loaded before anything that an older Node cannot load, so that a person reads this and not the name of a
 *     missing function.
 */
export const OLDEST_NODE = [24, 11] as const

/** Why a version of Node does not do, or undefined when it does. */
export function nodeProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isRecent = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])
  return isRecent ? undefined : `Node ${OLDEST_NODE.join('.')} or newer is needed; this is Node ${version}`
}
