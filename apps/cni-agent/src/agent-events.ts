/** What the agent tells of pods on their way: log lines, and events on the bus. */
import type { EventBus } from '@ambit/events';
import type { Pod } from '@ambit/kube';
import type { Clock } from '@ambit/runtime';
import type { Logger } from '@ambit/telemetry';
import type { EnrolmentEvent } from './enrolment/enrolment-ports.ts';
import type { Verdict } from './proof/judge-proof.ts';

/** A failure that repeats is told again only after this time. */
const REPEAT_MS = 10_000;

/** Log lines of pods on their way; attempts that go on failing alike are not told one by one. */
export class EnrolmentLog {
  readonly #log: Logger;
  readonly #clock: Clock;
  /** By pod uid; gone with the next step forward. */
  readonly #failures = new Map<string, { readonly message: string; readonly atMs: number }>();

  constructor(log: Logger, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  write(event: EnrolmentEvent): void {
    const uid = event.pod.metadata.uid ?? '';
    if (event.kind === 'failed') {
      const last = this.#failures.get(uid);
      const nowMs = this.#clock.nowMs();
      if (last?.message === event.error.message && nowMs - last.atMs < REPEAT_MS) return;
      this.#failures.set(uid, { message: event.error.message, atMs: nowMs });
    } else {
      this.#failures.delete(uid);
    }
    logEvent(this.#log, event);
  }
}

function logEvent(log: Logger, event: EnrolmentEvent): void {
  const pod = nameOf(event.pod);
  switch (event.kind) {
    case 'enrolled':
      return log.info({ pod }, 'pod is in the mesh');
    case 'releasing':
      return log.info({ pod }, 'pod leaves the mesh; open connections go on');
    case 'released':
      return log.info({ pod }, 'pod is out of the mesh');
    case 'forgotten':
      return log.info({ pod }, 'pod is gone');
    case 'repaired':
      return log.warn({ pod }, 'rules of a pod were altered and have been put back');
    case 'grace-ended':
      return log.warn({ pod, carried: event.carried }, 'connections of a pod that left the mesh are cut');
    case 'failed':
      return log.warn({ pod, error: event.error.message, retryMs: event.retryMs }, 'pod is not yet where it belongs');
  }
}

export function logVerdict(log: Logger, pod: Pod, verdict: Verdict): void {
  if (verdict.kind === 'enforced') log.info({ pod: nameOf(pod) }, 'pod is proven to be enforced');
  else
    log.warn(
      { pod: nameOf(pod), reason: verdict.reason, isExposed: verdict.isExposed, detail: verdict.message },
      'pod is not enforced',
    );
}

const PUBLISHED: Readonly<Record<EnrolmentEvent['kind'], 'enrolled' | 'removed' | 'broken' | 'repaired' | undefined>> =
  {
    enrolled: 'enrolled',
    releasing: undefined,
    released: 'removed',
    forgotten: 'removed',
    repaired: 'repaired',
    'grace-ended': undefined,
    failed: 'broken',
  };

export function publishEvent(bus: EventBus, node: string, event: EnrolmentEvent): void {
  const state = PUBLISHED[event.kind];
  if (state === undefined) return;
  const { namespace, name, uid = '' } = event.pod.metadata;
  bus.publish('enrolment.changed', {
    node,
    podUid: uid,
    namespace,
    name,
    state,
    reason: event.kind === 'failed' ? event.error.message : '',
  });
}

function nameOf({ metadata }: Pod): string {
  return `${metadata.namespace}/${metadata.name}`;
}
