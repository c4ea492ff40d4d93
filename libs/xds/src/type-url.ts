/**
 * Type URLs of the resources that data planes ask for: the first two by all of them, the others by L7 proxies.
 * Spec: control-plane.md section 1.6.
 */
export const ADDRESS_TYPE = 'type.googleapis.com/istio.workload.Address';
export const AUTHORIZATION_TYPE = 'type.googleapis.com/istio.security.Authorization';
export const PROXY_TYPE = 'type.googleapis.com/ambit.v1.Proxy';
export const DESTINATION_TYPE = 'type.googleapis.com/ambit.v1.Destination';
export const SERVER_TYPE = 'type.googleapis.com/ambit.v1.Server';
