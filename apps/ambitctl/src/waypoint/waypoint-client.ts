/** Waypoints of a cluster: read, make, wait for, remove. */
import { apiKinds, type KubeClient, KubeError } from '@ambit/kube';
import { AmbitError, delay } from '@ambit/runtime';
import {
  isWaypoint,
  waypointFacts,
  type WaypointFacts,
  waypointGateway,
  type WaypointWish,
} from './waypoint-gateway.ts';

const fieldManager = 'ambitctl';

/** @param namespace undefined: all namespaces. Rejects with `NO_GATEWAY_API` where its definitions are missing. */
export async function listWaypoints(client: KubeClient, namespace?: string): Promise<readonly WaypointFacts[]> {
  const objects = await orExplain(client.list(apiKinds.Gateway, { namespace }));
  return objects
    .filter(isWaypoint)
    .map(waypointFacts)
    .toSorted((a, b) => `${a.namespace}/${a.name}`.localeCompare(`${b.namespace}/${b.name}`));
}

/** Rejects with `NO_NAMESPACE` or `NO_GATEWAY_API` for what has to be there first. */
export async function applyWaypoint(client: KubeClient, wish: WaypointWish): Promise<void> {
  const { namespace, name } = wish;
  const { metadata, spec } = waypointGateway(wish);
  const ref = { kind: apiKinds.Gateway, namespace, name };
  try {
    await orExplain(client.apply(ref, { metadata, spec }, { fieldManager }));
  } catch (cause) {
    // The API server says the same of a namespace that is not there as of a kind.
    if (!(cause instanceof AmbitError) || cause.code !== 'NO_GATEWAY_API') throw cause;
    if ((await client.get({ kind: apiKinds.Namespace, name: namespace })) !== undefined) throw cause;
    const advice = `type: kubectl create namespace ${namespace}`;
    throw new AmbitError('NO_NAMESPACE', `there is no namespace ${namespace}; ${advice}`, { cause });
  }
}

/** Everything of the namespace that does not say otherwise goes through the waypoint. */
export async function enrolNamespace(client: KubeClient, namespace: string, waypoint: string): Promise<void> {
  const ref = { kind: apiKinds.Namespace, name: namespace };
  if ((await client.get(ref)) === undefined) {
    throw new AmbitError(
      'NO_NAMESPACE',
      `namespace ${namespace} does not exist; kubectl create namespace ${namespace}`,
    );
  }
  await client.patch(ref, { metadata: { labels: { 'istio.io/use-waypoint': waypoint } } });
}

/** Resolves when it is programmed. Rejects with `NOT_READY` and what its status says. */
export async function untilProgrammed(
  client: KubeClient,
  { namespace, name }: Pick<WaypointWish, 'namespace' | 'name'>,
  timeoutMs: number,
): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs);
  for (;;) {
    const facts = waypointFacts(await client.get({ kind: apiKinds.Gateway, namespace, name }));
    if (facts.programmed === 'True') return;
    try {
      await delay(500, { signal });
    } catch (cause) {
      const state = `waypoint ${namespace}/${name} is not programmed after ${timeoutMs / 1000} s`;
      throw new AmbitError('NOT_READY', `${state}: ${facts.reason}: ${facts.message}`, { cause });
    }
  }
}

/** False when there is none of this name. Rejects with `NOT_A_WAYPOINT` for another Gateway. */
export async function deleteWaypoint(client: KubeClient, namespace: string, name: string): Promise<boolean> {
  const ref = { kind: apiKinds.Gateway, namespace, name };
  const found = await orExplain(client.get(ref));
  if (found === undefined) return false;
  if (!isWaypoint(found)) {
    throw new AmbitError(
      'NOT_A_WAYPOINT',
      `Gateway ${namespace}/${name} is no waypoint; kubectl deletes other gateways`,
    );
  }
  await client.delete(ref);
  return true;
}

async function orExplain<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (cause) {
    if (!(cause instanceof KubeError) || cause.code !== 'NOT_FOUND') throw cause;
    const advice = 'type: ambitctl install --gateway-api <source>';
    throw new AmbitError('NO_GATEWAY_API', `the cluster does not know Gateways; ${advice}`, { cause });
  }
}
