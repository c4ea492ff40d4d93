/**
 * The control thread's share of the processor beside the data workers'.
 *
 * Linux keeps a nice value for each thread, and a thread inherits that of the one that made it: called after the workers
 * have started, this lowers only the main thread. A resync of 100,000 workloads then takes the time that requests leave.
 */
import { setPriority } from 'node:os';

/** About a tenth of a worker's weight when both want the same core; alone it gets all of it. */
const CONTROL_NICE = 10;

export function yieldToDataWorkers(): void {
  // On Linux this process id is the thread id of the main thread. Lowering needs no privilege.
  setPriority(process.pid, CONTROL_NICE);
}
