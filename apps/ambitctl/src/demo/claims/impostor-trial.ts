/** Part of group 6: the client's side of identities. A server must prove to be the workload that was dialled. */
import { attackFile, credentialsOf, selfMadeCredentials, type Credentials } from '../observe/attack.ts';
import { LabProgram } from '../observe/lab-program.ts';
import { errorOf, LogMark } from '../observe/process-watch.ts';
import type { Outcome, Trials } from './trials.ts';

const IMPOSTOR = 'outside/impostor';
const MANIFEST_FILE = 'impostor.yaml';
/** The label says that it serves tunnels itself, so callers' proxies dial its 15008. */
const MANIFEST = `apiVersion: v1
kind: ServiceAccount
metadata: { namespace: outside, name: impostor }
---
apiVersion: v1
kind: Pod
metadata:
  namespace: outside
  name: impostor
  labels: { app: impostor, networking.istio.io/tunnel: http }
spec:
  nodeName: node2
  serviceAccountName: impostor
  containers:
    - name: main
      command: [sleep, infinity]
`;

export async function proveImpostor(trials: Trials): Promise<void> {
  const {
    context: { lab },
    attacker,
    own,
    prove,
  } = trials;
  lab.manifests.put(MANIFEST_FILE, MANIFEST);
  try {
    await lab.waitFor('the impostor to run', () => lab.pods().some(({ key, isReady }) => key === IMPOSTOR && isReady));
    const right = await credentialsOf(lab, attacker, IMPOSTOR);
    await prove("a server that shows another workload's certificate is refused by the client's proxy", () =>
      tryServer(trials, own, right),
    );
    await prove("a server that shows a certificate of another mesh is refused by the client's proxy", () =>
      tryServer(trials, selfMadeCredentials('spiffe://cluster.local/ns/outside/sa/impostor'), undefined),
    );
  } finally {
    lab.manifests.remove(MANIFEST_FILE);
    await lab.waitFor('the impostor to be gone', () => !lab.pods().some(({ key }) => key === IMPOSTOR));
  }
}

/** With the wrong certificate, then with the right one: so that it is known what the refusal was for. */
async function tryServer(
  { context: { lab } }: Trials,
  wrong: Credentials,
  right: Credentials | undefined,
): Promise<Outcome> {
  const address = lab.pod(IMPOSTOR).address.v4;
  const log = new LogMark(lab, 'ztunnel.node1');
  const call = (): ReturnType<typeof lab.exec> =>
    lab.exec('shop/client', ['curl', '-sS', '-m', '10', `http://${address}:8080/`]);
  let heard: string;
  let isAsked: boolean;
  {
    await using server = await serve(lab, wrong);
    await call();
    heard = (await server.line(3_000).catch(() => undefined)) ?? 'nothing';
    isAsked = heard.includes('asked');
  }
  const line = await log.find(address, '"error"', 'outbound');
  if (!right)
    return {
      observed: `the proxy logs "${errorOf(line)}", the impostor saw ${heard}`,
      isRefused: !isAsked && line !== undefined,
    };
  await using _server = await serve(lab, right);
  let output = '';
  await lab.waitFor('the same server to be accepted with its own certificate', async () => {
    ({ stdout: output } = await call());
    return output.includes('impostor');
  });
  return {
    observed: `the proxy logs "${errorOf(line)}", the impostor saw ${heard}; with its own certificate the same server is used`,
    isRefused: !isAsked && line !== undefined,
  };
}

async function serve(lab: Trials['context']['lab'], credentials: Credentials): Promise<LabProgram> {
  const program = new LabProgram(lab, IMPOSTOR, [process.execPath, attackFile(lab, 'impostor.ts')]);
  program.say(JSON.stringify({ credentials }));
  program.endInput();
  const line = await program.line();
  if (line === '"ready"') return program;
  await program[Symbol.asyncDispose]();
  throw new Error(`the impostor does not serve: ${line ?? 'no answer'}`);
}
