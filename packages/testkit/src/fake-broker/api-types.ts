/** The messages of a kind of request, as they are read and written. */
import type { Api, Read, Written } from '@mq/kafka/protocol'

export type RequestOfApi<T> = T extends Api<infer Q, infer _A> ? Read<Q> : never
export type ResponseOfApi<T> = T extends Api<infer _Q, infer A> ? Written<A> : never
