import type { Location } from '../location.ts';
import type { ObjectMeta, ResourceBase } from '../object-meta.ts';
import type { ObjectReader } from '../object-reader.ts';
import {
  type GatewayListener,
  type GatewayListenerStatus,
  readListener,
  readListenerStatus,
} from './gateway-listener.ts';
import { readConditionList, type StatusCondition } from './status-condition.ts';

/** Listeners that somebody else than its owner adds to a Gateway. */
export interface ListenerSet extends ResourceBase<'ListenerSet'> {
  readonly spec: {
    readonly parent: {
      readonly group: string;
      readonly kind: string;
      /** Undefined: the set's own. */
      readonly namespace: string | undefined;
      readonly name: string;
    };
    readonly listeners: readonly GatewayListener[];
  };
  readonly status: {
    readonly conditions: readonly StatusCondition[];
    readonly listeners: readonly GatewayListenerStatus[];
  };
}

export function readListenerSet(reader: ObjectReader, metadata: ObjectMeta, origin: Location): ListenerSet {
  const spec = reader.requiredObject('spec', (body) => ({
    parent: body.requiredObject('parentRef', readParent) ?? noParent,
    listeners: body.objects('listeners', readListener),
  }));
  const status = reader.object('status', (body) => ({
    conditions: readConditionList(body),
    listeners: body.objects('listeners', readListenerStatus),
  }));
  return {
    kind: 'ListenerSet',
    metadata,
    origin,
    spec: spec ?? { parent: noParent, listeners: [] },
    status: status ?? { conditions: [], listeners: [] },
  };
}

const noParent: ListenerSet['spec']['parent'] = { group: '', kind: '', namespace: undefined, name: '' };

function readParent(reader: ObjectReader): ListenerSet['spec']['parent'] {
  return {
    group: reader.string('group') ?? 'gateway.networking.k8s.io',
    kind: reader.string('kind') ?? 'Gateway',
    namespace: reader.string('namespace'),
    name: reader.requiredString('name'),
  };
}
