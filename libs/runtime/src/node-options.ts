/** How Node runs the programs of the mesh: alike in their images, in labs and in benchmarks. Pure. */

/** Programs that run in the mesh, each from an image of its own. */
export type MeshProgram = 'ztunnel' | 'cni-agent' | 'control-plane' | 'waypoint' | 'ca';

/**
 * V8 sizes its heaps for a machine of its own; a proxy or node agent is one process of many. Together they save some 15 MiB of
 * private memory after load and cost nothing that a benchmark shows.
 */
const smallHeaps: readonly string[] = ['--optimize-for-size', '--heap-growing-percent=30'];

/**
 * V8 compiles what is called often only after counts that suit a page in a browser: with lower ones the code of new connections is at
 * its speed after some hundred of them instead of some thousand (250 us of a connection become 160), with no more memory.
 */
const earlyCode: readonly string[] = [
  '--invocation-count-for-maglev=100',
  '--invocation-count-for-turbofan=1000',
  '--minimum-invocations-after-ic-update=100',
];

/**
 * What a request needs lives as long as the request: with room for 256 of them V8 does not move them to where marking finds them, and
 * without `--optimize-for-size`, which keeps its compiler small too, a gRPC request costs half. Its middle compiler leaves 20 MiB of
 * holes in the heap of the C library, and without it the code is at its full speed no later. One thread for compiling and sweeping
 * is enough for the two heaps of a waypoint, and takes 6 MiB less than four.
 */
const requestCode: readonly string[] = [
  '--heap-growing-percent=30',
  '--max-semi-space-size=4',
  '--no-maglev',
  '--invocation-count-for-turbofan=1000',
  '--minimum-invocations-after-ic-update=100',
  '--v8-pool-size=1',
];

/**
 * V8 marks the heap of a large mesh for a third of a second, during which pushes wait: room for short-lived objects, and for as
 * much garbage as there is mesh, make that a matter of minutes instead of seconds under constant change.
 */
const roomyHeap: readonly string[] = ['--min-semi-space-size=16', '--heap-growing-percent=100'];

/** Options of Node before a program. */
export const nodeOptions: Readonly<Record<MeshProgram, readonly string[]>> = {
  ztunnel: [...smallHeaps, ...earlyCode],
  'cni-agent': smallHeaps,
  'control-plane': roomyHeap,
  waypoint: requestCode,
  ca: [],
};

/** One heap of the C library for all threads of a program: each further one costs some 3 MiB of private memory. */
export const memoryEnvironment: { readonly MALLOC_ARENA_MAX: '1' } = { MALLOC_ARENA_MAX: '1' };
