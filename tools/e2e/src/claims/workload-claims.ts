/** Group 5: kinds of workloads and services. */
import type { ClaimGroup } from '../claim.ts';
import { DATAPLANE_MODE, enrol } from '../cluster/enrolment.ts';
import { isEnrolled } from '../cluster/pod-facts.ts';
import { readAccessLog } from '../observe/access-log.ts';
import { CLIENT, FAR, PLAIN, SHOP } from './shop.ts';

const NAMESPACE = 'e2e-kinds';

export const workloadClaims: ClaimGroup = {
  id: '5',
  title: 'Services, headless services, StatefulSets, jobs, init containers, host-network pods',
  timeoutMs: 240_000,
  async prove(context) {
    const { cluster, objects, mesh, report } = context;
    const sinceMs = Date.now();
    try {
      await objects.addNamespace(NAMESPACE, 'kinds.yaml', { [DATAPLANE_MODE]: 'ambient' });
      await objects.untilReady(NAMESPACE);
      await enrol(context, NAMESPACE);

      const seen = new Set<string>();
      for (let call = 0; call < 12 && seen.size < 2; call += 1) {
        const { stdout } = await objects.ask(CLIENT.namespace, CLIENT.pod, `http://web.${SHOP}`);
        const pod = /"pod":"([^"]+)"/.exec(stdout)?.[1];
        if (pod !== undefined) seen.add(pod);
      }
      report(
        '5.1',
        "a Service's pods on both nodes answer",
        seen.size === 2,
        `answers of ${[...seen].join(', ') || 'nobody'}`,
      );

      const own = await Promise.all(
        ['db-0', 'db-1'].map((pod) => objects.ask(CLIENT.namespace, CLIENT.pod, `http://${pod}.db.${NAMESPACE}:8080`)),
      );
      report(
        '5.2',
        'each pod of a StatefulSet answers by its own name of a headless Service',
        own.every(({ code, stdout }, index) => code === 0 && stdout.includes(`"pod":"db-${index}"`)),
        own.map(({ stdout, stderr }) => /"pod":"([^"]+)"/.exec(stdout)?.[1] ?? stderr.trim()).join(', '),
      );
      const headless = await objects.ask(CLIENT.namespace, CLIENT.pod, `http://db.${NAMESPACE}:8080`);
      report(
        '5.3',
        'a headless Service answers by its own name',
        headless.code === 0,
        headless.stdout || headless.stderr.trim(),
      );

      const succeeded = ['-n', NAMESPACE, 'get', 'job', 'once', '-o', 'jsonpath={.status.succeeded}/{.status.failed}'];
      await objects
        .until(
          () => 'the job does not end',
          async () => /[1-9]/.test(await cluster.kubectl(succeeded)),
          60,
        )
        .catch(() => {});
      const ended = await cluster.kubectl(succeeded);
      const said = await cluster.kubectl(['-n', NAMESPACE, 'logs', 'job/once']).catch(String);
      report(
        '5.4',
        'a job whose first act is a call through the mesh succeeds at the first try',
        ended.startsWith('1/') && said.includes('from-a-job'),
        `succeeded/failed ${ended}; ${said.trim()}`,
      );
      const early = await cluster.kubectl(['-n', NAMESPACE, 'logs', 'early', '-c', 'first']).catch(String);
      const restarts = (await objects.pods(NAMESPACE)).find(({ name }) => name === 'early')?.restarts;
      report(
        '5.5',
        'an init container that talks is answered at the first try',
        early.includes('from-an-init-container') && restarts === 0,
        `${early.trim()}; ${restarts ?? 'no'} restarts`,
      );
      const lines = readAccessLog(await objects.logs(mesh.namespace, 'app=ztunnel', sinceMs));
      const secured = lines.filter(
        (line) => line.get('direction') === 'inbound' && String(line.get('src.identity')).includes(`/ns/${NAMESPACE}/`),
      );
      report(
        '5.6',
        'their very first words were secured, too',
        secured.length >= 2,
        `${secured.length} inbound connections with an identity of ${NAMESPACE}`,
      );

      const out = await objects.ask(NAMESPACE, 'host', FAR);
      const into = await objects.ask(CLIENT.namespace, CLIENT.pod, `http://host.${NAMESPACE}`);
      const host = (await objects.pods(NAMESPACE)).find(({ name }) => name === 'host');
      report(
        '5.7',
        'a pod with the network of its node is not captured, calls the mesh and is called from it',
        out.code === 0 && into.code === 0 && host !== undefined && !isEnrolled(host),
        `calling: ${out.code === 0 ? 'answered' : out.stderr.trim()}; called: ${into.code === 0 ? 'answered' : into.stderr.trim()}; captured: ${host !== undefined && isEnrolled(host)}`,
      );
      const outward = await objects.ask(CLIENT.namespace, CLIENT.pod, `tcp client.${PLAIN} 9000`);
      const api = await objects.exec(CLIENT.namespace, CLIENT.pod, [
        'node',
        '-e',
        `fetch('https://kubernetes.default/version').catch((e) => console.log(e.cause.code))`,
      ]);
      report(
        '5.8',
        'who is in the mesh reaches what is not: the API server answers with its own certificate',
        api.code === 0 && /CERT|VERIFY|SELF_SIGNED|UNABLE/.test(api.stdout) && outward.code !== 0,
        api.stdout.trim() || api.stderr.trim(),
      );
    } finally {
      await objects.deleteNamespace(NAMESPACE);
    }
  },
};
