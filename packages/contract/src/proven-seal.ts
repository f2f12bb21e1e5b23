/**
 * What a client concludes from a seal that it has proven itself, while no newer binding tells it what came of the migration.
 *
 * V1. Only the binding names what may be opened: the epoch that says `opensWhenSealed`, directly behind one that is `open` or `sealing`.
 * V2. With the proof the binding reads as the control plane will publish it: the old epoch `sealed` with the same ends, the new one
 *     `open`. A topic that is sealed stays so, and its ends are final, so whoever proves it later finds the same.
 * V3. A proof holds for later bindings, too, as long as they name both epochs on the very same topics and do not say more themselves. One
 *     that knows the end of the old epoch, or does not have the new one any more, stands above every proof.
 * V4. The new epoch keeps `opensWhenSealed` while it is open by proof alone: so a binding that was kept on disk says what it rests on.
 */
import type { Binding, Epoch } from './binding.ts'

/** Clusters from before topics had ids tell this one, or none. */
const NO_ID = '00000000-0000-0000-0000-000000000000'

export interface ProvenSeal {
  readonly mqId: string
  readonly incarnation: number
  readonly from: Place
  readonly to: Place
  /** Final end of every partition that the old topic has, those that somebody added last. */
  readonly ends: readonly string[]
}

type Place = Pick<Epoch, 'epoch' | 'cluster' | 'topic' | 'topicId' | 'partitions'>

export interface Succession {
  readonly from: Epoch
  readonly to: Epoch
}

/** The epochs of a binding that change hands when the first of them is proven sealed (V1). */
export function successionOf({ deleted, epochs }: Binding): Succession | undefined {
  const at = epochs.findIndex(({ state, opensWhenSealed }) => state === 'preparing' && opensWhenSealed === true)
  const from = epochs[at - 1]
  const to = epochs[at]
  if (deleted || from === undefined || to === undefined) return undefined
  return from.state === 'open' || from.state === 'sealing' ? { from, to } : undefined
}

export function provenSeal(binding: Binding, { from, to }: Succession, ends: readonly bigint[]): ProvenSeal {
  const { mqId, incarnation } = binding
  return { mqId, incarnation, from: placeOf(from), to: placeOf(to), ends: ends.map(String) }
}

/** Whether a proof says something of a binding that the binding does not say itself (V3). */
export function holdsFor(proof: ProvenSeal, binding: Binding): boolean {
  const succession = successionOf(binding)
  if (succession === undefined || binding.mqId !== proof.mqId) return false
  const isLife = binding.incarnation === proof.incarnation
  return isSame(proof.from, succession.from, isLife) && isSame(proof.to, succession.to, isLife)
}

/** The binding as it is with a proof (V2). */
export function withProvenSeal(binding: Binding, proof: ProvenSeal | undefined): Binding {
  if (proof === undefined || !holdsFor(proof, binding)) return binding
  return {
    ...binding,
    epochs: binding.epochs.map((epoch) => {
      if (epoch.epoch === proof.to.epoch) return { ...epoch, state: 'open' }
      if (epoch.epoch !== proof.from.epoch) return epoch
      const added = proof.ends.slice(epoch.partitions)
      return {
        ...epoch,
        state: 'sealed',
        endOffsets: proof.ends.slice(0, epoch.partitions),
        ...(added.length === 0 ? {} : { addedEndOffsets: added }),
      }
    }),
  }
}

/** The proof that a binding from the disk rests on, if it does on one (V4). */
export function proofWithin({ mqId, incarnation, epochs }: Binding): ProvenSeal | undefined {
  const at = epochs.findIndex(({ state, opensWhenSealed }) => state === 'open' && opensWhenSealed === true)
  const from = epochs[at - 1]
  const to = epochs[at]
  if (to === undefined || from?.state !== 'sealed' || from.endOffsets === null) return undefined
  return {
    mqId,
    incarnation,
    from: placeOf(from),
    to: placeOf(to),
    ends: [...from.endOffsets, ...(from.addedEndOffsets ?? [])],
  }
}

function placeOf({ epoch, cluster, topic, topicId, partitions }: Epoch): Place {
  return { epoch, cluster, topic, partitions, ...(topicId === undefined ? {} : { topicId }) }
}

/** Numbers and names may come again in another life of the store; the id of a topic does not. */
function isSame(proven: Place, now: Epoch, isLife: boolean): boolean {
  if (proven.epoch !== now.epoch || proven.cluster !== now.cluster || proven.topic !== now.topic) return false
  if (proven.partitions !== now.partitions) return false
  const [before, after] = [idOf(proven), idOf(now)]
  return before === undefined || after === undefined ? isLife : before === after
}

const idOf = ({ topicId }: Place): string | undefined =>
  topicId === undefined || topicId === null || topicId === '' || topicId === NO_ID ? undefined : topicId
