/**
 * Carries out status writes: server-side apply, one field manager for each concern. The derivation says what still
 * differs; nothing is written for what reads as wanted. Run it on the leader.
 */
import type { Collection } from '@ambit/collections';
import { apiKinds, type ApiLog, KubeError, type KubeClient } from '@ambit/kube';
import { type Clock, toAmbitError } from '@ambit/runtime';
import { type DesiredCondition, ownConditionTypes, type StatusWrite } from '../derive/status-write.ts';
import { ConditionLists } from './condition-lists.ts';
import { GivenAddresses } from './given-addresses.ts';
import { KeyQueue } from './key-queue.ts';
import { WritePace } from './write-pace.ts';

export interface StatusWriterOptions {
  readonly client: Pick<KubeClient, 'apply' | 'get'>;
  /** What still differs, by `statusWriteKey`. */
  readonly statuses: Collection<StatusWrite>;
  readonly log: ApiLog;
  readonly clock: Clock;
}

/** Writes under way at once; the API server is shared. */
const WORKERS = 4;

type Fields = Readonly<Record<string, unknown>>;

/** State of one term of leadership. */
interface Term {
  readonly options: StatusWriterOptions;
  readonly lists: ConditionLists;
  readonly given: GivenAddresses;
  readonly signal: AbortSignal;
}

/** Writes until `signal` is aborted. Failed writes are tried again; it does not reject. */
export async function writeStatuses(options: StatusWriterOptions, signal: AbortSignal): Promise<void> {
  const { client, statuses, clock } = options;
  const queue = new KeyQueue(clock);
  using _changes = statuses.subscribe((changes) => {
    for (const change of changes) if (change.kind !== 'delete') queue.add(change.key);
  });
  for (const [key] of statuses.entries()) queue.add(key);
  const term: Term = { options, lists: new ConditionLists(client), given: new GivenAddresses(), signal };
  const pace = new WritePace(clock);
  const work = async (key: string): Promise<'done' | 'retry'> => {
    await pace.turn(signal);
    return signal.aborted ? 'done' : writeOne(key, term);
  };
  await queue.run(WORKERS, work, signal);
}

async function writeOne(key: string, term: Term): Promise<'done' | 'retry'> {
  const { client, statuses, log } = term.options;
  const write = statuses.get(key);
  if (write === undefined) return 'done';
  const { kind, namespace, name, fieldManager } = write;
  // Not yet seen that another entry has it: the derivation gives another one when it does.
  if (write.addresses !== undefined && !term.given.take(`${namespace}/${name}`, write.addresses)) return 'retry';
  try {
    const object = await objectOf(write, term);
    const how = { fieldManager, force: true, subresource: 'status', signal: term.signal } as const;
    await client.apply({ kind: apiKinds[kind], namespace, name }, object, how);
    log.debug({ object: key }, 'status written');
    return 'done';
  } catch (cause) {
    if (term.signal.aborted || (cause instanceof KubeError && cause.code === 'NOT_FOUND')) return 'done';
    const { code, message } = toAmbitError(cause);
    log.warn({ object: key, code, reason: message }, 'status not written');
    return 'retry';
  }
}

/** The fields to apply. */
async function objectOf(write: StatusWrite, { options, lists, signal }: Term): Promise<Fields> {
  const { kind, namespace, name, addresses, conditions, parents, listeners } = write;
  if (addresses !== undefined) return { status: { addresses } };
  const now = new Date(options.clock.wallTimeMs()).toISOString().replace(/\.\d+Z$/, 'Z');
  const timed = (list: readonly DesiredCondition[]): readonly DesiredCondition[] =>
    list.map((condition) => ({ ...condition, lastTransitionTime: condition.lastTransitionTime ?? now }));
  if (parents !== undefined) {
    const live = await options.client.get({ kind: apiKinds[kind], namespace, name }, { signal });
    // Policies have the same list in other words.
    const [list, reference] = kind === 'BackendTLSPolicy' ? ['ancestors', 'ancestorRef'] : ['parents', 'parentRef'];
    const present = fieldOf(fieldOf(live, 'status'), list);
    const foreign = Array.isArray(present) ? present.filter((entry) => !isOwnParent(entry, write)) : [];
    const resourceVersion = fieldOf(fieldOf(live, 'metadata'), 'resourceVersion');
    const own = parents.map(({ parentRef, controllerName, conditions: told }) => ({
      [reference]: parentRef,
      controllerName,
      conditions: timed(told),
    }));
    return { metadata: { resourceVersion }, status: { [list]: [...foreign, ...own] } };
  }
  const own = timed(conditions ?? []);
  if (listeners !== undefined) {
    const timedListeners = listeners.map((listener) => ({ ...listener, conditions: timed(listener.conditions) }));
    return {
      status: {
        conditions: own,
        listeners: timedListeners,
        ...(write.attachedListenerSets === undefined ? {} : { attachedListenerSets: write.attachedListenerSets }),
      },
    };
  }
  if (await lists.mergeByType(kind, signal)) return { status: { conditions: own } };
  // The list is replaced as a whole: the conditions of others are sent along, for exactly the version they are from.
  const live = await options.client.get({ kind: apiKinds[kind], namespace, name }, { signal });
  const present = fieldOf(fieldOf(live, 'status'), 'conditions');
  const foreign = Array.isArray(present) ? present.filter((entry) => !isOwn(fieldOf(entry, 'type'))) : [];
  const resourceVersion = fieldOf(fieldOf(live, 'metadata'), 'resourceVersion');
  return { metadata: { resourceVersion }, status: { conditions: [...foreign, ...own] } };
}

/** Parents are one list in which each controller has entries; the API server replaces it as a whole. */
function isOwnParent(entry: unknown, { ownControllers = [] }: StatusWrite): boolean {
  const controllerName = fieldOf(entry, 'controllerName');
  return typeof controllerName === 'string' && ownControllers.includes(controllerName);
}

function isOwn(type: unknown): boolean {
  return typeof type === 'string' && ownConditionTypes.has(type);
}

function fieldOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null
    ? new Map<string, unknown>(Object.entries(value)).get(key)
    : undefined;
}
