import { type Gateway, isPlainObject } from '@ambit/kube';
import { parse } from 'yaml';
import type { MeshSettings } from '../mesh-settings.ts';

/** More proxies than anybody has in a row. */
const most = 32;

/**
 * How many proxies in front of a gateway are believed about who the client is: what its annotation `proxy.istio.io/config` says, else
 * the mesh. What cannot be read is nobody. Istio: ProxyConfig gatewayTopology.
 */
export function trustedProxiesOf({ metadata, spec }: Gateway, settings: MeshSettings): number {
  const text = (spec.podAnnotations ?? metadata.annotations)['proxy.istio.io/config'];
  if (text === undefined) return settings.trustedProxies;
  const topology = fieldOf(parsed(text), 'gatewayTopology');
  const count = fieldOf(topology, 'numTrustedProxies') ?? settings.trustedProxies;
  return typeof count === 'number' && Number.isInteger(count) && count >= 0 && count <= most ? count : 0;
}

function parsed(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

function fieldOf(value: unknown, name: string): unknown {
  return isPlainObject(value) ? value[name] : undefined;
}
