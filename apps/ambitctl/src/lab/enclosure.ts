/**
 * The command line that puts a program into a namespace of the lab. Pure.
 *
 * Whatever starts dies with the process that started it (PR_SET_PDEATHSIG); a pod moreover has process ids of its own,
 * so that everything a pod ever started ends together.
 */

export interface Enclosure {
  /** Path of the network namespace. */
  readonly netns: string;
  /** Files laid over others, in a mount namespace of its own: source, then place. */
  readonly overlays?: readonly (readonly [source: string, place: string])[];
  /** Own process ids; the first one's end ends all. */
  readonly ownProcesses?: boolean;
}

/** A symlinked place (as `/etc/resolv.conf` often is) is followed; one that does not exist is left alone. */
const OVERLAY_SCRIPT =
  'n=$1; shift; while [ "$n" -gt 0 ]; do place=$(readlink -f -- "$2") && [ -e "$place" ] && mount --bind -- "$1" "$place"; shift 2; n=$((n-1)); done; exec "$@"';

export function enclose(
  { netns, overlays = [], ownProcesses = false }: Enclosure,
  argv: readonly string[],
): readonly string[] {
  const enter = ['setpriv', '--pdeathsig', 'KILL', 'nsenter', `--net=${netns}`, '--'];
  if (overlays.length === 0 && !ownProcesses) return [...enter, ...argv];
  const processes = ownProcesses ? ['--pid', '--fork', '--kill-child=KILL', '--mount-proc'] : [];
  return [
    ...enter,
    'unshare',
    '--mount',
    '--propagation',
    'private',
    ...processes,
    '--',
    'sh',
    '-c',
    OVERLAY_SCRIPT,
    'sh',
    String(overlays.length),
    ...overlays.flat(),
    ...argv,
  ];
}
