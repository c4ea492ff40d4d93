/** ConfigMaps that change what is generated for a gateway. Spec: control-plane.md section 4.5, customisation. */
import { type KubeClient, rawKinds } from '@ambit/kube';
import { type GatewayObject, objectAt, textAt } from './gateway-object.ts';
import { type Overlays, readOverlays } from './gateway-overlays.ts';

/** On ConfigMaps of the system namespace: the class that they are for. */
const defaultsLabel = 'gateway.istio.io/defaults-for-class';

/** What is laid over, in order; a sentence when it cannot be used. */
export async function overlaysOf(
  gateway: GatewayObject,
  { client, systemNamespace }: { readonly client: Pick<KubeClient, 'get' | 'list'>; readonly systemNamespace: string },
  signal: AbortSignal,
): Promise<readonly Overlays[] | string> {
  const labelSelector = `${defaultsLabel}=${gateway.className}`;
  const defaultMaps = await client.list(rawKinds.ConfigMap, {
    namespace: systemNamespace,
    labelSelector,
    signal,
  });
  const [oldest] = defaultMaps.toSorted((a, b) => age(a).localeCompare(age(b)));
  const defaults =
    oldest === undefined ? {} : readOverlays(`${systemNamespace}/${nameOf(oldest)}`, objectAt(oldest, 'data'));
  if (typeof defaults === 'string') return defaults;
  const reference = gateway.infrastructure?.parameters;
  if (reference === undefined) return [defaults];
  const { group, kind, name } = reference;
  if (group !== '' || kind !== 'ConfigMap') return `parametersRef must be a ConfigMap, not ${kind} of group "${group}"`;
  const own = await client.get({ kind: rawKinds.ConfigMap, namespace: gateway.namespace, name }, { signal });
  if (own === undefined) return `ConfigMap ${name} does not exist in namespace ${gateway.namespace}`;
  const overlays = readOverlays(name, objectAt(own, 'data'));
  return typeof overlays === 'string' ? overlays : [defaults, overlays];
}

const nameOf = (object: unknown): string => textAt(objectAt(object, 'metadata'), 'name');
const age = (object: unknown): string => textAt(objectAt(object, 'metadata'), 'creationTimestamp');
