/** Pure rules: what is said of kernels and their GPUs. */

import { baseName, bytes, type Words } from '../format';
import { endOf, remaining } from '../leases/rows';
import { devices, standing, until, type Label } from '../leases/sentences';
import { strengthMeaning } from '../leases/strength';
import { brief, clock, gpus, ordinal, span } from '../leases/times';
import type {
  Death,
  FindingAnswer,
  IdleAnswer,
  KernelAnswer,
  LeaseAnswer
} from '../wire';
import { markOf, moodOf, type IKernelLeases, type Mood } from './rows';

/** What people call a kernel: its notebook. */
export function titleOf(path: string | null, words: Words): string {
  return path ? baseName(path) : words.__('this kernel');
}

/** `GPU 0`, `GPU 0 and GPU 1`; where the names aren't known, `2 GPUs`. */
export function named(
  lease: Pick<LeaseAnswer, 'devices' | 'gpus'>,
  label: Label,
  words: Words
): string {
  return devices(lease.devices, label, words) || gpus(lease.gpus, words);
}

/** How a toolbar button shows it. */
export interface IFace {
  readonly mood: Mood;
  readonly mark: 'restart' | 'later' | null;
  readonly text: string;
  readonly title: string;
}

export function face(
  kernel: KernelAnswer | undefined,
  own: IKernelLeases,
  label: Label,
  now: number,
  words: Words
): IFace {
  const mark = markOf(kernel);
  const mood = moodOf(own, now);
  const lines = [
    said(own, label, now, words),
    kernel?.message ?? '',
    own.active[0] ? strengthMeaning(own.active[0].strength, words) : ''
  ];
  return {
    mood,
    mark,
    text: short(own, mood, label, now, words),
    title: lines.filter(Boolean).join('\n')
  };
}

function short(
  own: IKernelLeases,
  mood: Mood,
  label: Label,
  now: number,
  words: Words
): string {
  const [active] = own.active;
  const [offered] = own.offered;
  const [queued] = own.queued;
  if (active) {
    const uuids = new Set(own.active.flatMap(lease => lease.devices));
    const what =
      uuids.size === 1
        ? named(active, label, words)
        : words._n('%1 GPU', '%1 GPUs', uuids.size);
    const time = brief(remaining(active, now));
    return mood === 'ending'
      ? words.__('%1 · %2 left', what, time)
      : words.__('%1 · %2', what, time);
  }
  if (offered) {
    return words.__('GPU: accept · %1', brief(remaining(offered, now)));
  }
  if (queued) {
    const place =
      queued.position === null
        ? words.__('in line')
        : ordinal(queued.position, words);
    return queued.estimated_start === null
      ? words.__('GPU %1', place)
      : words.__(
          'GPU %1 · ~%2',
          place,
          clock(queued.estimated_start, now, words)
        );
  }
  return words.__('GPU ▾');
}

/** How it stands, in a line; the head of the menu. */
export function said(
  own: IKernelLeases,
  label: Label,
  now: number,
  words: Words
): string {
  if (own.active.length > 0) {
    return own.active
      .map(lease =>
        words.__(
          '%1 %2',
          named(lease, label, words),
          lease.reason === null
            ? until(lease, now, words)
            : words.__(
                'goes back %1',
                clock(new Date(endOf(lease)).toISOString(), now, words)
              )
        )
      )
      .join(', ');
  }
  const [offered] = own.offered;
  if (offered) {
    return words.__(
      '%1 offered: accept within %2',
      named(offered, label, words),
      brief(remaining(offered, now))
    );
  }
  const [queued] = own.queued;
  return queued ? standing(queued, now, words) : words.__('No GPU is attached');
}

/** What a restart costs, and what it is for. */
export function restartLoss(
  kernel: KernelAnswer,
  title: string,
  what: string,
  words: Words
): string {
  return [
    kernel.attachment === 'attached'
      ? words.__('%1 can use %2 only after a restart.', title, what)
      : words.__('%1 lets go of its GPUs only when it is restarted.', title),
    words.__('Restarting %1 loses its variables.', title),
    kernel.state === 'busy' ? words.__('The cell that runs is stopped.') : ''
  ]
    .filter(Boolean)
    .join(' ');
}

/** How an attempt to tell a kernel has come out. */
export function told(
  kernel: KernelAnswer,
  title: string,
  what: string,
  words: Words
): string {
  switch (kernel.applied) {
    case 'live':
    case 'launch':
    case 'untouched':
      return words.__('%1 is set in %2: use it at once.', what, title);
    case 'when_idle':
      return words.__(
        '%1 is set in %2 as soon as the cell that runs has ended.',
        what,
        title
      );
    default:
      return kernel.message;
  }
}

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
      return words.__('stopped at %1: %2', time, death.message);
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

/** `idle for 40 min`, or that memory is held, and what comes of it. */
export function idleLine(idle: IdleAnswer, now: number, words: Words): string {
  const time = span(Math.max(60, (now - Date.parse(idle.since)) / 1000));
  if (idle.holds_memory) {
    return words.__(
      'nothing has run for %1, but its memory is held. Keep or release?',
      time
    );
  }
  return idle.release_at === null
    ? words.__('nothing has run for %1. Keep or release?', time)
    : words.__(
        'nothing has run for %1. Keep it, or it goes back at %2.',
        time,
        clock(idle.release_at, now, words)
      );
}

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
