/** A mesh of containers on one network: NATS, CA, control plane, and pods that are an app and its own node proxy. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Network, Wait, type StartedNetwork, type StartedTestContainer } from 'testcontainers';
import { runToEnd } from './container-life.ts';
import { MeshFiles } from './mesh-files.ts';
import { podManifest, redirection, serviceManifest } from './mesh-manifests.ts';
import { RestrictedContainer } from './restricted-container.ts';
import { imageOf } from './test-images.ts';

/** The user of apps: any but those whose connections the capture leaves alone. */
const APP_USER = '1000:1000';
const PROXY_CAPABILITIES = ['NET_ADMIN', 'NET_RAW', 'SYS_ADMIN'];

/** Of the proxy, in the namespace that it shares with its app. */
const READINESS_PORT = 15_021;

/** An app, and the proxy that lives in its network namespace. */
export interface ContainerPod {
  readonly name: string;
  readonly address: string;
  readonly app: StartedTestContainer;
  readonly proxy: StartedTestContainer;
}

export interface PodOptions {
  readonly name: string;
  /** Account that its proxy claims to be; default: the one of its token, which is named as the pod. */
  readonly claims?: string;
}

const APP = `
  require('http').createServer((request, answer) => answer.end('hello from ' + process.argv[1])).listen(8080, '0.0.0.0');
`;

export class ContainerMesh implements AsyncDisposable {
  readonly files: MeshFiles = new MeshFiles();
  readonly #network: StartedNetwork;
  /** In the order of their start. */
  readonly #containers: StartedTestContainer[] = [];

  private constructor(network: StartedNetwork) {
    this.#network = network;
    this.files.write('manifests/web-service.yaml', serviceManifest('web'));
  }

  static async create(): Promise<ContainerMesh> {
    return new ContainerMesh(await new Network().start());
  }

  startNats(): Promise<StartedTestContainer> {
    return this.#start(
      new RestrictedContainer(imageOf('nats'))
        .withNetwork(this.#network)
        .withNetworkAliases('nats')
        .withBindMounts([{ source: this.files.folder('bus'), target: '/data', mode: 'rw' }])
        .withCommand(['-js', '-sd', '/data', '-m', '8222'])
        .withExposedPorts(8222)
        .withWaitStrategy(Wait.forHttp('/healthz', 8222)),
    );
  }

  /** Keys are made at the start; their root is then known to all. */
  async startCa(): Promise<StartedTestContainer> {
    const started = await this.#start(
      this.#part('ca', ['keys', 'config'])
        .withEnvironment({
          AMBIT_CA_DIR: '/mesh/keys',
          AMBIT_JWKS_FILE: '/mesh/config/jwks.json',
          AMBIT_CA_SERVER_NAMES: 'ca',
          AMBIT_CA_SERVING_NAMES: 'istio-system/istiod=control-plane',
          AMBIT_BUS: 'nats://nats:4222',
        })
        .withExposedPorts(15_015)
        .withWaitStrategy(Wait.forHttp('/ready', 15_015)),
    );
    this.files.write('config/root-cert.pem', readFileSync(join(this.files.folder('keys'), 'root-cert.pem'), 'utf8'));
    return started;
  }

  /** @param token for the CA. With a wrong one it is never ready, so `isAwaited` may be false. */
  startControlPlane(token: string, isAwaited = true): Promise<StartedTestContainer> {
    this.files.write('config/control-plane-token', token);
    const container = this.#part('control-plane', ['config', 'manifests']);
    if (isAwaited) container.withExposedPorts(8080).withWaitStrategy(Wait.forHttp('/ready', 8080));
    return this.#start(
      container.withEnvironment({
        AMBIT_SOURCE: 'folder',
        AMBIT_MANIFEST_DIRS: '/mesh/manifests',
        AMBIT_JWKS_FILE: '/mesh/config/jwks.json',
        CA_ADDRESS: 'https://ca:15013',
        CA_ROOT_CA: '/mesh/config/root-cert.pem',
        AUTH_TOKEN: '/mesh/config/control-plane-token',
        POD_NAMESPACE: 'istio-system',
        SERVICE_ACCOUNT: 'istiod',
      }),
    );
  }

  /** An app whose connections are captured, with its proxy in the same namespace; on a node of its own. */
  async startPod({ name, claims = name }: PodOptions): Promise<ContainerPod> {
    const node = `node-${name}`;
    const app = await this.#start(
      new RestrictedContainer(imageOf('control-plane'))
        .withNetwork(this.#network)
        .withUser(APP_USER)
        .withEntrypoint(['node', '-e', APP, name])
        .withExposedPorts(8080, READINESS_PORT)
        .withWaitStrategy(Wait.forHttp('/', 8080)),
    );
    const address = app.getIpAddress(this.#network.getName());
    this.files.write(`config/${name}-token`, this.files.token(`demo/${name}`, node));
    this.files.write(`manifests/${name}.yaml`, podManifest({ name, account: claims, node, address }));
    const proxy = await this.#start(
      this.#part('ztunnel', ['config'], PROXY_CAPABILITIES)
        .withNetworkMode(`container:${app.getId()}`)
        .withEnvironment({
          PROXY_MODE: 'dedicated',
          PROXY_WORKLOAD_INFO: `demo/${name}/${claims}`,
          NODE_NAME: node,
          XDS_ADDRESS: 'https://control-plane:15012',
          CA_ADDRESS: 'https://ca:15013',
          XDS_ROOT_CA: '/mesh/config/root-cert.pem',
          CA_ROOT_CA: '/mesh/config/root-cert.pem',
          AUTH_TOKEN: `/mesh/config/${name}-token`,
          POD_NAME: name,
          POD_NAMESPACE: 'demo',
          SERVICE_ACCOUNT: name,
          INSTANCE_IP: address,
          ENABLE_ORIG_SRC: 'false',
          IPV6_ENABLED: 'false',
          ISTIO_META_DNS_CAPTURE: 'false',
          LOG_FORMAT: 'json',
        })
        .withWaitStrategy(Wait.forLogMessage(/./)),
    );
    await untilReady(`http://${app.getHost()}:${app.getMappedPort(READINESS_PORT)}/healthz/ready`);
    await this.#capture(app);
    return { name, address, app, proxy };
  }

  /** Calls a URL from a pod's app. @returns status and body, or the name of what went wrong */
  async request(from: ContainerPod, url: string): Promise<string> {
    const script = `
      fetch(process.argv[1], { signal: AbortSignal.timeout(5000), headers: { connection: 'close' } })
        .then(async (answer) => console.log(answer.status + ' ' + (await answer.text())))
        .catch((cause) => console.log('failed: ' + (cause.cause?.code ?? cause.name)));`;
    const { output } = await from.app.exec(['node', '-e', script, url], { user: APP_USER });
    return output.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const container of this.#containers.toReversed()) await container.stop().catch(() => undefined);
    await this.#network.stop();
    this.files[Symbol.dispose]();
  }

  #part(
    name: 'ca' | 'control-plane' | 'ztunnel',
    folders: readonly ('keys' | 'manifests' | 'config')[],
    capabilities: readonly string[] = [],
  ): RestrictedContainer {
    const container = new RestrictedContainer(imageOf(name), capabilities);
    container.withBindMounts(
      folders.map((folder) => ({
        source: this.files.folder(folder),
        target: `/mesh/${folder}`,
        mode: folder === 'keys' ? 'rw' : 'ro',
      })),
    );
    if (name !== 'ztunnel') container.withNetwork(this.#network).withNetworkAliases(name);
    return container;
  }

  async #start(container: RestrictedContainer): Promise<StartedTestContainer> {
    const started = await container.withStartupTimeout(60_000).start();
    this.#containers.push(started);
    return started;
  }

  async #capture(app: StartedTestContainer): Promise<void> {
    this.files.write('config/rules', redirection());
    const end = await runToEnd({
      image: imageOf('cni-agent'),
      entrypoint: ['iptables-nft-restore', '--noflush', '/mesh/rules'],
      networkMode: `container:${app.getId()}`,
      user: '0:0',
      binds: [`${join(this.files.folder('config'), 'rules')}:/mesh/rules`],
      capabilities: ['NET_ADMIN', 'NET_RAW'],
    });
    if (end.code !== 0) throw new Error(`the rules were refused: ${end.output}`);
  }
}

async function untilReady(url: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (let seen = ''; ; await delay(100)) {
    seen = await fetch(url).then((answer) => String(answer.status), String);
    if (seen === '200') return;
    if (Date.now() > deadline) throw new Error(`the proxy is not ready: ${seen}`);
  }
}
