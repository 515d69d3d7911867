/** Pure rules: how a kernel has died, in words. */

import { bytes, type Words } from '../format';
import { clock } from '../leases/times';
import type { Death } from '../wire';

/** `out of memory at 14:20: limit 4.0 GiB, peak 4.0 GiB, cell [7]` */
export function deathLine(death: Death, now: number, words: Words): string {
  const time = clock(new Date(death.time * 1000).toISOString(), now, words);
  const cell =
    death.execution_count === null
      ? ''
      : words.__('cell [%1]', death.execution_count);
  const figures = (rest: (string | null)[]) =>
    [...rest, cell].filter(Boolean).join(', ');
  switch (death.reason) {
    case 'out_of_memory':
      return words.__(
        'out of memory at %1: %2',
        time,
        figures([
          words.__('limit %1', bytes(death.limit, words)),
          words.__('peak %1', bytes(death.peak, words))
        ])
      );
    case 'machine_out_of_memory':
      return words.__(
        'killed at %1: %2',
        time,
        figures([words.__('the machine had no memory left')])
      );
    case 'too_many_processes':
      return words.__(
        'ended at %1: %2',
        time,
        figures([words.__('limit %1 processes', death.limit ?? '?')])
      );
    case 'stopped_by_guard':
      // The name and the cell stand beside it already.
      return words.__(
        'stopped at %1: %2',
        time,
        death.message.replace(/^.* was stopped[^.]*\. /, '')
      );
    case 'unknown':
      return words.__('ended at %1: %2', time, figures([exit(death, words)]));
  }
}

function exit({ exit_code: code }: Death, words: Words): string {
  return code === null
    ? words.__('how is not known')
    : code < 0
      ? words.__('signal %1', -code)
      : words.__('exit code %1', code);
}

/** What helps against the next one. */
export function deathHelp(death: Death, words: Words): string {
  switch (death.reason) {
    case 'out_of_memory':
      return words.__('Load less at once, or ask for a higher limit.');
    case 'machine_out_of_memory':
      return words.__('Shut down kernels that you don’t need.');
    case 'too_many_processes':
      return words.__('Start fewer workers.');
    default:
      return '';
  }
}
