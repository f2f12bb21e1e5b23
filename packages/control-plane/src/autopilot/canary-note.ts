/**
 * What is said of a canary when it begins.
 */
import type { Canary, Subject } from '@mq/autopilot'

export function canaryNote({ design, instances, ofInstances }: Canary, subject: Subject): string {
  const [one, some] = subject === 'readers' ? ['reads', 'read'] : ['sends', 'send']
  if (design === 'instances') return `on trial with ${instances.length} of ${ofInstances} instances that ${some}`
  return instances.length === 1
    ? `one instance ${one}: it takes turns between the old settings and the new ones`
    : `each group has one reader: they take turns between the old settings and the new ones`
}
