/**
 * Who is in a group and where it stands, asked of the brokers without joining it.
 */
import { type Binding, type Epoch, groupIdOf } from '@mq/contract'
import type { GroupPlace, GroupState } from '../api/types.ts'
import type { LogPorts } from '../read/ports.ts'

export async function groupState(
  binding: Binding,
  group: string,
  portsFor: (epoch: Epoch) => LogPorts,
): Promise<GroupState> {
  const groupId = groupIdOf(binding.mqId, group)
  const places: GroupPlace[] = []
  const members = new Map<string, number>()
  for (const epoch of binding.epochs) {
    if (epoch.state === 'lost') continue
    const ports = portsFor(epoch)
    // A group of one name lives on each cluster that an epoch is on.
    if (!members.has(epoch.cluster)) members.set(epoch.cluster, await ports.members(groupId))
    for (const [partition, position] of await ports.positions(groupId, epoch.topic)) {
      places.push({ epoch: epoch.epoch, partition, position })
    }
  }
  return { members: Math.max(0, ...members.values()), places }
}
