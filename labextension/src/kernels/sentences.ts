/** Pure rules: what is said of kernels and their GPUs. */

import { baseName, type Words } from '../format';
import { endOf, remaining } from '../leases/rows';
import { devices, standing, until, type Label } from '../leases/sentences';
import { strengthMeaning } from '../leases/strength';
import { brief, clock, gpus, ordinal, span } from '../leases/times';
import type {
  IdleAnswer,
  KernelAnswer,
  LeaseAnswer,
  OverAnswer
} from '../wire';
import { markOf, moodOf, stopsIn, type IKernelLeases, type Mood } from './rows';

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
  const mood = moodOf(kernel, own, now);
  const lines = [
    said(kernel, own, label, now, words),
    mood === 'over' ? '' : (kernel?.message ?? ''),
    own.active[0] ? strengthMeaning(own.active[0].strength, words) : ''
  ];
  return {
    mood,
    mark,
    text: short(kernel, own, mood, label, now, words),
    title: lines.filter(Boolean).join('\n')
  };
}

function short(
  kernel: KernelAnswer | undefined,
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
  if (kernel?.over) {
    const what = which(kernel.over, label, words);
    const stops = stopsIn(kernel.over, now);
    return stops === null
      ? words.__('%1 ended', what)
      : words.__('%1 ended · %2', what, brief(stops));
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
  kernel: KernelAnswer | undefined,
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
  if (kernel?.over) {
    return overLine(kernel, kernel.over, label, now, words);
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

function which(over: OverAnswer, label: Label, words: Words): string {
  const { devices: uuids } = over;
  return named({ devices: uuids, gpus: uuids.length }, label, words);
}

/** What has ended, and when its kernel feels it. */
function overLine(
  kernel: KernelAnswer,
  over: OverAnswer,
  label: Label,
  now: number,
  words: Words
): string {
  const what = which(over, label, words);
  return stopsIn(over, now) !== null
    ? words.__(
        'The lease of %1 is over: what uses it is stopped at %2',
        what,
        clock(over.stops_at ?? '', now, words)
      )
    : kernel.applied === 'restart'
      ? words.__('The lease of %1 is over: let go of by a restart', what)
      : words.__('The lease of %1 is over: it goes when this cell ends', what);
}

/** The same for a notification: what comes, what is lost by it, what helps. */
export function overNotice(
  kernel: KernelAnswer,
  over: OverAnswer,
  label: Label,
  now: number,
  words: Words
): string {
  const what = which(over, label, words);
  const title = titleOf(kernel.notebook, words);
  const stops = stopsIn(over, now);
  if (stops !== null) {
    return words.__(
      'The lease of %1 is over. If %2 still uses it in %3 it is stopped, and its variables are lost. Save your work.',
      what,
      title,
      step(stops, words)
    );
  }
  return kernel.applied === 'restart'
    ? words.__(
        'The lease of %1 is over, but %2 holds on to it until a restart, which loses its variables.',
        what,
        title
      )
    : words.__(
        'The lease of %1 is over, but %2 still runs: it loses the GPU when this cell ends. Save your work.',
        what,
        title
      );
}

/** In steps of ten seconds, later of minutes: what changes each second can't be read. Never more than is left. */
function step(seconds: number, words: Words): string {
  const size = seconds > 90 ? 60 : 10;
  return seconds < size
    ? words.__('less than %1', span(size))
    : span(Math.floor(seconds / size) * size);
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
      return kernel.cap_at_restart
        ? words.__(
            '%1 is set in %2. Frameworks are sure to keep to its memory limit only after a restart.',
            what,
            title
          )
        : words.__('%1 is set in %2: use it at once.', what, title);
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
