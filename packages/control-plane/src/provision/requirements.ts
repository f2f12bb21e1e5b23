/**
 * What an intent requires of the cluster it lives on, and what a cluster lacks of it. Pure.
 *
 * R1. One rule for everybody who chooses or checks a cluster: new mQ IDs, migrations, the placement loop, explanations.
 * R2. What is not known of a cluster that was never seen (brokers, zones) counts as met; what was registered (region, labels) is
 *     always known.
 * R3. Zones are the racks that brokers name, because Kafka spreads copies over these and nothing else. A number of zones that was
 *     registered for prices is no proof.
 * R4. Priority `critical` requires three copies, of a new mQ ID as of one that becomes critical; `minCopies` stands above it.
 */
import { didYouMean, type Intent } from '@mq/contract'

export interface ClusterTraits {
  readonly name: string
  /** As last seen; null where this process never saw it. */
  readonly brokers: number | null
  /** Different racks of its brokers; null where one names none. */
  readonly zones: number | null
  readonly region: string | null
  readonly labels: Readonly<Record<string, string>>
}

export type Lacking =
  | { readonly code: 'region'; readonly asked: readonly string[]; readonly found: string | null }
  | { readonly code: 'label'; readonly key: string; readonly asked: string; readonly found: string | null }
  | { readonly code: 'zones'; readonly asked: number; readonly found: number | null }
  | { readonly code: 'copies'; readonly asked: number; readonly found: number; readonly askedBy: CopiesAskedBy }
export type CopiesAskedBy = 'minCopies' | 'minZones' | 'priority'

type Requirements = Partial<Pick<Intent, 'minCopies' | 'minZones' | 'regions' | 'clusterLabels' | 'priority'>>

/** What priority `critical` requires where the intent does not say how many. */
const CRITICAL_COPIES = 3

/** Copies that must not be fallen below, and which part of the intent asks for them (R4). */
export function requiredCopiesOf({ minCopies, minZones = 1, priority }: Requirements): {
  readonly copies: number
  readonly askedBy: CopiesAskedBy
} {
  const isByPriority = minCopies === undefined && priority === 'critical'
  const copies = isByPriority ? CRITICAL_COPIES : (minCopies ?? 1)
  if (minZones > copies) return { copies: minZones, askedBy: 'minZones' }
  return { copies, askedBy: isByPriority ? 'priority' : 'minCopies' }
}

/** Copies that must not be fallen below; 1 where the intent says nothing. */
export function requiredCopies(intent: Requirements): number {
  return requiredCopiesOf(intent).copies
}

/** What the cluster lacks; nothing where it meets the intent, or may meet it (R2). */
export function lacking(intent: Requirements, cluster: ClusterTraits): Lacking[] {
  const { regions, clusterLabels = {}, minZones = 1 } = intent
  const { region, labels, brokers, zones } = cluster
  const all: Lacking[] = []
  if (regions !== undefined && (region === null || !regions.includes(region))) {
    all.push({ code: 'region', asked: regions, found: region })
  }
  for (const [key, asked] of Object.entries(clusterLabels)) {
    const found = Object.hasOwn(labels, key) ? labels[key]! : null
    if (found !== asked) all.push({ code: 'label', key, asked, found })
  }
  if (brokers === null) return all
  if (minZones > 1 && (zones ?? 0) < minZones) all.push({ code: 'zones', asked: minZones, found: zones })
  const { copies, askedBy } = requiredCopiesOf(intent)
  if (brokers < copies) all.push({ code: 'copies', asked: copies, found: brokers, askedBy })
  return all
}

/** Whether the named cluster meets the intent, or may meet it; one that is not registered does not. */
export function meetsIntent(intent: Requirements, name: string, clusters: readonly ClusterTraits[]): boolean {
  const cluster = clusters.find((one) => one.name === name)
  return cluster !== undefined && lacking(intent, cluster).length === 0
}

/** What `cluster '...'` is followed by. */
export function lackingText(all: readonly Lacking[]): string {
  return all.map(oneText).join('; ')
}

function oneText(one: Lacking): string {
  switch (one.code) {
    case 'region': {
      const asked = one.asked.join(' or ')
      return one.found === null
        ? `no region is known of it, ${asked} is asked for`
        : `it is in ${one.found}, not ${asked}`
    }
    case 'label': {
      const asked = `${one.key}=${one.asked} is asked for`
      return one.found === null
        ? `it has no label ${one.key}, ${asked}`
        : `its label ${one.key} is ${one.found}, ${asked}`
    }
    case 'zones':
      return one.found === null
        ? `not all of its brokers name a rack, so copies are not spread over zones, and minZones: ${one.asked} is asked for`
        : `its brokers stand in ${plural(one.found, 'zone')}, and minZones: ${one.asked} is asked for`
    case 'copies':
      return one.askedBy === 'priority'
        ? `it has ${plural(one.found, 'broker')}, too few for the ${one.asked} copies that priority: critical asks for (to take fewer, say minCopies: ${one.found})`
        : `it has ${plural(one.found, 'broker')}, too few for ${one.asked} copies`
  }
}

/** The cluster that lacks least: then the larger one, then by name. */
export function nearestTo(
  intent: Requirements,
  clusters: readonly ClusterTraits[],
): { readonly name: string; readonly lacks: readonly Lacking[] } | undefined {
  return clusters
    .map(({ name, brokers, ...rest }) => ({ name, brokers, lacks: lacking(intent, { name, brokers, ...rest }) }))
    .toSorted(
      (a, b) => a.lacks.length - b.lacks.length || (b.brokers ?? 0) - (a.brokers ?? 0) || (a.name < b.name ? -1 : 1),
    )[0]
}

/** Why no cluster will do: which comes nearest, what it lacks, and names that may be misspelt. */
export function unmetText(intent: Requirements, clusters: readonly ClusterTraits[]): string {
  const nearest = nearestTo(intent, clusters)
  const text =
    nearest === undefined ? 'none is registered' : `'${nearest.name}' comes nearest: ${lackingText(nearest.lacks)}`
  return `no registered cluster meets the intent; ${text}${misspelt(intent, clusters)}`
}

function misspelt({ regions = [], clusterLabels = {} }: Requirements, clusters: readonly ClusterTraits[]): string {
  const known = [...new Set(clusters.flatMap(({ region }) => region ?? []))]
  const keys = [...new Set(clusters.flatMap(({ labels }) => Object.keys(labels)))]
  const hints = [
    ...regions.flatMap((region) => (known.includes(region) ? [] : [didYouMean(region, known)])),
    ...Object.entries(clusterLabels).flatMap(([key, value]) => {
      if (!keys.includes(key)) return [didYouMean(key, keys)]
      const values = clusters.flatMap(({ labels }) => (Object.hasOwn(labels, key) ? labels[key]! : []))
      return values.includes(value) ? [] : [didYouMean(value, values)]
    }),
  ]
  return hints.find((hint) => hint !== '') ?? ''
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
