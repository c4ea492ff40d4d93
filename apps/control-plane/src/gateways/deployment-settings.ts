import { isPlainObject } from '@ambit/kube';

/** What the proxies of gateways are deployed with. */
export interface DeploymentSettings {
  /** Image of apps/waypoint. */
  readonly image: string;
  readonly pullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  readonly pullSecrets: readonly string[];
  /** `https://host:port` of this control plane and of the CA, as pods reach them. */
  readonly xdsAddress: string;
  readonly caAddress: string;
  readonly clusterId: string;
  readonly clusterDomain: string;
  readonly trustDomain: string;
  /** Empty: the one without a name. */
  readonly network: string;
  readonly logLevel: string;
  /** Kubernetes resources of the container. Spec: control-plane.md section 4.5. */
  readonly resources: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export const defaultProxyResources: DeploymentSettings['resources'] = {
  requests: { cpu: '100m', memory: '128Mi' },
  limits: { cpu: '2', memory: '1Gi' },
};

/** Parses a container's `resources`. Throws when it is no object of requests and limits whose values are text. */
export function parseResources(text: string): DeploymentSettings['resources'] {
  const value: unknown = JSON.parse(text);
  if (!isPlainObject(value)) throw new Error('expected an object with requests and limits');
  const lists = Object.entries(value).map(([list, quantities]) => {
    if (list !== 'requests' && list !== 'limits') throw new Error(`${list} is neither requests nor limits`);
    if (!isPlainObject(quantities)) throw new Error(`${list} must be an object, as {"cpu":"100m"}`);
    const entries = Object.entries(quantities).map(([name, quantity]) => {
      if (typeof quantity !== 'string') throw new Error(`${list}.${name} must be text, as "128Mi"`);
      return [name, quantity] as const;
    });
    return [list, Object.fromEntries(entries)] as const;
  });
  return Object.fromEntries(lists);
}
