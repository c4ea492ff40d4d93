/** A cluster of one's own with the mesh in it, and what the suite's workloads need. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CachePaths,
  LabCluster,
  type LabSettings,
  LoadBalancer,
  printProgress,
  readLabSettings,
  writeImage,
} from '@ambit/kube-lab';
import { mustRun } from '@ambit/runtime';
import { freePort } from '@ambit/testing';
import type { SuitePlan } from './suite-plan.ts';

const ROOT = join(import.meta.dirname, '../../..');
const APPS = ['ztunnel', 'cni-agent', 'control-plane', 'ca', 'waypoint'] as const;
/** As the suite's manifests name it: a DNS server stands behind UDP routes. */
const DNS_IMAGE = 'registry.k8s.io/coredns/coredns:v1.12.2';

/** Where the suite comes from; README.md says how to make them. */
export interface SuiteInputs {
  readonly suite: string;
  readonly images: string;
  readonly definitions: string;
}

export class ConformanceCluster implements AsyncDisposable {
  readonly #lab: LabCluster;
  readonly #balancer: LoadBalancer;
  /** For programs that are started beside it. */
  readonly environment: Readonly<Record<string, string>>;

  private constructor(lab: LabCluster, balancer: LoadBalancer, settings: LabSettings) {
    this.#lab = lab;
    this.#balancer = balancer;
    const { KUBECONFIG = '', PATH = '' } = lab.environment;
    this.environment = { KUBECONFIG, PATH, HOME: settings.home };
  }

  static async up(inputs: SuiteInputs): Promise<ConformanceCluster> {
    const settings = readLabSettings({
      AMBIT_KUBE_LAB_NAME: 'conf',
      AMBIT_KUBE_LAB_PORT: String(await freePort()),
      ...process.env,
    });
    process.env['PATH'] = settings.searchPath;
    await using stack = new AsyncDisposableStack();
    const lab = stack.use(
      await LabCluster.up(settings, {
        nodes: 2,
        isDual: false,
        isControlPlaneOnly: false,
        proxyMode: 'nftables',
        apiServerArguments: [],
        kubeletArguments: [],
        progress: printProgress,
      }),
    );
    const cluster = new ConformanceCluster(
      lab,
      stack.use(await LoadBalancer.start(lab.kubeconfig, printProgress)),
      settings,
    );
    await cluster.#install(inputs, settings);
    stack.move();
    return cluster;
  }

  /** Namespaces with waypoints that a plan finds there already. */
  async prepare(plan: SuitePlan): Promise<void> {
    for (const namespace of plan.waypoints) {
      const labels = Object.entries(plan.namespaceLabels).map(([key, value]) => `${key}=${value}`);
      await this.#run('kubectl', 'create', 'namespace', namespace);
      await this.#run('kubectl', 'label', 'namespace', namespace, ...labels);
      const ambitctl = [process.execPath, join(ROOT, 'apps/ambitctl/src/main.ts')];
      await this.#run(
        ...ambitctl,
        'waypoint',
        'apply',
        '--kubeconfig',
        this.#lab.kubeconfig,
        '-n',
        namespace,
        '--wait',
      );
    }
  }

  /** Where pods and the load balancer's addresses are reached. */
  command(argv: readonly string[]): readonly string[] {
    return this.#lab.machines.commandInNetwork(argv);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#balancer[Symbol.asyncDispose]();
    await this.#lab[Symbol.asyncDispose]();
  }

  async #install({ images, definitions }: SuiteInputs, settings: LabSettings): Promise<void> {
    const toImages = [process.execPath, join(ROOT, 'tools/images/src/main.ts')];
    process.stderr.write(await mustRun(toImages, { cwd: ROOT, timeoutMs: 900_000 }));
    const archives = readdirSync(images).filter((name) => name.endsWith('.tar'));
    const folder = mkdtempSync(join(tmpdir(), 'ambit-conformance-'));
    try {
      const dns = join(folder, 'dns.tar');
      const program = new CachePaths(settings).program('coredns');
      const layers = [{ kind: 'file' as const, file: program, destination: 'coredns' }];
      writeImage(dns, { name: DNS_IMAGE, layers, entrypoint: ['/coredns'] });
      await this.#lab.loadImages([
        ...APPS.map((app) => join(ROOT, '.cache/images', `${app}.tar`)),
        ...archives.map((name) => join(images, name)),
        dns,
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
    // The experimental channel comes with a list for kustomize, which is no definition.
    const files = readdirSync(definitions).filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml');
    const named = files.flatMap((name) => ['-f', join(definitions, name)]);
    await this.#run('kubectl', 'apply', '--server-side', ...named);
    const system = ['-n', 'ambit-system', '--create-namespace'];
    await this.#run('helm', 'install', 'ambit-crds', join(ROOT, 'charts/ambit-crds'), ...system);
    const profile = join(ROOT, 'charts/ambit/profiles/kube-lab.yaml');
    const values = ['--values', profile, '--set', 'control-plane.waypoints.readCertificates=true'];
    await this.#run('helm', 'install', 'ambit', join(ROOT, 'charts/ambit'), ...system, ...values, '--wait');
  }

  #run(...argv: readonly string[]): Promise<string> {
    return mustRun(argv, { env: this.environment, timeoutMs: 300_000 });
  }
}
