/** What any pair of ztunnels must do under Istio's own control plane and CA; pods are those of a lab, enrolled by its agent. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { mustRun } from '@ambit/runtime';
import { eventually } from '@ambit/testing';
import { FABRIC_ADDRESS } from '../lab/address-plan.ts';
import { readLabFile } from '../lab/lab-file.ts';
import { machineNamespace, namespacePath } from '../lab/lab-names.ts';
import { Lab } from '../lab/lab.ts';
import { processEntry } from '../lab/process-entry.ts';
import { findLeftovers } from '../lab/sweep.ts';
import { IstiodProcess, relayIntoNamespace, writeWrapper } from './istiod-process.ts';
import { MirroredCluster, proxyPodName } from './mirrored-cluster.ts';

export interface IstiodSuiteOptions {
  readonly title: string;
  readonly labName: string;
  /** Istio's ztunnel by node; where there is none, Ambit's runs. */
  readonly ztunnelPrograms: Readonly<Record<string, string>>;
  readonly istiodProgram: string;
  /** Reads the admin dump; without it that test is left out. */
  readonly istioctlProgram: string;
  readonly kubeconfig: string;
  readonly skip: string | false;
}

const repository = fileURLToPath(new URL('../../../../', import.meta.url));
const labFolder = join(repository, 'apps/ambitctl/lab');
const NODES = ['node1', 'node2'];
/** Certificates live this long, so that they are renewed while the suite runs (at half of it, and 2 minutes back-dated). */
const SECRET_TTL = '150s';
const RELAY_PORT = 25_012;
const TRANSFER_BYTES = 50_000_000;

export function istiodSuite(options: IstiodSuiteOptions): void {
  describe(options.title, { skip: options.skip }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'ambt-istiod-'));
    const id = `${options.labName}${Date.now().toString(36)}`;
    const stack = new AsyncDisposableStack();
    let cluster: MirroredCluster;
    let istiod: IstiodProcess;
    let lab: Lab;

    before(async () => {
      const service = (file: string): string => join(labFolder, 'services', file);
      cluster = await MirroredCluster.create(options.kubeconfig, id, NODES, [
        { name: 'client', node: 'node1', command: ['sleep', 'infinity'] },
        { name: 'other', node: 'node1', command: ['sleep', 'infinity'] },
        { name: 'echo', node: 'node2', command: [process.execPath, service('echo.ts'), 'echo'], port: 8080 },
        { name: 'vault', node: 'node2', command: [process.execPath, service('transfer.ts')], port: 7000 },
      ]);
      stack.use(cluster);
      istiod = await IstiodProcess.start({
        program: options.istiodProgram,
        kubeconfig: options.kubeconfig,
        systemNamespace: cluster.systemNamespace,
        folder,
      });
      stack.use(istiod);
      const programs = await ztunnelWrappers();
      const manifests = join(folder, 'manifests');
      mkdirSync(manifests);
      writeFileSync(join(manifests, 'mesh.yaml'), cluster.manifests());
      const description = {
        ...readLabFile(join(labFolder, 'lab.yaml')),
        name: options.labName,
        manifestDirs: [manifests],
        settings: {},
        ztunnelPrograms: programs,
      };
      // The proxies get ready only when they hear from istiod, so its way into the lab is opened while the lab starts.
      const opening = openRelay().then((relay) => stack.defer(() => void relay.close()));
      opening.catch(() => {});
      lab = await Lab.up({ description, stateRoot: folder, searchPath: process.env['PATH'] ?? '' });
      stack.use(lab);
      await cluster.publishPods(lab);
      await lab.waitForMode(cluster.namespace, 'ambient');
    });

    after(async () => {
      await stack.disposeAsync();
      assert.deepEqual(await findLeftovers(options.labName, join(folder, options.labName)), []);
      rmSync(folder, { recursive: true, force: true });
    });

    /** Programs that run as ztunnel: the wanted one, told of istiod instead of the lab's control plane. */
    async function ztunnelWrappers(): Promise<Readonly<Record<string, string>>> {
      const root = join(folder, 'root-cert.pem');
      writeFileSync(root, await cluster.rootCertificate());
      const wrappers: Record<string, string> = {};
      for (const node of NODES) {
        const token = join(folder, `token-${node}`);
        writeFileSync(token, await cluster.proxyToken(node), { mode: 0o600 });
        const address = `https://${FABRIC_ADDRESS.v4}:${RELAY_PORT}`;
        const name = `istiod.${cluster.systemNamespace}.svc`;
        const environment = {
          XDS_ADDRESS: address,
          CA_ADDRESS: address,
          ALT_XDS_HOSTNAME: name,
          ALT_CA_HOSTNAME: name,
          XDS_ROOT_CA: root,
          CA_ROOT_CA: root,
          AUTH_TOKEN: token,
          POD_NAME: proxyPodName(node),
          POD_NAMESPACE: cluster.systemNamespace,
          SERVICE_ACCOUNT: 'ztunnel',
          SECRET_TTL,
          RUST_LOG: 'info',
        };
        const peer = options.ztunnelPrograms[node];
        const argv =
          peer === undefined
            ? [process.execPath, processEntry(repository, 'apps/ztunnel/src/main.ts')]
            : [peer, 'proxy', 'ztunnel'];
        wrappers[node] = join(folder, `ztunnel-${node}`);
        writeWrapper(wrappers[node], environment, argv);
      }
      return wrappers;
    }

    async function openRelay(): Promise<Server> {
      const path = namespacePath(machineNamespace(options.labName, 'fabric'));
      return await eventually(`the lab's ${path}`, () => {
        try {
          return relayIntoNamespace(path, FABRIC_ADDRESS.v4, RELAY_PORT, istiod.port);
        } catch {
          // Not there yet, or without its address.
          return undefined;
        }
      });
    }

    const pod = (name: string): string => `${cluster.namespace}/${name}`;
    const identity = (name: string): string => `spiffe://cluster.local/ns/${cluster.namespace}/sa/${name}`;

    const curl = async (from: string, host: string): Promise<{ readonly code: number; readonly stdout: string }> =>
      await lab.exec(pod(from), ['curl', '-sS', '-m', '5', `http://${host}/`]);

    const logged = async (node: string, ...words: readonly string[]): Promise<void> =>
      await lab.waitFor(`a log line on ${node} with ${words.join(', ')}`, () =>
        lab
          .logTail(`ztunnel.${node}`, 400)
          .split('\n')
          .some((line) => words.every((word) => line.includes(word))),
      );

    /** Identities whose certificates a proxy holds. */
    const certified = async (node: string): Promise<readonly string[]> => {
      const { certificates }: { readonly certificates: readonly { readonly identity: string }[] } = JSON.parse(
        await dump(node),
      );
      // The cluster may still be taking away the namespace of an earlier suite, whose pods had nodes of the same names.
      const own = identity('');
      return certificates
        .map((certificate) => certificate.identity)
        .filter((one) => one.startsWith(own))
        .toSorted();
    };

    const dump = async (node: string): Promise<string> => (await lab.http(node, 15_000, '/config_dump')).body;

    test('a request to a Service goes through a tunnel, with certificates of istiod at both ends', async () => {
      const echo = await cluster.clusterIp('echo');
      await lab.waitFor('a tunnelled request', async () => (await curl('client', echo)).code === 0);
      const { stdout } = await curl('client', echo);
      assert.match(stdout, new RegExp(`"client":"${lab.pod(pod('client')).address.v4}"`));
      await logged('node1', 'outbound', identity('client'), identity('echo'), ':15008');
      await logged('node2', 'inbound', identity('client'), identity('echo'));
    });

    test('a name of the cluster is resolved by the capture', async () => {
      assert.equal((await curl('client', `echo.${cluster.namespace}.svc.cluster.local`)).code, 0);
    });

    test('each proxy holds the keys of its own pods only, issued by istiod', async () => {
      const own: Readonly<Record<string, readonly string[]>> = {
        node1: [identity('client'), identity('other')],
        node2: [identity('echo'), identity('vault')],
      };
      for (const node of NODES) {
        const wanted = own[node] ?? [];
        // Istio's proxy shows those that it has used so far.
        const least = options.ztunnelPrograms[node] === undefined ? wanted.length : 1;
        let held: readonly string[] = [];
        await lab.waitFor(`certificates of the pods of ${node}`, async () => {
          held = await certified(node);
          return held.length >= least;
        });
        assert.deepEqual(
          held.filter((one) => !wanted.includes(one)),
          [],
          `${node} holds keys of others`,
        );
      }
    });

    test('half-closed connections and fifty megabytes in each direction arrive unchanged', async () => {
      const vault = await cluster.clusterIp('vault');
      for (const word of ['give', 'take']) {
        const program = join(labFolder, 'services/transfer-client.ts');
        const argv = [process.execPath, program, vault, '80', word, String(TRANSFER_BYTES)];
        const { stdout, stderr } = await lab.exec(pod('client'), argv, { timeoutMs: 60_000 });
        assert.match(stdout, /"isIntact":true/, stderr);
      }
    });

    test('a policy of a user denies by principal and says so; its removal admits again', async () => {
      const echo = await cluster.clusterIp('echo');
      await cluster.putPolicy('AuthorizationPolicy', 'no-client', {
        selector: { matchLabels: { app: 'echo' } },
        action: 'DENY',
        rules: [{ from: [{ source: { principals: [identity('client').slice('spiffe://'.length)] } }] }],
      });
      // A request under way when the policy arrives is torn down without the policy's name: ask until one is refused by it.
      await lab.waitFor('a refusal that names the policy', async () => {
        const { code } = await curl('client', echo);
        return code !== 0 && lab.logTail('ztunnel.node2', 200).includes(`${cluster.namespace}/no-client`);
      });
      assert.equal((await curl('other', echo)).code, 0);
      await cluster.deletePolicy('AuthorizationPolicy', 'no-client');
      await lab.waitFor('the admission', async () => (await curl('client', echo)).code === 0);
    });

    test('STRICT refuses plaintext of a node, PERMISSIVE admits it', async () => {
      const target = `http://${lab.pod(pod('echo')).address.v4}:8080/`;
      const plaintext = async (): Promise<number> =>
        (await lab.execOn('node1', ['curl', '-sS', '-m', '5', target])).code;
      await lab.waitFor('plaintext to be admitted', async () => (await plaintext()) === 0);
      await cluster.putPolicy('PeerAuthentication', 'default', { mtls: { mode: 'STRICT' } });
      await lab.waitFor('plaintext to be refused', async () => (await plaintext()) !== 0);
      assert.equal((await curl('client', await cluster.clusterIp('echo'))).code, 0);
      await cluster.deletePolicy('PeerAuthentication', 'default');
      await lab.waitFor('plaintext to be admitted again', async () => (await plaintext()) === 0);
    });

    test('certificates are renewed while requests run, and none fails', { timeout: 120_000 }, async () => {
      const echo = await cluster.clusterIp('echo');
      const first = await serials();
      let failures = 0;
      await lab.waitFor(
        'renewed certificates on both nodes',
        async () => {
          if ((await curl('client', echo)).code !== 0) failures += 1;
          const now = await serials();
          return now.every((serial, index) => serial !== first[index]);
        },
        { timeoutMs: 100_000 },
      );
      assert.equal(failures, 0);
    });

    async function serials(): Promise<readonly string[]> {
      return await Promise.all(
        NODES.map(async (node) => (await dump(node)).match(/"serialNumber":\s*"\d+"/g)?.join() ?? ''),
      );
    }

    const withoutIstioctl = options.istioctlProgram === '' ? 'AMBIT_INTEROP_ISTIOCTL names no istioctl' : false;
    test('istioctl ztunnel-config reads the admin dump', { skip: withoutIstioctl }, async () => {
      const file = join(folder, 'dump.json');
      writeFileSync(file, await dump('node2'));
      const read = async (...words: readonly string[]): Promise<string> =>
        await mustRun([
          options.istioctlProgram,
          '--kubeconfig',
          options.kubeconfig,
          'ztunnel-config',
          ...words,
          '-f',
          file,
        ]);
      assert.match(await read('workload'), new RegExp(`${cluster.namespace} +echo .*HBONE`));
      assert.match(await read('service'), new RegExp(`${cluster.namespace} +echo +${await cluster.clusterIp('echo')}`));
      await read('policy');
      assert.match(await read('certificate'), new RegExp(`${identity('echo')} +Leaf +Available +true`));
      await read('connections');
      assert.match(await read('all'), /CERTIFICATE NAME/);
      assert.match(await read('all', '-o', 'json'), /"workloads"/);
    });
  });
}
