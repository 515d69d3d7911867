/** Pure rules: what the panel says of leases in words. */

import type { Words } from '../format';
import type { LeaseAnswer, PreviewAnswer, Verdict } from '../wire';
import { localTimes } from './local-times';
import type { ILeaseState } from './model';
import { endOf, remaining } from './rows';
import { clock, gpuHours, gpus, left, ordinal, span } from './times';

/** How a device is called here, by its UUID: `GPU 0`; empty while that isn't known. */
export type Label = (uuid: string) => string;

/** `GPU 0 and GPU 1`, `GPU 0, GPU 1 and GPU 2`. */
export function devices(
  uuids: readonly string[],
  label: Label,
  words: Words
): string {
  const names = uuids
    .map(label)
    .filter(Boolean)
    .sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
  const last = names[names.length - 1] ?? '';
  return names.length < 2
    ? last
    : words.__('%1 and %2', names.slice(0, -1).join(', '), last);
}

/** What the caller holds, and for how long. Empty for nothing. */
export function holding(
  active: readonly LeaseAnswer[],
  now: number,
  words: Words
): string {
  const [first] = active;
  if (!first) {
    return '';
  }
  const amount = gpus(
    active.reduce((sum, lease) => sum + lease.gpus, 0),
    words
  );
  const time = left(remaining(first, now));
  if (first.reason !== null) {
    return active.length === 1
      ? words.__('%1 · to be given back in %2', amount, time)
      : words.__(
          'You hold %1 · %2 to be given back in %3',
          amount,
          gpus(first.gpus, words),
          time
        );
  }
  return active.length === 1
    ? words.__('You hold %1 · %2 left', amount, time)
    : words.__('You hold %1 · the first ends in %2', amount, time);
}

export function offer(lease: LeaseAnswer, now: number, words: Words): string {
  const time = left(remaining(lease, now));
  return lease.gpus <= 1
    ? words.__('A GPU is yours: accept within %1', time)
    : words.__('%1 are yours: accept within %2', gpus(lease.gpus, words), time);
}

/** `2nd in line · about 14:20`. */
export function standing(
  lease: LeaseAnswer,
  now: number,
  words: Words
): string {
  const place =
    lease.position === null
      ? words.__('In line')
      : words.__('%1 in line', ordinal(lease.position, words));
  return words.__('%1 · %2', place, estimate(lease, now, words));
}

/** When it may start; where there is no basis for saying, that. */
export function estimate(
  { estimated_start }: Pick<LeaseAnswer, 'estimated_start'>,
  now: number,
  words: Words
): string {
  return estimated_start === null
    ? words.__('no estimate yet')
    : words.__('about %1', clock(estimated_start, now, words));
}

/** Until when a lease runs: `until 14:20`. */
export function until(lease: LeaseAnswer, now: number, words: Words): string {
  const end = endOf(lease);
  if (!Number.isFinite(end)) {
    return '';
  }
  const time = clock(new Date(end).toISOString(), now, words);
  return lease.status === 'offered'
    ? words.__('offered until %1', time)
    : words.__('until %1', time);
}

/** Who: `you`, a name, or `somebody` where the policy hides names. */
export function who(lease: LeaseAnswer, words: Words): string {
  return lease.mine ? words.__('you') : (lease.owner ?? words.__('somebody'));
}

/** The rest of the facts about one's own lease, for its second line. */
export function facts(lease: LeaseAnswer, words: Words): string {
  const parts =
    lease.status === 'active'
      ? [words.__('%1 so far', gpuHours(lease.gpu_hours)), asked(lease, words)]
      : [asked(lease, words)];
  if (lease.group !== null) {
    parts.push(lease.group);
  }
  if (lease.borrowed) {
    parts.push(words.__('borrowed'));
  }
  if (lease.note) {
    parts.push(lease.note);
  }
  return parts.join(' · ');
}

/** What makes a program use the devices of a lease and no others: for a shell, or after `%env`. */
export function binding(lease: Pick<LeaseAnswer, 'devices'>): string {
  return `CUDA_VISIBLE_DEVICES=${lease.devices.join(',')}`;
}

/** `1 GPU for 2 h`. */
export function asked(
  lease: Pick<LeaseAnswer, 'gpus' | 'duration'>,
  words: Words
): string {
  return words.__('%1 for %2', gpus(lease.gpus, words), span(lease.duration));
}

/** Why a borrowed or revoked lease ends early. */
export function early(lease: LeaseAnswer, words: Words): string {
  switch (lease.reason) {
    case 'reclaimed':
      return lease.remark
        ? words.__('It was borrowed, and is needed %1.', lease.remark)
        : words.__(
            'It was borrowed, and is needed by whom it is guaranteed to.'
          );
    case 'revoked':
      return lease.remark
        ? words.__('An administrator ends it: %1', lease.remark)
        : words.__('An administrator ends it.');
    default:
      return lease.remark;
  }
}

/** Why an ended lease is over, in a word or two. */
export function ending(lease: LeaseAnswer, words: Words): string {
  switch (lease.reason) {
    case 'released':
      return words.__('given back');
    case 'expired':
      return words.__('time was up');
    case 'cancelled':
      return words.__('left the line');
    case 'declined':
      return words.__('declined');
    case 'lapsed':
      return words.__('offer not accepted in time');
    case 'revoked':
      return words.__('revoked');
    case 'reclaimed':
      return words.__('taken back');
    case 'idle':
      return words.__('not used');
    case 'lost':
      return words.__('GPU was gone');
    default:
      return '';
  }
}

/** What the server says of a verdict, in a line. */
export function why(verdict: Verdict): string {
  return [verdict.message, verdict.hint].filter(Boolean).join(' ');
}

/** What would become of a request. */
export interface IForecast {
  /** `now`: it starts; `later`: it waits; `no`: it is refused. */
  readonly tone: 'now' | 'later' | 'no';
  readonly text: string;
  readonly hint: string;
}

export function forecast(
  preview: PreviewAnswer,
  label: Label,
  now: number,
  words: Words
): IForecast {
  const { verdict, position, expires_at } = preview;
  const cost = gpuHours(preview.gpu_hours);
  const local = (text: string) => localTimes(text, now, words);
  switch (verdict.outcome) {
    case 'admitted':
      return {
        tone: 'now',
        text: words.__(
          'Starts now on %1, until %2, costs %3.',
          devices(preview.devices, label, words),
          expires_at === null ? '?' : clock(expires_at, now, words),
          cost
        ),
        hint: local(verdict.hint)
      };
    case 'queued': {
      const place =
        position === null
          ? words.__('You would have to wait')
          : words.__('You would be %1 in line', ordinal(position, words));
      const when =
        preview.estimated_start === null
          ? words.__('when it starts can’t be said yet.')
          : words.__(
              'expected start about %1.',
              clock(preview.estimated_start, now, words)
            );
      return {
        tone: 'later',
        text: words.__('%1; %2', place, when),
        hint: local(why(verdict))
      };
    }
    case 'refused':
      return {
        tone: 'no',
        text: local(verdict.message),
        hint: local(verdict.hint)
      };
  }
}

/** What became of a request, for a notification. */
export function granted(
  lease: LeaseAnswer,
  label: Label,
  now: number,
  words: Words
): string {
  const amount = gpus(lease.gpus, words);
  if (lease.status === 'queued') {
    return words.__('%1 asked for. %2.', amount, standing(lease, now, words));
  }
  return words.__(
    '%1: yours %2.',
    devices(lease.devices, label, words) || amount,
    until(lease, now, words)
  );
}

/** What the status bar adds; empty for nothing. */
export function statusPart(
  { rows }: ILeaseState,
  now: number,
  words: Words,
  brief: (seconds: number) => string
): string {
  const [offered] = rows.offered;
  if (offered) {
    return words.__('accept: %1', brief(remaining(offered, now)));
  }
  const [active] = rows.active;
  if (active) {
    return words.__('%1 left', brief(remaining(active, now)));
  }
  const [queued] = rows.queued;
  return !queued
    ? ''
    : queued.position === null
      ? words.__('in line')
      : ordinal(queued.position, words);
}
