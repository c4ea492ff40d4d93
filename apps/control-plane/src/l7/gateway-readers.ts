/** Which configuration of L7 proxies a caller of xDS may read: that of the gateway which it is, and no other. Pure. */
import type { Gateway } from '@ambit/kube';

/** Who called, as its credentials say. */
export interface GatewayReader {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Name of the gateway that the caller's pod says it is; undefined when the pod is not known. */
  readonly gateway: string | undefined;
}

/**
 * `name` begins with `namespace/gateway`. The gateway must be in the caller's namespace and its proxies must run with the
 * caller's service account.
 */
export function mayReadGateway(
  reader: GatewayReader,
  name: string,
  gatewayOf: (key: string) => Gateway | undefined,
): boolean {
  const [namespace = '', gatewayName = ''] = name.split('/', 2);
  if (namespace !== reader.namespace) return false;
  if (reader.gateway !== undefined && reader.gateway !== gatewayName) return false;
  const gateway = gatewayOf(`${namespace}/${gatewayName}`);
  return gateway !== undefined && proxyAccounts(gateway).includes(reader.serviceAccount);
}

/** Service accounts that proxies of a gateway may run with. Spec: control-plane.md section 4.5, naming. */
function proxyAccounts({ metadata, spec }: Gateway): readonly string[] {
  const { annotations, name } = metadata;
  const account = annotations['gateway.istio.io/service-account'] ?? annotations['gateway.istio.io/name-override'];
  return account === undefined ? [name, `${name}-${spec.gatewayClassName}`] : [account];
}
