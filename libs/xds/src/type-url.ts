/**
 * Type URLs of the resources a ztunnel asks for.
 * Spec: control-plane.md section 1.6.
 */
export const ADDRESS_TYPE = 'type.googleapis.com/istio.workload.Address';
export const AUTHORIZATION_TYPE = 'type.googleapis.com/istio.security.Authorization';
