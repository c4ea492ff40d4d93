/** `ambitctl waypoint`: with the verbs of istioctl. */
import { exitCodes } from '@ambit/runtime';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { stringify } from 'yaml';
import { addClusterOptions, type ClusterFlags, connectCluster } from '../cluster/cluster-flags.ts';
import {
  applyWaypoint,
  deleteWaypoint,
  enrolNamespace,
  listWaypoints,
  untilProgrammed,
} from '../waypoint/waypoint-client.ts';
import { trafficTypes, type TrafficType, waypointGateway, type WaypointWish } from '../waypoint/waypoint-gateway.ts';
import type { Surroundings } from './surroundings.ts';
import { formatTable } from './table.ts';

interface WishFlags extends ClusterFlags {
  readonly namespace: string;
  readonly name: string;
  readonly for?: TrafficType;
  readonly class: string;
  readonly revision?: string;
}

interface ApplyFlags extends WishFlags {
  readonly enrollNamespace?: boolean;
  readonly wait?: boolean;
  readonly timeout: number;
}

export function addWaypointCommands(program: Command, { kubeconfig }: Surroundings): void {
  const waypoint = program.command('waypoint').description('proxies for HTTP routing and policy of a namespace');
  const command = (name: string, description: string): Command =>
    addClusterOptions(waypoint.command(name).description(description), kubeconfig);
  const withWish = (to: Command): Command =>
    to
      .option('-n, --namespace <name>', 'where the waypoint is', 'default')
      .option('--name <name>', 'what it is called', 'waypoint')
      .addOption(new Option('--for <type>', 'which traffic it takes').choices(trafficTypes))
      .option('--class <name>', 'class of the Gateway', 'ambit-waypoint')
      .option('-r, --revision <name>', 'control plane that deploys it');

  withWish(command('apply', 'make a waypoint, or change the one that is there'))
    .option('--enroll-namespace', 'send everything of the namespace through it')
    .option('-w, --wait', 'until it can be used')
    .option('--timeout <seconds>', 'how long to wait', seconds, 90)
    .action(async (flags: ApplyFlags) => {
      using client = await connectCluster(flags);
      const wish = wishOf(flags);
      await applyWaypoint(client, wish);
      say(`waypoint ${wish.namespace}/${wish.name} applied`);
      if (flags.enrollNamespace === true) {
        await enrolNamespace(client, wish.namespace, wish.name);
        say(`namespace ${wish.namespace} labelled with istio.io/use-waypoint=${wish.name}`);
      }
      if (flags.wait !== true) return;
      await untilProgrammed(client, wish, flags.timeout * 1000);
      say(`waypoint ${wish.namespace}/${wish.name} is ready`);
    });
  withWish(command('generate', 'print the Gateway that asks for a waypoint')).action((flags: WishFlags) => {
    say(stringify(waypointGateway(wishOf(flags))).trimEnd());
  });
  command('list', 'waypoints of a namespace')
    .option('-n, --namespace <name>', 'which namespace', 'default')
    .option('-A, --all-namespaces', 'all of them')
    .action(async (flags: ClusterFlags & { readonly namespace: string; readonly allNamespaces?: boolean }) => {
      using client = await connectCluster(flags);
      const found = await listWaypoints(client, flags.allNamespaces === true ? undefined : flags.namespace);
      if (found.length === 0) return say('no waypoints found');
      const rows = found.map(({ namespace, name, className, revision, traffic, programmed }) => [
        namespace,
        name,
        className,
        traffic,
        revision,
        programmed,
      ]);
      say(formatTable(['NAMESPACE', 'NAME', 'CLASS', 'FOR', 'REVISION', 'PROGRAMMED'], rows).trimEnd());
    });
  command('status [name]', 'how far waypoints are; fails when one cannot be used')
    .option('-n, --namespace <name>', 'which namespace', 'default')
    .action(async (name: string | undefined, flags: ClusterFlags & { readonly namespace: string }) => {
      using client = await connectCluster(flags);
      const found = (await listWaypoints(client, flags.namespace)).filter(
        (is) => name === undefined || is.name === name,
      );
      const rows = found.map((is) => [is.namespace, is.name, is.programmed, is.reason, is.message]);
      if (rows.length > 0) say(formatTable(['NAMESPACE', 'NAME', 'PROGRAMMED', 'REASON', 'MESSAGE'], rows).trimEnd());
      else say(`no waypoint ${name ?? ''} in namespace ${flags.namespace}`.replace('  ', ' '));
      const isGood = found.length > 0 && found.every(({ programmed }) => programmed === 'True');
      if (!isGood) process.exitCode = exitCodes.findings;
    });
  command(
    'delete [names...]',
    'remove waypoints; what is bound to them is called without, and their routes and policies count no more',
  )
    .option('-n, --namespace <name>', 'which namespace', 'default')
    .option('--all', 'every waypoint of the namespace')
    .action(
      async (
        names: readonly string[],
        flags: ClusterFlags & { readonly namespace: string; readonly all?: boolean },
      ) => {
        if ((flags.all === true) === names.length > 0) throw new InvalidArgumentError('name waypoints, or give --all');
        using client = await connectCluster(flags);
        const wanted =
          flags.all === true ? (await listWaypoints(client, flags.namespace)).map(({ name }) => name) : names;
        for (const name of wanted) {
          const isGone = await deleteWaypoint(client, flags.namespace, name);
          say(
            isGone ? `waypoint ${flags.namespace}/${name} deleted` : `there is no waypoint ${flags.namespace}/${name}`,
          );
        }
      },
    );
}

function wishOf({ namespace, name, for: traffic, class: className, revision }: WishFlags): WaypointWish {
  return { namespace, name, traffic, className, revision };
}

function seconds(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('expected a number of seconds');
  return value;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
