/** Why a change of positions is refused or failed, in words. */
import { type GroupChange, MqError } from '@mq/contract'

export function stays(group: string, who: readonly string[], foreign: boolean): MqError {
  const named = `${who.slice(0, 5).join(', ')}${who.length > 5 ? `, and ${who.length - 5} more` : ''}`
  const why = foreign ? 'is not of mQ and has members' : 'has members of a version that cannot leave by itself'
  return new MqError(
    'MQ_GROUP_IN_USE',
    `group '${group}' ${why}: ${named}. Stop them, ask again, and start them after it`,
    {
      details: { group, members: who.slice(0, 100) },
    },
  )
}

export function late({ group, members }: GroupChange): MqError {
  const named = members.map(({ clientId, host }) => `${clientId}@${host}`)
  const who = named.length === 0 ? '' : `: ${named.slice(0, 5).join(', ')}`
  return new MqError(
    'MQ_GROUP_IN_USE',
    `${members.length === 0 ? 'not all members' : members.length === 1 ? '1 member' : `${members.length} members`} of group '${group}' did not leave in time${who}; nothing was changed. Stop them, ask again, and start them after it`,
    { details: { group, members: named.slice(0, 100) } },
  )
}

export function retired({ mqId }: GroupChange, epoch: number): MqError {
  return new MqError(
    'MQ_GROUP_CHANGE_REFUSED',
    `epoch ${epoch} of '${mqId}' was retired meanwhile; nothing was changed. Ask again`,
  )
}
