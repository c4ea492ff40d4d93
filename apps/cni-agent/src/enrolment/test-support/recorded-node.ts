import { setImmediate as nextTurn } from 'node:timers/promises';
import { ManualClock } from '@ambit/runtime';
import { ResourceTable, type Namespace, type Pod } from '@ambit/kube';
import { DEFAULT_SELECTORS } from '../../pods/enablement-selector.ts';
import { EnrolmentController } from '../enrolment-controller.ts';
import type { EnrolmentPorts, NetnsHandle } from '../enrolment-ports.ts';

const origin = { file: 'test.yaml', line: 1, column: 1 };

const metadata = {
  labels: {},
  annotations: {},
  creationTimestamp: undefined,
  deletionTimestamp: undefined,
  generateName: undefined,
  ownerReferences: [],
};

export function namespace(mode?: string): Namespace {
  return {
    kind: 'Namespace',
    origin,
    metadata: {
      ...metadata,
      name: 'shop',
      namespace: '',
      uid: 'ns',
      labels: mode === undefined ? {} : { 'istio.io/dataplane-mode': mode },
    },
  };
}

export function pod(redirection?: string, overrides: Partial<Pod['status']> = {}): Pod {
  return {
    kind: 'Pod',
    origin,
    metadata: {
      ...metadata,
      name: 'web',
      namespace: 'shop',
      uid: 'u1',
      annotations: redirection === undefined ? {} : { 'ambient.istio.io/redirection': redirection },
    },
    spec: { nodeName: 'node1', serviceAccountName: 'web', hostNetwork: false, containers: [], initContainers: [] },
    status: { phase: 'Running', podIPs: ['10.0.0.5'], isReady: true, ...overrides },
  };
}

/** A node with one pod whose every dealing with the outside is written down. */
export class Node {
  readonly log: string[] = [];
  readonly clock: ManualClock = new ManualClock();
  readonly source: ResourceTable = new ResourceTable();
  carried = 0;
  refusal: Error | undefined;
  rulesPresent = false;
  brokenLook = false;
  /** The runtime has told the address of the pod. */
  told = false;
  netnsId = 'netns1';
  hasNetns = true;
  openHandles = 0;
  current: Pod = pod();
  labels: Namespace = namespace();
  readonly controller: EnrolmentController;

  constructor() {
    const ports: EnrolmentPorts = {
      locateNetns: () => Promise.resolve(this.hasNetns ? this.#handle() : undefined),
      capture: {
        program: (_place, _options, phase) => this.#did(`program ${phase}`),
        heal: () => this.#did('heal').then(() => 'intact' as const),
        forget: () => {},
        isPresent: () => (this.brokenLook ? Promise.reject(new Error('gone')) : Promise.resolve(this.rulesPresent)),
        remove: () => this.#did('remove rules'),
      },
      carriedConnections: () => Promise.resolve(this.carried),
      proxy: {
        add: (workload, fd) => {
          this.log.push(`proxy add ${workload.namespace}/${workload.name}/${workload.serviceAccount} ${fd}`);
          return this.refusal ? Promise.reject(this.refusal) : Promise.resolve();
        },
        del: (uid) => this.#did(`proxy del ${uid}`),
      },
      probes: {
        add: (uid, addresses) => this.#did(`probes add ${uid} ${addresses.join()}`),
        remove: (uid) => this.#did(`probes remove ${uid}`),
      },
      annotate: (_pod, redirection) => {
        this.show({ pod: pod(redirection, this.current.status) });
        return this.#did(`annotate ${redirection ?? 'nothing'}`);
      },
    };
    this.controller = new EnrolmentController({
      source: this.source,
      nodeName: 'node1',
      systemNamespace: 'istio-system',
      ports,
      clock: this.clock,
      verifyIntervalMs: 10_000,
      eligibility: { selectors: DEFAULT_SELECTORS, excludeNamespaces: ['kube-system'] },
      settings: { dnsCapture: true, repairOnStart: true, releaseQuietMs: 1_000, releaseGraceMs: 60_000 },
      complete: (one) => (this.told ? { ...one, status: { ...one.status, podIPs: ['10.0.0.9'] } } : one),
      onEvent: (event) => {
        if (event.kind !== 'failed') this.log.push(`event ${event.kind}`);
      },
    });
  }

  show({ pod: view = this.current, labels = this.labels }: { readonly pod?: Pod; readonly labels?: Namespace }): void {
    this.current = view;
    this.labels = labels;
    this.source.replace([labels, view]);
  }

  async settle(): Promise<readonly string[]> {
    for (let turn = 0; turn < 50; turn += 1) await nextTurn();
    return this.log.splice(0);
  }

  async begin(): Promise<readonly string[]> {
    await this.controller.start();
    this.controller.run();
    return this.settle();
  }

  #handle(): NetnsHandle {
    this.openHandles += 1;
    let isOpen = true;
    return {
      fd: 7,
      id: this.netnsId,
      enterPath: '/x',
      [Symbol.dispose]: () => {
        if (isOpen) this.openHandles -= 1;
        isOpen = false;
      },
    };
  }

  #did(what: string): Promise<void> {
    this.log.push(what);
    return Promise.resolve();
  }
}

/** What is done to bring the pod in, in this order. */
export const IN: readonly string[] = [
  'program carry',
  'proxy add shop/web/web 7',
  'probes add u1 10.0.0.5',
  'program capture',
  'event enrolled',
  'annotate enabled',
  'probes add u1 10.0.0.5',
  'heal',
];
