/** The client of the control plane's HTTP API. */
export {
  type Answer,
  ApiClient,
  type ApiClientOptions,
  type CallOptions,
  type Fetch,
  type RawAnswer,
  type WholeList,
} from './api-client.ts'
export { pathOf, type RouteRequest } from './route-request.ts'
