import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempDisposableSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { Wait } from 'testcontainers';
import { APP_IMAGES } from './app-images.ts';
import { memoryOf, runToEnd, terminate } from './testing/container-life.ts';
import { RestrictedContainer } from './testing/restricted-container.ts';
import { imageOf, loadImages, noEngine } from './testing/test-images.ts';

interface SmokeCase {
  readonly port: number;
  readonly path: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly capabilities: readonly string[];
  /**
   * Resident memory that it may take when it has nothing to do: the goal for what runs on each node, otherwise a tenth above what
   * was measured. Up to half of it is Node's own file.
   */
  readonly budgetMib: number;
  /** It has to be gone this long after SIGTERM. */
  readonly drainMs: number;
  readonly broken: Readonly<Record<string, string>>;
  readonly complaint: RegExp;
}

const CASES: Readonly<Record<string, SmokeCase>> = {
  ca: {
    port: 15_015,
    path: '/ready',
    environment: {},
    capabilities: [],
    budgetMib: 100,
    drainMs: 10_000,
    broken: { AMBIT_HTTP_PORT: 'eighty', AMBIT_TYPO: '1' },
    complaint: /AMBIT_HTTP_PORT.*\n.*AMBIT_TYPO is not a setting/s,
  },
  'control-plane': {
    port: 8080,
    path: '/ready',
    environment: {
      AMBIT_SOURCE: 'folder',
      AMBIT_MANIFEST_DIRS: '/config',
      AMBIT_TLS_CERT_FILE: '/config/tls.crt',
      AMBIT_TLS_KEY_FILE: '/config/tls.key',
    },
    capabilities: [],
    budgetMib: 120,
    drainMs: 10_000,
    broken: { MONITORING_PORT: '70000' },
    complaint: /MONITORING_PORT/,
  },
  waypoint: {
    // It is ready only with a control plane; its metrics answer before.
    port: 15_020,
    path: '/metrics',
    environment: {
      AMBIT_GATEWAY: 'waypoint',
      POD_NAME: 'waypoint-1',
      POD_NAMESPACE: 'demo',
      SERVICE_ACCOUNT: 'waypoint',
      XDS_ADDRESS: 'https://localhost:15012',
      XDS_ROOT_CA: '/config/tls.crt',
      CA_ROOT_CA: '/config/tls.crt',
    },
    capabilities: [],
    budgetMib: 102,
    drainMs: 15_000,
    broken: { AMBIT_PROXY_ROLE: 'router', XDS_ADDRESS: '' },
    complaint: /AMBIT_PROXY_ROLE.*\n.*XDS_ADDRESS|XDS_ADDRESS.*\n.*AMBIT_PROXY_ROLE/s,
  },
  ztunnel: {
    port: 15_021,
    path: '/healthz/ready',
    environment: {
      PROXY_MODE: 'dedicated',
      PROXY_WORKLOAD_INFO: 'demo/client/client',
      LOCAL_XDS: 'workloads: []',
      CA_ADDRESS: '',
      XDS_ADDRESS: '',
      ISTIO_META_DNS_CAPTURE: 'false',
      TERMINATION_GRACE_PERIOD_SECONDS: '5',
    },
    capabilities: ['NET_ADMIN', 'NET_RAW', 'SYS_ADMIN'],
    budgetMib: 75,
    drainMs: 15_000,
    broken: { PROXY_MODE: 'shared', INPOD_PORT_REUSE: 'perhaps' },
    complaint: /INPOD_PORT_REUSE/,
  },
  'cni-agent': {
    port: 8000,
    path: '/healthz',
    environment: {
      NODE_NAME: 'node1',
      AMBIT_MANIFEST_DIRS: '/config',
      AMBIT_STATUS_DIR: '/tmp/status',
      CNI_AGENT_RUN_DIR: '/tmp/run',
      ZTUNNEL_UDS_ADDRESS: '/tmp/ztunnel.sock',
    },
    capabilities: ['NET_ADMIN', 'NET_RAW', 'SYS_ADMIN', 'SYS_PTRACE', 'DAC_OVERRIDE'],
    budgetMib: 65,
    drainMs: 15_000,
    broken: { NODE_NAME: '' },
    complaint: /NODE_NAME/,
  },
};

describe('images', { skip: noEngine }, () => {
  before(() => loadImages(Object.keys(CASES)));

  test('every image has a case here', () => {
    assert.deepEqual(Object.keys(CASES).toSorted(), APP_IMAGES.map(({ app }) => app).toSorted());
  });

  for (const [part, smoke] of Object.entries(CASES)) {
    test(`${part} starts with a read-only root, answers its probe, and drains on SIGTERM within its limit`, async (t) => {
      using folder = mkdtempDisposableSync(join(tmpdir(), 'ambit-smoke-'));
      writeConfiguration(folder.path);
      await using container = await new RestrictedContainer(imageOf(part), smoke.capabilities)
        .withEnvironment(smoke.environment)
        .withBindMounts([{ source: folder.path, target: '/config', mode: 'ro' }])
        .withExposedPorts(smoke.port)
        .withWaitStrategy(Wait.forHttp(smoke.path, smoke.port).withStartupTimeout(60_000))
        .start();
      const { output } = await container.exec(['node', '-e', "console.log(fs.existsSync('/bin/sh'))"]);
      assert.equal(output.trim(), String(part === 'cni-agent'), 'no image but the node agent holds a shell');
      const memory = await memoryOf(container);
      if (memory !== undefined) {
        const { residentMib, anonymousMib } = memory;
        t.diagnostic(`${part}: ${residentMib.toFixed(0)} MiB resident, ${anonymousMib.toFixed(0)} MiB of it private`);
        assert.ok(residentMib <= smoke.budgetMib, `${residentMib} MiB resident, ${smoke.budgetMib} allowed`);
      }
      const end = await terminate(container);
      t.diagnostic(`${part}: gone ${end.tookMs.toFixed(0)} ms after SIGTERM`);
      assert.equal(end.code, 0, end.output);
      assert.ok(end.tookMs < smoke.drainMs, `it took ${end.tookMs} ms`);
    });

    test(`${part} ends at once with code 65 and says what is wrong with its configuration`, async () => {
      const environment = { ...smoke.environment, ...smoke.broken };
      const end = await runToEnd({ image: imageOf(part), environment });
      assert.equal(end.code, 65, end.output);
      assert.match(end.output, smoke.complaint);
      assert.doesNotMatch(end.output, /\n\s+at /, 'a mistake of the user is no stack trace');
    });
  }
});

/** A certificate for the control plane and an empty mesh. */
function writeConfiguration(folder: string): void {
  const key = join(folder, 'tls.key');
  const subject = ['-subj', '/CN=test', '-days', '2', '-nodes'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  execFileSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', join(folder, 'tls.crt')], {
    stdio: 'ignore',
  });
  writeFileSync(join(folder, 'demo.yaml'), 'apiVersion: v1\nkind: Namespace\nmetadata: {name: demo}\n');
  for (const path of [folder, key]) chmodSync(path, 0o755);
}
