import type { Collection } from '@ambit/collections';
import { type ApiLog, apiKinds, type GatewayClass, type KubeClient, KubeError } from '@ambit/kube';
import { type Clock, toAmbitError } from '@ambit/runtime';
import { KeyQueue } from '../status/key-queue.ts';
import { objectAt, objectsAt, textAt } from './gateway-object.ts';
import { classOfController, type ManagedClass } from './managed-class.ts';

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
        if (classOfController(classes, textAt(objectAt(found, 'spec'), 'controllerName')) === undefined) return 'done';
        const accepted = acceptedClass(found, new Date(clock.wallTimeMs()).toISOString().replace(/\.\d+Z$/, 'Z'));
        if (accepted === undefined) return 'done';
        const how = { fieldManager: 'ambit-gateway-status', force: true, subresource: 'status', signal } as const;
        await client.apply(ref, { status: { conditions: [accepted] } }, how);
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

function acceptedClass(found: unknown, now: string): Readonly<Record<string, unknown>> | undefined {
  const generation = objectAt(found, 'metadata')['generation'] ?? 1;
  const present = objectsAt(objectAt(found, 'status'), 'conditions').find(({ type }) => type === 'Accepted');
  if (present?.['status'] === 'True' && present['observedGeneration'] === generation) return undefined;
  return {
    type: 'Accepted',
    status: 'True',
    reason: 'Accepted',
    message: 'Handled by Ambit',
    observedGeneration: generation,
    lastTransitionTime: now,
  };
}
