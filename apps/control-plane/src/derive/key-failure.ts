import type { ObjectMeta } from '@ambit/kube';
import type { DesiredCondition } from './status-write.ts';

/** Keys of an issuer that cannot be fetched at the moment. Told by whoever fetches them, after more than one try. */
export interface KeyFailure {
  /** Of the place: what rules ask for their keys by. */
  readonly key: string;
  /** Whom nobody could get keys from; nothing else of the address, which may hold secrets. */
  readonly host: string;
  /** Of the failure that was told first. */
  readonly reason: string;
  /** Keys of before stay in force. */
  readonly hasKeys: boolean;
}

/** Says on token rules which of their keys cannot be had; its time is that of the first word of it. Nothing while all are there. */
export function keyConditions(
  { generation }: ObjectMeta,
  failures: readonly { readonly rule: number; readonly failure: KeyFailure }[],
): readonly DesiredCondition[] {
  if (failures.length === 0) return [];
  const texts = failures.map(({ rule, failure: { host, reason, hasKeys } }) => {
    const effect = hasKeys ? 'the last keys stay in force' : 'every token of this issuer is refused';
    return `jwtRules[${rule}]: keys cannot be fetched from ${host} (${reason}); ${effect}`;
  });
  return [
    {
      type: 'ambit.dev/KeysFetched',
      status: 'False',
      reason: 'FetchFailed',
      message: texts.join('; '),
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    },
  ];
}
