/**
 * Type URLs of the resources that data planes ask for: the first two by all of them, the others by L7 proxies.
 * Spec: control-plane.md section 1.6.
 */
export const ADDRESS_TYPE = 'type.googleapis.com/istio.workload.Address';
/** L4 policies. */
export const AUTHORIZATION_TYPE = 'type.googleapis.com/istio.security.Authorization';
/** What a waypoint or gateway is, and which of the next two it needs. */
export const PROXY_TYPE = 'type.googleapis.com/ambit.v1.Proxy';
/** A service with its routes, policies and rules of traffic. */
export const DESTINATION_TYPE = 'type.googleapis.com/ambit.v1.Destination';
/** Listeners of a gateway. */
export const SERVER_TYPE = 'type.googleapis.com/ambit.v1.Server';
