import { eventually as eventuallyTrue } from '@ambit/testing';

/** Waits until `condition` holds; throws after `timeoutMs` with what `describe` says then. For tests only. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  describe: () => unknown = () => '',
  timeoutMs = 60_000,
): Promise<void> {
  await eventuallyTrue(() => `${condition.toString()}; ${JSON.stringify(describe())}`, condition, timeoutMs);
}
