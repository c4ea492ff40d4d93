import type { Collection } from '@ambit/collections';
import {
  type ApiLog,
  apiKinds,
  type GatewayClass,
  type KubeClient,
  KubeError,
  type PlainObject,
  rawKinds,
} from '@ambit/kube';
import { type Clock, toAmbitError } from '@ambit/runtime';
import { KeyQueue } from '../status/key-queue.ts';
import { objectAt, objectsAt, textAt } from './gateway-object.ts';
import { classOfController, type ManagedClass } from './managed-class.ts';
import { supportedFeatures } from './supported-features.ts';

export interface GatewayClassOptions {
  readonly client: Pick<KubeClient, 'apply' | 'get'>;
  readonly classes: readonly ManagedClass[];
  readonly sources: { readonly GatewayClass: Collection<GatewayClass> };
  readonly log: ApiLog;
  readonly clock: Clock;
}

const fieldManager = 'ambit-gateway-deployment';

/** Creates the classes that are missing, and accepts all that name one of our controllers. */
export async function keepGatewayClasses(options: GatewayClassOptions, signal: AbortSignal): Promise<void> {
  const { client, classes, sources, log, clock } = options;
  const queue = new KeyQueue(clock);
  using _changes = sources.GatewayClass.subscribe((changes) => changes.forEach(({ key }) => queue.add(key)));
  for (const { name } of classes) queue.add(name);
  for (const [key] of sources.GatewayClass.entries()) queue.add(key);
  await queue.run(
    1,
    async (name) => {
      const ref = { kind: apiKinds.GatewayClass, name };
      try {
        const found = await client.get(ref, { signal });
        const known = classes.find((candidate) => candidate.name === name);
        if (found === undefined) {
          if (known === undefined) return 'done';
          const { controllerName, description } = known;
          await client.apply(ref, { spec: { controllerName, description } }, { fieldManager, signal });
          return 'done';
        }
        const managed = classOfController(classes, textAt(objectAt(found, 'spec'), 'controllerName'));
        if (managed === undefined) return 'done';
        const now = new Date(clock.wallTimeMs()).toISOString().replace(/\.\d+Z$/, 'Z');
        const features = managed.role === 'gateway' ? supportedFeatures(await channelOf(client, signal)) : [];
        const status = classStatus(found, features, now);
        if (status === undefined) return 'done';
        const how = { fieldManager: 'ambit-gateway-status', force: true, subresource: 'status', signal } as const;
        try {
          await client.apply(ref, { status }, how);
        } catch (cause) {
          // Older definitions have no list of features.
          if (!(cause instanceof KubeError) || !cause.message.includes('supportedFeatures')) throw cause;
          await client.apply(ref, { status: { conditions: status['conditions'] } }, how);
        }
        return 'done';
      } catch (cause) {
        if (signal.aborted) return 'done';
        // Without the Gateway API there are no classes: looked at again, as its definitions may come later.
        if (cause instanceof KubeError && cause.code === 'NOT_FOUND') return 'retry';
        const { code, message } = toAmbitError(cause);
        log.warn({ gatewayClass: name, code, reason: message }, 'gateway class not kept');
        return 'retry';
      }
    },
    signal,
  );
}

/** Channel of the Gateway API's definitions. */
async function channelOf(client: Pick<KubeClient, 'get'>, signal: AbortSignal): Promise<string> {
  const { group, plural } = apiKinds.HTTPRoute;
  const ref = { kind: rawKinds.CustomResourceDefinition, name: `${plural}.${group}` };
  const annotations = objectAt(objectAt(await client.get(ref, { signal }), 'metadata'), 'annotations');
  return textAt(annotations, 'gateway.networking.k8s.io/channel');
}

/** The fields to apply under `status`; undefined when the class reads so already. */
function classStatus(found: unknown, features: readonly string[], now: string): PlainObject | undefined {
  const generation = objectAt(found, 'metadata')['generation'] ?? 1;
  const status = objectAt(found, 'status');
  const present = objectsAt(status, 'conditions').find(({ type }) => type === 'Accepted');
  const isAccepted = present?.['status'] === 'True';
  const told = objectsAt(status, 'supportedFeatures').map((feature) => textAt(feature, 'name'));
  if (isAccepted && present['observedGeneration'] === generation && told.join() === features.join()) return undefined;
  const accepted = {
    type: 'Accepted',
    status: 'True',
    reason: 'Accepted',
    message: 'Handled by Ambit',
    observedGeneration: generation,
    lastTransitionTime: isAccepted ? (present['lastTransitionTime'] ?? now) : now,
  };
  return {
    conditions: [accepted],
    ...(features.length === 0 ? {} : { supportedFeatures: features.map((name) => ({ name })) }),
  };
}
