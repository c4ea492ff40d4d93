/**
 * The whole admin dump, written piece by piece: with 100,000 workloads it is tens of megabytes, and a control thread
 * that builds it in one go would miss its PINGs. Keys are in alphabetical order, as Istio's ztunnel prints them.
 */
import type { security } from '@ambit/api';
import type { CertificateStatus } from '@ambit/identity';
import type { Service, Workload, WorkloadView } from '@ambit/workload';
import type { PodConnections } from '../../worker-protocol.ts';
import type { PodInfo } from '../zds/zds-message.ts';
import { dumpCertificates } from './dump-certificate.ts';
import { dumpPolicy } from './dump-policy.ts';
import type { Json } from './dump-workload.ts';
import { dumpService, dumpWorkload } from './dump-workload.ts';

export interface PodDump {
  readonly uid: string;
  readonly info: PodInfo;
  readonly state: 'up' | 'pending';
}

/** Where the dump takes its parts from; each is read when its turn comes. */
export interface DumpSources {
  readonly certificates: () => readonly CertificateStatus[];
  readonly config: () => Json;
  readonly policies: () => Iterable<security.Authorization>;
  readonly services: () => Iterable<Service>;
  readonly stagedServices: () => Iterable<string>;
  readonly workloads: () => Iterable<Workload>;
  readonly view: WorkloadView;
  readonly version: () => Json;
  /** Undefined in dedicated mode, where the dump has no `workloadState`. */
  readonly pods: (() => readonly PodDump[]) | undefined;
  readonly connections: () => Promise<Readonly<Record<string, PodConnections>>>;
}

/** Text chunks of the JSON document, indented by two. */
export async function* configDump(sources: DumpSources): AsyncGenerator<string> {
  yield `{\n  "certificates": ${pretty(dumpCertificates(sources.certificates()))}`;
  yield `,\n  "config": ${pretty(sources.config())}`;
  yield* list('policies', sources.policies(), dumpPolicy);
  yield* list('services', sources.services(), (service) => dumpService(service, sources.view));
  yield `,\n  "stagedServices": ${pretty(Object.fromEntries([...sources.stagedServices()].map((name) => [name, {}])))}`;
  yield ',\n  "staticConfig": {\n    "policies": [],\n    "services": [],\n    "workloads": []\n  }';
  yield `,\n  "version": ${pretty(sources.version())}`;
  if (sources.pods) yield `,\n  "workloadState": ${pretty(podStates(sources.pods(), await sources.connections()))}`;
  yield* list('workloads', sources.workloads(), dumpWorkload);
  yield '\n}\n';
}

const NO_CONNECTIONS: PodConnections = { inbound: [], outbound: [] };

function podStates(pods: readonly PodDump[], connections: Readonly<Record<string, PodConnections>>): Json {
  const states: Record<string, Json> = {};
  for (const { uid, info, state } of pods) {
    const { inbound, outbound } = connections[uid] ?? NO_CONNECTIONS;
    states[uid] = {
      state: state === 'up' ? 'Up' : 'Pending',
      connections: {
        inbound: inbound.map((record) => ({ ...record })),
        outbound: outbound.map((record) => ({ ...record })),
      },
      info: { name: info.name, namespace: info.namespace, serviceAccount: info.serviceAccount },
    };
  }
  return states;
}

/** Records between two turns of the event loop. */
const CHUNK_RECORDS = 200;

async function* list<T>(key: string, items: Iterable<T>, dump: (item: T) => Json): AsyncGenerator<string> {
  let chunk = `,\n  "${key}": [`;
  let count = 0;
  for (const item of items) {
    chunk += `${count === 0 ? '' : ','}\n    ${pretty(dump(item), 4)}`;
    count += 1;
    if (count % CHUNK_RECORDS === 0) {
      yield chunk;
      chunk = '';
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  yield `${chunk}${count === 0 ? ']' : '\n  ]'}`;
}

function pretty(json: Json, indent = 2): string {
  return JSON.stringify(json, undefined, 2).replaceAll('\n', `\n${' '.repeat(indent)}`);
}
