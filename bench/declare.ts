/** Declares an mQ ID as a person would, over the HTTP API. */
export async function declare(url: string, id: string, intent: object): Promise<void> {
  const answer = await fetch(new URL(`/v1/ids/${id}`, url), {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ intent }),
  })
  if (!answer.ok) throw new Error(`PUT ${id}: ${answer.status} ${await answer.text()}`)
}
