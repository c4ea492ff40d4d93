/** Metrics of the process itself, computed at scrape time from the kernel and from Node. Main thread only. */
import { readdirSync, readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { MetricRegistry } from './metric-registry.ts';
import type { ComputedSample } from './metric-view.ts';

/**
 * Declares `process_open_fds`, `process_max_fds` and `process_resident_memory_bytes`, and Node's heap and event-loop
 * delay (Istio's ztunnel shows its own runtime at this place, under `tokio_`). Dispose to stop the delay monitor.
 */
export function observeProcess(registry: MetricRegistry): Disposable {
  const gauge = (name: string, help: string, read: () => number | undefined): void =>
    registry.computed('gauge', { name, help }, () => single(read()));
  gauge('process_open_fds', 'Number of open file descriptors', countDescriptors);
  gauge('process_max_fds', 'Maximum number of file descriptors', maxDescriptors);
  gauge('process_resident_memory_bytes', 'Resident memory size in bytes', () => memory()?.rss);
  gauge('nodejs_heap_used_bytes', 'Used heap of the main thread in bytes', () => memory()?.heapUsed);
  gauge('nodejs_external_memory_bytes', 'Memory of buffers outside the heap in bytes', () => {
    const now = memory();
    return now && now.external + now.arrayBuffers;
  });
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  gauge('nodejs_eventloop_lag_p99_seconds', 'Event-loop delay of the main thread since the last scrape', () => {
    const seconds = delay.count > 0 ? delay.percentile(99) / 1e9 : 0;
    delay.reset();
    return seconds;
  });
  return { [Symbol.dispose]: (): void => void delay.disable() };
}

function single(value: number | undefined): ComputedSample[] {
  return value === undefined ? [] : [{ labelValues: [], value }];
}

/** Undefined when the process has no descriptor left to ask the kernel with. */
function memory(): NodeJS.MemoryUsage | undefined {
  try {
    return process.memoryUsage();
  } catch {
    return undefined;
  }
}

function countDescriptors(): number | undefined {
  try {
    // The listing itself holds one descriptor open.
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return undefined;
  }
}

function maxDescriptors(): number | undefined {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}
