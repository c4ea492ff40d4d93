/** What several of Istio's kinds share: which workloads or services a resource is meant for, and the state it is in. */
import { described, list, map, record, text, type Rule, type Schema } from './schema.ts';

/** At most one way of saying what a resource is for. */
export const ONE_ATTACHMENT: Rule = {
  rule: '(has(self.selector) ? 1 : 0) + (has(self.targetRef) ? 1 : 0) + (has(self.targetRefs) ? 1 : 0) <= 1',
  message: 'only one of selector, targetRef, targetRefs may be set',
};

const labelValue: Schema = {
  type: 'string',
  maxLength: 63,
  'x-kubernetes-validations': [{ rule: "!self.contains('*')", message: 'wildcards do not work in labels' }],
};

/** Labels that a workload has to have. */
export const matchLabels: Schema = {
  ...map(labelValue, 256),
  'x-kubernetes-validations': [
    { rule: "self.all(key, key.size() != 0 && !key.contains('*'))", message: 'a label needs a name without wildcards' },
  ],
};

const targetRef = record(
  {
    group: { type: 'string', maxLength: 253 },
    kind: { type: 'string', minLength: 1, maxLength: 63 },
    name: { type: 'string', minLength: 1, maxLength: 253 },
    namespace: {
      type: 'string',
      'x-kubernetes-validations': [{ rule: 'self.size() == 0', message: 'other namespaces cannot be named' }],
    },
  },
  { required: ['kind', 'name'] },
);

/** Fields of a resource that selects workloads by label, or services and waypoints by name. */
export const attachment: Readonly<Record<string, Schema>> = {
  selector: described(record({ matchLabels }), 'Workloads by label; none means all of the namespace.'),
  targetRef: described(targetRef, 'One waypoint, service or class; targetRefs is the newer form.'),
  targetRefs: described(list(targetRef, 16), 'Waypoints, services or classes by name.'),
};

const generation: Schema = { type: 'integer', format: 'int64' };

/** What controllers write; further fields of other controllers are kept. */
export const status: Schema = {
  ...record({
    conditions: list(
      record({
        type: text,
        status: text,
        reason: text,
        message: text,
        observedGeneration: generation,
        lastProbeTime: { type: 'string', format: 'date-time' },
        lastTransitionTime: { type: 'string', format: 'date-time' },
      }),
    ),
    observedGeneration: generation,
  }),
  'x-kubernetes-preserve-unknown-fields': true,
};
