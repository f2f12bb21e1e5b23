/**
 * Validation problems in words: `intent.latencyP99Ms: 0 is too small`, never a library's object dump.
 */
import type { z } from 'zod'

/** One line for each problem, `path: message`, in the order found. */
export function describeIssues(error: z.ZodError): string[] {
  return error.issues.flatMap((issue) => flatten(issue.path, issue))
}

function flatten(path: readonly PropertyKey[], issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const branch =
      issue.errors.findLast((issues) => issues.every((inner) => inner.code !== 'invalid_type')) ?? issue.errors.at(-1)!
    return branch.flatMap((inner) => flatten([...path, ...inner.path], inner))
  }
  const where = path.map(String).join('.')
  const text =
    issue.code === 'invalid_type' && / received undefined$/.test(issue.message) ? 'is missing' : issue.message
  return [where === '' ? text : `${where}: ${text}`]
}
