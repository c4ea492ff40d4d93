/**
 * Keeps the proxies of managed Gateways as they should be: objects by server-side apply, then the Gateway's status. Works by
 * level: whatever changes about a Gateway, all of it is read and applied anew. Run it on the leader.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Change, Collection, SourceCollection } from '@ambit/collections';
import {
  type ApiLog,
  apiKinds,
  type EndpointSlice,
  type Gateway,
  type GatewayClass,
  type KubeClient,
  type ListenerSet,
  type Namespace,
  type ObjectRef,
  type Service,
} from '@ambit/kube';
import { type Clock, toAmbitError } from '@ambit/runtime';
import type { DeploymentProblem } from '../derive/mesh-sources.ts';
import { KeyQueue } from '../status/key-queue.ts';
import { managedLabel, planDeployment, type PlannedObject } from './deployment-plan.ts';
import type { DeploymentSettings } from './deployment-settings.ts';
import { serviceAddresses } from './gateway-addresses.ts';
import { type GatewayObject, objectAt, readGatewayObject } from './gateway-object.ts';
import { overlaysOf } from './gateway-parameters.ts';
import { gatewayServiceFacts } from './gateway-service.ts';
import { waypointStatus } from './gateway-status.ts';
import { gatewayOfSet } from '../l7/listener-owner.ts';
import { listenersOfSets } from './set-listeners.ts';
import { generatedKinds } from './generated-kinds.ts';
import { classOfController, type ManagedClass } from './managed-class.ts';

export interface GatewayControllerOptions {
  readonly client: Pick<KubeClient, 'apply' | 'get' | 'delete' | 'list'>;
  readonly classes: readonly ManagedClass[];
  readonly settings: DeploymentSettings;
  readonly systemNamespace: string;
  readonly sources: {
    readonly Gateway: Collection<Gateway>;
    readonly GatewayClass: Collection<GatewayClass>;
    readonly Service: Collection<Service>;
    readonly EndpointSlice: Collection<EndpointSlice>;
    readonly ListenerSet: Collection<ListenerSet>;
    readonly Namespace: Collection<Namespace>;
    /** Gets what is wrong with gateways for everybody. */
    readonly deploymentProblems: SourceCollection<DeploymentProblem>;
  };
  readonly log: ApiLog;
  readonly clock: Clock;
}

const WORKERS = 2;
const fieldManager = 'ambit-gateway-deployment';
const gatewayNameLabel = 'gateway.networking.k8s.io/gateway-name';
/** ConfigMaps of users are not watched: what they lay over is read again this often. */
const refreshMs = 30_000;

/** One term of leadership. */
interface Term {
  readonly options: GatewayControllerOptions;
  readonly signal: AbortSignal;
}

/** Works until `signal` is aborted. Failures are tried again; it does not reject. */
export async function runGatewayController(options: GatewayControllerOptions, signal: AbortSignal): Promise<void> {
  const { sources, clock } = options;
  const queue = new KeyQueue(clock);
  const addAll = (): void => {
    for (const [key] of sources.Gateway.entries()) queue.add(key);
  };
  using stack = new DisposableStack();
  stack.use(sources.Gateway.subscribe((changes) => changes.forEach(({ key }) => queue.add(key))));
  stack.use(sources.GatewayClass.subscribe(addAll));
  stack.use(
    sources.ListenerSet.subscribe((changes) => {
      for (const change of changes) {
        const key = gatewayOfSet(change.kind === 'delete' ? change.previous : change.item);
        if (key !== undefined) queue.add(key);
      }
    }),
  );
  for (const labelled of [sources.Service, sources.EndpointSlice]) {
    stack.use(
      labelled.subscribe((changes: readonly Change<Service | EndpointSlice>[]) => {
        for (const change of changes) {
          const { namespace, labels } = (change.kind === 'delete' ? change.previous : change.item).metadata;
          const gateway = labels[gatewayNameLabel];
          if (gateway !== undefined) queue.add(`${namespace}/${gateway}`);
        }
      }),
    );
  }
  let timer = clock.after(refreshMs, refresh);
  function refresh(): void {
    addAll();
    timer = clock.after(refreshMs, refresh);
  }
  stack.defer(() => timer[Symbol.dispose]());
  addAll();
  await queue.run(WORKERS, (key) => reconcile(key, { options, signal }), signal);
}

async function reconcile(key: string, term: Term): Promise<'done' | 'retry'> {
  const { options, signal } = term;
  const known = options.sources.Gateway.get(key);
  if (known === undefined) {
    options.sources.deploymentProblems.delete(key);
    return 'done';
  }
  const gatewayClass = options.sources.GatewayClass.get(known.spec.gatewayClassName);
  const managed = classOfController(options.classes, gatewayClass?.spec.controllerName);
  if (managed === undefined) return 'done';
  try {
    const { namespace, name } = known.metadata;
    const gateway = readGatewayObject(await options.client.get(gatewayRef(namespace, name), { signal }));
    if (gateway.uid === '' || gateway.isDeleted) return 'done';
    const ofSets = managed.role === 'gateway' ? listenersOfSets(known, options.sources) : [];
    await keep({ ...gateway, listeners: [...gateway.listeners, ...ofSets] }, managed, term);
    return 'done';
  } catch (cause) {
    if (signal.aborted) return 'done';
    const { code, message } = toAmbitError(cause);
    options.log.warn({ gateway: key, code, reason: message }, 'gateway not deployed');
    return 'retry';
  }
}

function gatewayRef(namespace: string, name: string): ObjectRef {
  return { kind: apiKinds.Gateway, namespace, name };
}

async function keep(gateway: GatewayObject, managed: ManagedClass, term: Term): Promise<void> {
  const { client, settings, sources, clock, log } = term.options;
  const overlays = await overlaysOf(gateway, term.options, term.signal);
  const isUnmanaged = gateway.wantedAddresses.some(({ type, value }) => type === 'Hostname' && value !== '');
  const planned =
    isUnmanaged || typeof overlays === 'string' ? [] : planDeployment({ gateway, managed, settings, overlays });
  const taken = await foreignObjects(gateway, planned, term);
  if (taken.length === 0) {
    for (const item of planned) await applyOne(gateway.namespace, item, term);
    if (planned.length > 0) await removeUnwanted(gateway, planned, term);
  }
  const service = planned.find(({ key }) => key === 'service')?.name ?? wantedService(gateway);
  if (managed.role === 'gateway') {
    tellProblem(gateway, typeof overlays === 'string' ? overlays : undefined, taken, term);
    return writeAddresses(gateway, service, term);
  }
  const facts = gatewayServiceFacts(
    sources.Service.get(`${gateway.namespace}/${service}`),
    sources.EndpointSlice.values(),
    settings.clusterDomain,
  );
  const now = new Date(clock.wallTimeMs()).toISOString().replace(/\.\d+Z$/, 'Z');
  const parameterProblem = typeof overlays === 'string' ? overlays : undefined;
  const status = waypointStatus({ gateway, service: facts, parameterProblem, taken, now });
  if (status === undefined) return;
  const how = {
    fieldManager: 'ambit-gateway-status',
    force: true,
    subresource: 'status',
    signal: term.signal,
  } as const;
  await client.apply(gatewayRef(gateway.namespace, gateway.name), { status }, how);
  log.debug({ gateway: `${gateway.namespace}/${gateway.name}` }, 'gateway status written');
}

/** The conditions of a gateway for everybody come with the routes that it serves; what is wrong here goes there. */
function tellProblem(
  { namespace, name }: GatewayObject,
  parameterProblem: string | undefined,
  taken: readonly string[],
  { options: { sources } }: Term,
): void {
  const gateway = `${namespace}/${name}`;
  const message = `${taken.join(', ')} exists and belongs to somebody else; rename the Gateway or remove it`;
  if (parameterProblem !== undefined) {
    sources.deploymentProblems.set({ gateway, reason: 'InvalidParameters', message: parameterProblem });
  } else if (taken.length > 0) sources.deploymentProblems.set({ gateway, reason: 'Invalid', message });
  else sources.deploymentProblems.delete(gateway);
}

/** Of a gateway for everybody only the addresses are written here: its conditions come with the routes that it serves. */
async function writeAddresses(gateway: GatewayObject, service: string, { options, signal }: Term): Promise<void> {
  const { client, settings } = options;
  const { namespace, name } = gateway;
  const found = await client.get({ kind: generatedKinds.service, namespace, name: service }, { signal });
  const addresses = serviceAddresses(found, settings.clusterDomain);
  const asked = gateway.wantedAddresses.some(({ type, value }) => type === 'IPAddress' && value !== '');
  // Once written they stay, but one that the user asks to replace is not kept.
  if (addresses.length === 0 && !asked) return;
  if (isDeepStrictEqual(addresses, gateway.status.addresses)) return;
  const how = { fieldManager: 'ambit-gateway-addresses', force: true, subresource: 'status', signal } as const;
  await client.apply(gatewayRef(namespace, name), { status: { addresses } }, how);
}

/** A Service that the user names instead of a generated one; names of other namespaces are not followed. */
function wantedService({ wantedAddresses }: GatewayObject): string {
  return wantedAddresses.find(({ type, value }) => type === 'Hostname' && value !== '')?.value.split('.')[0] ?? '';
}

/** Generated objects whose name somebody else has: nothing of theirs is changed. */
async function foreignObjects(
  gateway: GatewayObject,
  planned: readonly PlannedObject[],
  { options, signal }: Term,
): Promise<readonly string[]> {
  const taken: string[] = [];
  const isOwnAccount = 'gateway.istio.io/service-account' in gateway.annotations;
  for (const { key, name } of planned) {
    const kind = generatedKinds[key];
    const found = await options.client.get({ kind, namespace: gateway.namespace, name }, { signal });
    if (found === undefined || managedLabel in objectAt(objectAt(found, 'metadata'), 'labels')) continue;
    if (key !== 'serviceAccount' || !isOwnAccount) taken.push(`${kind.kind} ${name}`);
  }
  return taken;
}

async function applyOne(namespace: string, { key, name, object }: PlannedObject, term: Term): Promise<void> {
  const { client } = term.options;
  const ref = { kind: generatedKinds[key], namespace, name };
  // An account that the user named is the user's.
  if (key === 'serviceAccount') {
    const found = await client.get(ref, { signal: term.signal });
    if (found !== undefined && !(managedLabel in objectAt(objectAt(found, 'metadata'), 'labels'))) return;
  }
  await client.apply(ref, object, { fieldManager, force: true, signal: term.signal });
}

/** Autoscalers and budgets whose overlay is gone. */
async function removeUnwanted(
  gateway: GatewayObject,
  planned: readonly PlannedObject[],
  { options, signal }: Term,
): Promise<void> {
  const name = planned.find(({ key }) => key === 'deployment')?.name ?? gateway.name;
  for (const key of ['horizontalPodAutoscaler', 'podDisruptionBudget'] as const) {
    if (planned.some((item) => item.key === key)) continue;
    const ref = { kind: generatedKinds[key], namespace: gateway.namespace, name };
    const found = await options.client.get(ref, { signal });
    if (found === undefined || !(managedLabel in objectAt(objectAt(found, 'metadata'), 'labels'))) continue;
    await options.client.delete(ref, { signal });
  }
}
