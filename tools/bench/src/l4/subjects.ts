/** What is compared: the same two programs on two nodes, with different things between them. */
import type { Target } from '../load-tool.ts';
import { LoadTool } from '../load-tool.ts';
import type { HaproxyPlan } from './haproxy.ts';
import { startHaproxyTcp, startHaproxyTls } from './haproxy.ts';
import { LabClient } from './lab-client.ts';
import type { RelayClient } from './relay-client.ts';

export interface Subject {
  readonly name: SubjectName;
  readonly load: LoadTool;
  readonly target: Target;
  /** Processes between client and server; their CPU time and memory are counted. */
  readonly proxies: readonly number[];
  /** Where the proxies get their configuration from; undefined when they have none. */
  readonly relay: RelayClient | undefined;
}

export const subjectNames = ['direct', 'haproxy-tcp', 'haproxy-tls', 'rust', 'ambit'] as const;
export type SubjectName = (typeof subjectNames)[number];

const SERVER_PORT = 9_000;

/** Sets up every wanted subject; disposing the stack takes all down. */
export async function setUpSubjects(
  wanted: ReadonlySet<SubjectName>,
  rustProgram: string | undefined,
  loadBinary: string,
  stack: AsyncDisposableStack,
  onProgress: (line: string) => void,
): Promise<readonly Subject[]> {
  const subjects: Subject[] = [];
  onProgress('starting the lab with Ambit');
  const lab = stack.use(await LabClient.up(stack, 'bench'));
  const plainLoad = new LoadTool(loadBinary, lab.pod('plain/client').netns);
  const plainServer = target(lab, 'plain/server');
  const plan: HaproxyPlan = {
    nearNetns: lab.node('node1').netns,
    farNetns: lab.node('node2').netns,
    nearAddress: lab.node('node1').address,
    farAddress: lab.node('node2').address,
    server: plainServer,
  };
  if (wanted.has('direct'))
    subjects.push({ name: 'direct', load: plainLoad, target: plainServer, proxies: [], relay: undefined });
  if (wanted.has('haproxy-tcp')) {
    const haproxy = stack.use(await startHaproxyTcp(plan));
    subjects.push({
      name: 'haproxy-tcp',
      load: plainLoad,
      target: haproxy.target,
      proxies: haproxy.pids,
      relay: undefined,
    });
  }
  if (wanted.has('haproxy-tls')) {
    const haproxy = stack.use(await startHaproxyTls(plan));
    subjects.push({
      name: 'haproxy-tls',
      load: plainLoad,
      target: haproxy.target,
      proxies: haproxy.pids,
      relay: undefined,
    });
  }
  if (wanted.has('rust') && rustProgram !== undefined) {
    onProgress('starting the lab with the Rust ztunnel');
    const rust = stack.use(await LabClient.up(stack, 'benchrust', rustProgram));
    subjects.push({
      name: 'rust',
      load: new LoadTool(loadBinary, rust.pod('mesh/client').netns),
      target: target(rust, 'mesh/server'),
      proxies: rust.proxies(),
      relay: rust.relay,
    });
  }
  if (wanted.has('ambit'))
    subjects.push({
      name: 'ambit',
      load: new LoadTool(loadBinary, lab.pod('mesh/client').netns),
      target: target(lab, 'mesh/server'),
      proxies: lab.proxies(),
      relay: lab.relay,
    });
  return subjects;
}

function target(lab: LabClient, pod: string): Target {
  return { address: lab.pod(pod).addresses[0] ?? '', port: SERVER_PORT };
}
