/** Pure rules: what the guard has found, in words. */

import { baseName, type Words } from '../format';
import type { Label } from '../leases/sentences';
import { span } from '../leases/times';
import type { FindingAnswer } from '../wire';

/** `train.py (pid 4711) is on GPU 0, which it doesn’t hold`, short enough for a notification. */
export function findingLine(
  finding: FindingAnswer,
  label: Label,
  words: Words
): string {
  const who = words.__(
    '%1 (pid %2)',
    finding.notebook
      ? baseName(finding.notebook)
      : (finding.name ?? words.__('a process')),
    finding.pid
  );
  const where = label(finding.device) || words.__('a GPU');
  switch (finding.kind) {
    case 'not_held':
      return words.__('%1 is on %2, which it doesn’t hold', who, where);
    case 'over_memory':
      return words.__('%1 is over its share’s memory on %2', who, where);
    case 'ended':
      return words.__('%1 is on %2, whose lease is over', who, where);
  }
}

/** What was done about it, or will be. */
export function stageLine(
  { stage, next_at }: FindingAnswer,
  now: number,
  words: Words
): string {
  // In steps: what changes each second can't be read.
  const left =
    next_at === null
      ? ''
      : span(Math.max(10, Math.ceil((Date.parse(next_at) - now) / 1e4) * 10));
  switch (stage) {
    case 'reported':
      return words.__('reported only');
    case 'warned':
      return left
        ? words.__('interrupted in %1', left)
        : words.__('interrupted soon');
    case 'interrupted':
      return words.__('was interrupted');
    case 'terminated':
      return words.__('was told to end');
    case 'killed':
      return words.__('was killed');
  }
}
